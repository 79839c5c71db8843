"""The demo: detect free text in a photograph, without any training.

``make demo IMAGE=photo.jpg TEXT="a raccoon. a tree"`` runs it; results go to ``outputs/demo/``. The
image side is YOLO-World v2-S, fetched once and converted; the text side ships with the project.
Where the image side cannot be had, the training demo runs instead.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')  # waiting threads sleep; see train_and_detect

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.apis.photograph import check_request, describe, detect_text
from expalign.convert.fetch import FetchError
from expalign.convert.warm_start import warm_start_checkpoint
from expalign.engine.config import load_config

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / 'configs' / 'expalign_v8s_minilm.py'
TEXT_SIDE = ROOT / 'demo' / 'weights' / 'expalign_v8s_minilm_text.safetensors'
IMAGE = ROOT / 'demo' / 'data' / 'mini' / 'val2017' / '000000214753.jpg'
TEXT = 'a person. a horse'


def parse_args() -> argparse.Namespace:
    """Read the command line, and refuse a useless photograph or text before any work."""
    parser = argparse.ArgumentParser(description='Detect free text in a photograph')
    parser.add_argument('--image', default=str(IMAGE), help='photograph to search')
    parser.add_argument('--text', default=TEXT, help="what to search for, separated by '.'")
    parser.add_argument('--out', default='outputs/demo', help='folder for the results')
    parser.add_argument('--score-thr', type=float, default=0.1, help='lowest score in the picture')
    args = parser.parse_args()
    args.out = Path(args.out).resolve()
    try:
        args.image = check_request(args.image, args.text)
    except ValueError as error:
        parser.error(str(error))
    return args


def main() -> None:
    """Fetch, detect, and say where everything is."""
    args = parse_args()
    os.chdir(ROOT)
    try:
        checkpoint = warm_start_checkpoint(TEXT_SIDE)
    except FetchError as error:
        print(f'{error}; training a small model on the shipped photographs instead.', flush=True)
        sys.exit(subprocess.call([
            sys.executable, 'demo/train_and_detect.py', '--image', str(args.image),
            '--text', args.text, '--out', str(args.out)]))
    started = time.time()
    cfg = load_config(CONFIG)
    cfg.log_level = 'ERROR'
    detections = detect_text(cfg, checkpoint, args.image, args.text, args.out, args.score_thr)
    print(describe(detections, args.image, args.out, args.score_thr))
    print('Written:', *(f'  {args.out / name}' for name in ('detections.jpg', 'predictions.json')),
          f'{time.time() - started:.0f} s', sep='\n')


if __name__ == '__main__':
    main()
