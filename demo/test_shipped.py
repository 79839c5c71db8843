"""Test the default detector on the shipped photographs, which no part of it was trained on.

``make demo`` does so once. OUT/metrics.json has box and mask AP; it is kept until weights change.
"""

import argparse
import json
import os
from pathlib import Path

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')  # waiting threads sleep; see train_and_detect

from expalign.utils import run_command
from expalign.utils.command_parser import CommandParser

ROOT = Path(__file__).resolve().parents[1]
DATA = 'demo/data/mini/'  # from the root
ANNOTATIONS = 'annotations/instances_val2017.json'


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(description=__doc__, example='--out outputs/demo')
    parser.add_argument('--out', type=Path, default=Path('outputs/demo'),
                        help='folder for the results')
    return parser.parse_args()


def precision(out: Path) -> dict:
    """AP on the shipped photographs."""
    from expalign.apis.box_ap import box_ap
    from expalign.apis.text_search import write_json
    from expalign.checkpoints.warm_start import CONFIG, warm_start_checkpoint
    from expalign.utils.load_config import load_config
    checkpoint, file = warm_start_checkpoint(), out / 'metrics.json'
    known = json.loads(file.read_text(encoding='utf-8')) if file.is_file() else {}
    if known.get('checkpoint') != checkpoint.name:
        print('Testing on the shipped photographs, once.', flush=True)
        cfg = load_config(CONFIG)
        cfg.log_level = 'ERROR'
        cfg.merge_from_dict({
            f'test_dataloader.{key}': value for key, value in dict(
                batch_size=4, num_workers=0, persistent_workers=False, pin_memory=False).items()})
        cfg.test_dataloader.dataset.update(
            type='expalign.TextCocoDataset', data_root=DATA, ann_file=ANNOTATIONS)
        cfg.test_evaluator.ann_file = DATA + ANNOTATIONS
        known = box_ap(cfg, checkpoint, out / 'test') | dict(checkpoint=checkpoint.name)
        write_json(file, known)
    return known


def main() -> None:
    """Test, and say the figures."""
    out = parse_args().out.resolve()
    os.chdir(ROOT)
    metrics = precision(out)
    print(f'On {metrics["images"]} photographs it was not trained on: boxes AP '
          f'{metrics["AP"]:.3f}, AP50 {metrics["AP50"]:.3f}; masks AP {metrics["mask_AP"]:.3f}, '
          f'AP50 {metrics["mask_AP50"]:.3f}; {out / "metrics.json"}')


if __name__ == '__main__':
    run_command(main)
