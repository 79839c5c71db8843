"""The demo: boxes and masks of free text in a photograph, without any training.

``make demo IMAGE=photo.jpg TEXT="a raccoon. a tree"`` runs it; results go to ``outputs/demo/``. At
the first run it also tests the detector on the shipped photographs. The image side is YOLO-World
v2-S, fetched once and converted; text side and mask branches ship with the project. Where the image
side cannot be had, the training demo runs instead.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from copy import deepcopy
from pathlib import Path

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')  # waiting threads sleep; see train_and_detect

from mmengine.config import Config

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.apis.box_ap import box_ap
from expalign.apis.text_search import check_photograph, describe, detect_text, write_json
from expalign.apis.texts import understood_prompts
from expalign.checkpoints.fetch import FetchError
from expalign.checkpoints.warm_start import CONFIG, warm_start_checkpoint
from expalign.utils import run_command
from expalign.utils.load_config import load_config

ROOT = Path(__file__).resolve().parents[1]
DATA = 'demo/data/mini/'  # from the root
IMAGE = ROOT / 'demo' / 'data' / 'mini' / 'val2017' / '000000214753.jpg'
TEXT = 'a person. a horse'


def parse_args() -> argparse.Namespace:
    """Read the command line, and refuse a useless photograph or text before any work."""
    parser = argparse.ArgumentParser(description='Detect free text in a photograph')
    parser.add_argument('--image', default=str(IMAGE), help='photograph to search')
    parser.add_argument('--text', default=TEXT, help='what to search for, as in the default')
    parser.add_argument('--out', default='outputs/demo', help='folder for the results')
    parser.add_argument('--score-thr', type=float, default=0.1, help='lowest score in the picture')
    args = parser.parse_args()
    args.out = Path(args.out).resolve()
    try:
        args.image = check_photograph(args.image, args.out)
        args.prompts = understood_prompts(args.text)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return args


def precision(cfg: Config, checkpoint: Path, out: Path) -> dict:
    """AP on the shipped photographs, which were not trained on; kept until weights change."""
    file = out / 'metrics.json'
    known = json.loads(file.read_text()) if file.is_file() else {}
    if known.get('checkpoint') != checkpoint.name:
        print('Testing on the shipped photographs, once.', flush=True)
        cfg = deepcopy(cfg)
        cfg.merge_from_dict({
            f'test_dataloader.{key}': value for key, value in dict(
                batch_size=4, num_workers=0, persistent_workers=False, pin_memory=False).items()})
        annotations = 'annotations/instances_val2017.json'
        cfg.test_dataloader.dataset.update(
            type='expalign.TextCocoDataset', data_root=DATA, ann_file=annotations)
        cfg.test_evaluator.ann_file = DATA + annotations
        known = box_ap(cfg, checkpoint, out / 'test') | dict(checkpoint=checkpoint.name)
        write_json(file, known)
    return known


def main() -> None:
    """Fetch, detect, and say where everything is."""
    args = parse_args()
    os.chdir(ROOT)
    try:
        checkpoint = warm_start_checkpoint()
    except FetchError as error:
        print(f'{error}; training a small model on the shipped photographs instead.', flush=True)
        sys.exit(subprocess.call([
            sys.executable, 'demo/train_and_detect.py', '--image', str(args.image),
            '--text', args.text, '--out', str(args.out)]))
    started = time.time()
    cfg = load_config(CONFIG)
    cfg.log_level = 'ERROR'
    detections = detect_text(cfg, checkpoint, args.image, args.prompts, args.out, args.score_thr)
    print(describe(detections, args.image, args.out, args.score_thr))
    metrics = precision(cfg, checkpoint, args.out)
    print(f'On {metrics["images"]} photographs it was not trained on: boxes AP '
          f'{metrics["AP"]:.3f}, AP50 {metrics["AP50"]:.3f}; masks AP {metrics["mask_AP"]:.3f}, '
          f'AP50 {metrics["mask_AP50"]:.3f}')
    files = ('detections.jpg', 'explanation.png', 'predictions.json', 'metrics.json')
    print('Written:', *(f'  {args.out / name}' for name in files),
          f'{time.time() - started:.0f} s', sep='\n')


if __name__ == '__main__':
    run_command(main)
