"""Train a small model on the shipped photographs, test it, and detect text in a photograph.

``make demo-train IMAGE=photo.jpg TEXT="a cat. a red chair"`` runs it; results go to
``outputs/demo-train/``. A training that was interrupted goes on where it was, one that is complete
is used again.
"""

import argparse
import hashlib
import json
import os
import shutil
import time
from copy import deepcopy
from pathlib import Path

# Threads that wait sleep, or they slow training many times over where cores are shared. OpenMP
# reads this when torch is imported.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

from typing import TYPE_CHECKING

import expalign  # (before mmdet: the compatibility layer)
from expalign.apis.text_search import check_photograph, write_json
from expalign.apis.texts import understood_prompts
from expalign.structures.thresholds import SCORE_THR, threshold_argument
from expalign.utils import run_command
from expalign.utils.command_parser import CommandParser, DictAction

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.runner import Runner

    from expalign.structures.detections import Detections

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / 'configs' / 'mini/expalign_mini.py'
IMAGE = ROOT / 'demo' / 'data' / 'mini' / 'train2017' / '000000442450.jpg'
TEXT = 'a dog. a person. a frisbee'
SPLITS = {
    'training_images': 'photographs it was trained on: that it learns, not how good it is',
    'held_out_images': 'photographs it has not seen: low, as there are few to learn from',
}


def parse_args() -> argparse.Namespace:
    """Read the command line, and refuse a useless photograph or text before any training."""
    parser = CommandParser(description='Train a small model and detect text with it',
                           example='--image photo.jpg --text "a cat. a red chair"')
    parser.add_argument('--image', default=str(IMAGE), help='photograph to search')
    parser.add_argument('--text', default=TEXT, help='what to search for, as in the default')
    parser.add_argument('--out', default='outputs/demo-train', help='folder for the results')
    parser.add_argument('--score-thr', type=threshold_argument, default=SCORE_THR,
                        help='lowest score in the picture')
    parser.add_argument('--retrain', action='store_true', help='do not use an earlier training')
    parser.add_argument('--config', default=str(CONFIG), help='config of the model')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of the config')
    args = parser.parse_args()
    args.out, args.config = Path(args.out).resolve(), Path(args.config).resolve()
    try:
        args.image = check_photograph(args.image, args.out)
        args.prompts = understood_prompts(args.text)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return args


def progress_hook() -> object:
    """A hook that prints a line every few epochs, instead of mmengine's log of several thousand."""
    from mmengine.hooks import Hook  # after the command line: it takes seconds to import

    class Progress(Hook):
        """See above."""

        def before_train(self, runner: 'Runner') -> None:
            """Start the clock."""
            self.started, self.first_epoch, self.loss = time.time(), runner.epoch, float('nan')

        def after_train_iter(self, runner: 'Runner', batch_idx: int, data_batch=None,
                             outputs: dict | None = None) -> None:
            """Keep the loss of the iteration."""
            self.loss = float(outputs['loss'])

        def after_train_epoch(self, runner: 'Runner') -> None:
            """Say how far the training is."""
            done, total = runner.epoch + 1, runner.max_epochs
            if done % 5 == 0 or done == total:
                pace = (time.time() - self.started) / (done - self.first_epoch)
                print(f'  epoch {done} of {total}, loss {self.loss:.1f}, '
                      f'{pace * (total - done) / 60:.1f} minutes left', flush=True)

    return Progress()


class Training:
    """A training in a folder, with a record of what was trained and how far it came."""

    def __init__(self, cfg: 'Config', folder: Path) -> None:
        self.cfg = cfg
        self.folder = folder
        self.record = folder / 'training.json'
        content = f'{expalign.__version__} {cfg.to_dict()!r}'
        self.fingerprint = hashlib.sha256(content.encode()).hexdigest()

    def finished_checkpoint(self) -> str | None:
        """The weights, if a training of this very config was completed here."""
        state = self._read()
        checkpoint = state.get('checkpoint')
        is_there = checkpoint is not None and Path(checkpoint).is_file()
        return checkpoint if is_there and state['fingerprint'] == self.fingerprint else None

    def run(self, anew: bool) -> str:
        """Train, going on where an interrupted training of the same config was; the weights."""
        if self.folder.is_dir() and not self.record.is_file():
            raise FileExistsError(
                f'{self.folder} was not made by the demo; choose another folder with --out')
        if self.folder.is_dir() and (anew or self._read()['fingerprint'] != self.fingerprint):
            shutil.rmtree(self.folder)
        self._write(None)
        cfg = deepcopy(self.cfg)
        cfg.work_dir = str(self.folder)
        cfg.resume = True
        # The held-out photographs are tested below, once.
        cfg.train_cfg.val_interval = cfg.train_cfg.max_epochs + 1
        from expalign.engine.launch import build_runner
        runner = build_runner(cfg)
        runner.register_hook(progress_hook())
        runner.train()
        checkpoint = (self.folder / 'last_checkpoint').read_text(encoding='utf-8').strip()
        self._write(checkpoint)
        return checkpoint

    def _read(self) -> dict:
        return json.loads(self.record.read_text(encoding='utf-8')) if self.record.is_file() else {}

    def _write(self, checkpoint: str | None) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.record, dict(fingerprint=self.fingerprint, checkpoint=checkpoint))


def evaluate(cfg: 'Config', checkpoint: str, split: str, work_dir: Path) -> dict:
    """Box AP and AP50 of the weights on one of :data:`SPLITS`."""
    from expalign.apis.box_ap import box_ap
    cfg = deepcopy(cfg)
    if split == 'training_images':
        source, target = cfg.train_dataloader.dataset, cfg.test_dataloader.dataset
        target.ann_file, target.data_prefix = source.ann_file, source.data_prefix
        cfg.test_evaluator.ann_file = str(Path(target.data_root) / target.ann_file)
    return box_ap(cfg, checkpoint, work_dir) | dict(meaning=SPLITS[split])


def summary(args: argparse.Namespace, metrics: dict, found: 'Detections') -> str:
    """What the user should read at the end."""
    scores = [f'{split.replace("_", " ")} ({row["images"]}): AP {row["AP"]:.3f}, '
              f'AP50 {row["AP50"]:.3f} ({row["meaning"]})' for split, row in metrics.items()]
    files = ('detections.jpg', 'predictions.json', 'metrics.json')
    return '\n'.join([
        '', f'{args.image}: {found}',
        'Box precision:', *(f'  {line}' for line in scores),
        'Written:', *(f'  {args.out / name}' for name in files)])


def main() -> None:
    """Train or reuse, test, detect, and say where everything is."""
    args = parse_args()
    os.chdir(ROOT)  # the config names its data relative to the root
    started = time.time()
    from expalign.apis.text_search import search_photograph
    from expalign.utils.load_config import load_config
    cfg = load_config(args.config, args.cfg_options)
    cfg.log_level = 'ERROR'
    training = Training(cfg, args.out / 'training')
    checkpoint = None if args.retrain else training.finished_checkpoint()
    metrics_file = args.out / 'metrics.json'
    if checkpoint is not None:
        print(f'Already trained: {checkpoint}; --retrain starts anew.')
    else:
        print('Training a small model on the shipped photographs; this takes some minutes.')
        metrics_file.unlink(missing_ok=True)
        checkpoint = training.run(args.retrain)
    if not metrics_file.is_file():
        write_json(metrics_file, {split: evaluate(cfg, checkpoint, split, args.out / 'test')
                                  for split in SPLITS})
    found = search_photograph(
        cfg, checkpoint, args.image, args.prompts, args.out, args.score_thr)
    print(summary(args, json.loads(metrics_file.read_text(encoding='utf-8')), found))
    print(f'{time.time() - started:.0f} s')


if __name__ == '__main__':
    run_command(main)
