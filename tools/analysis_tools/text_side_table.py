"""AP of text sides on the sets of docs/results.md: ``text_side_table.py IMAGE_WEIGHTS TEXT...``.

Every TEXT is a file of distill_text.py; ``NAME_0.safetensors``, ``NAME_1.safetensors``, ...
are the seeds of one recipe. Names pass through the text side alone, but for the row "table + NAME":
there the first TEXT has the exact vectors of the names that the shipped table knows. The images are
read from the folder that ``EXPALIGN_DATA`` names. Everything runs as in tools/test.py, but the
backbone, which does not see the text, runs once for all text sides. Figures are kept in the work
directory: an interrupted table is taken up again.
"""

import argparse
import hashlib
import json
import os
import re
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.runner import Runner
from torch import Tensor, nn

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.apis.text_search import write_json
from expalign.checkpoints.assemble import read_text_side
from expalign.engine.launch import build_runner
from expalign.models.utils.pretrained import resolve_model_source
from expalign.registry import MODELS
from expalign.utils.load_config import load_config

sys.path.insert(0, str(Path(__file__).parent))
from warm_start_parity import DISTRACTORS, merge_splits  # noqa: E402

CONFIG = 'configs/coco_mini/expalign_v8s_minilm_coco-mini.py'
TABLE = 'package:expalign/weights/clip_vitb32_names.safetensors'
PACKAGES, THERMAL = 'odinw/Packages', 'odinw/thermalDogsAndPeople'
ROWS = ('coco-mini val', 'Raccoon', 'Raccoon with 6 distractors', 'thermal valid + test',
        'Packages: package', 'Packages: a package', 'Packages: a cardboard box on a doorstep')


class TextSide(NamedTuple):
    """A row's text side.

    Attributes:
        file: of the adapter.
        known: whether names that the table knows have their exact vectors.
    """

    file: str
    known: bool = False

    def digest(self, image_side: str) -> str:
        """Tells the figures of different weights apart."""
        extra = Path(resolve_model_source(TABLE)).read_bytes() if self.known else b''
        content = image_side.encode() + Path(self.file).read_bytes() + extra
        return hashlib.sha256(content).hexdigest()

    def recipe(self) -> str:
        """The file's name without the number of its seed."""
        name = re.sub(r'_\d+$', '', Path(self.file).stem)
        return f'table + {name}' if self.known else name


class RememberingBackbone(nn.Module):
    """A frozen backbone that keeps what it gave for a batch of images.

    Args:
        backbone: in eval mode.
        kept: digest of a batch -> its feature maps; shared by the rows of a table.
    """

    def __init__(self, backbone: nn.Module, kept: dict[bytes, tuple[Tensor, ...]]) -> None:
        super().__init__()
        self.backbone = backbone
        self.kept = kept

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of images (B, 3, H, W)."""
        key = hashlib.blake2b(images.numpy().data).digest()
        if key not in self.kept:
            self.kept[key] = tuple(self.backbone(images))
        return self.kept[key]


def coco_style(data: Path, row: str) -> tuple[dict[str, Any], Path] | None:
    """Annotations and image folder of a row; None for coco-mini, which the config has."""
    if row.startswith('Raccoon'):
        content = json.loads((data / 'odinw/Raccoon/annotations.json').read_text(encoding='utf-8'))
        if 'distractors' in row:
            first = max(category['id'] for category in content['categories']) + 1
            content['categories'] += [
                dict(id=first + index, name=name) for index, name in enumerate(DISTRACTORS)]
        return content, data / 'odinw/Raccoon/images'
    if row == 'thermal valid + test':
        return merge_splits(data / THERMAL, ('valid', 'test')), data / THERMAL
    if row.startswith('Packages'):
        content = merge_splits(data / PACKAGES, ('train', 'valid', 'test'))
        content['categories'][0]['name'] = row.split(': ')[1]
        return content, data / PACKAGES
    return None


def row_runner(row: str, image_weights: str, folder: Path) -> Runner:
    """A runner whose test set is the row's and whose image side has its weights."""
    options: dict[str, Any] = {}
    special = coco_style(Path(os.environ['EXPALIGN_DATA']), row)
    if special is not None:
        content, images = special
        file = (folder / f'{ROWS.index(row)}.json').resolve()
        file.write_text(json.dumps(content), encoding='utf-8')
        options.update({
            'test_dataloader.dataset.type': 'expalign.TextCocoDataset',
            'test_dataloader.dataset.data_root': '',
            'test_dataloader.dataset.ann_file': str(file),
            'test_dataloader.dataset.data_prefix.img': f'{images}/',
            'test_evaluator.ann_file': str(file)})
    cfg = load_config(CONFIG, options)
    cfg.load_from, cfg.work_dir, cfg.log_level = image_weights, str(folder / 'run'), 'ERROR'
    runner = build_runner(cfg)
    runner.load_or_resume()
    return runner


def set_text_side(runner: Runner, text: TextSide) -> None:
    """Give the runner's detector a text side."""
    state, header = read_text_side(text.file)
    adapter = MODELS.build(dict(
        runner.cfg.model.text_adapter, token_pooling=header['token_pooling']))
    adapter.load_state_dict(state)
    runner.model.text_adapter = adapter
    runner.model.known_names = MODELS.build(
        dict(type='expalign.KnownNames', vectors=TABLE)) if text.known else None


def figures(image_weights: str, texts: list[TextSide], rows: list[str], folder: Path
            ) -> Iterator[tuple[str, TextSide, list[float]]]:
    """Row, text side, and [AP, AP50], in turn; figures that are known from before come first."""
    store = folder / 'figures.json'
    known = json.loads(store.read_text(encoding='utf-8')) if store.is_file() else {}
    image_side = hashlib.sha256(Path(image_weights).read_bytes()).hexdigest()
    digests = {text: text.digest(image_side) for text in texts}
    todo = [(row, text) for row in rows for text in texts
            if f'{row} {digests[text]}' not in known]
    yield from ((row, text, known[f'{row} {digests[text]}'])
                for row in rows for text in texts if (row, text) not in todo)
    kept: dict[bytes, tuple[Tensor, ...]] = {}
    runner, of_row, started = None, None, time.time()
    for number, (row, text) in enumerate(todo):
        if row != of_row:
            runner, of_row = row_runner(row, image_weights, folder), row
            runner.model.backbone = RememberingBackbone(runner.model.backbone, kept)
        set_text_side(runner, text)
        metrics = runner.test()
        found = [metrics['coco/bbox_mAP'], metrics['coco/bbox_mAP_50']]
        known[f'{row} {digests[text]}'] = found
        write_json(store, known)
        each = (time.time() - started) / (number + 1)
        print(f'{number + 1} of {len(todo)}: {row}, {text.recipe()}: AP {found[0]:.3f}; '
              f'{each:.0f} s each, {(len(todo) - number - 1) * each:.0f} s left', flush=True)
        yield row, text, found


def cells(values: list[list[float]]) -> str:
    """AP by seed, and mean and deviation of AP and AP50, as cells of a table."""
    by_seed = ', '.join(f'{ap:.3f}' for ap, _ in values)
    if len(values) == 1:
        return f'{by_seed} | | {values[0][1]:.3f}'
    both = (f'{statistics.mean(column):.3f} ± {statistics.stdev(column):.3f}'
            for column in zip(*values, strict=True))
    return f'{by_seed} | {" | ".join(both)}'


@torch.no_grad()
def main() -> None:
    """Evaluate every text side on the rows and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('image_weights', help='converted image side, *.safetensors')
    parser.add_argument('text', nargs='+', help='text sides')
    parser.add_argument('--rows', nargs='+', choices=ROWS, default=ROWS, metavar='ROW',
                        help=f'by default all of: {"; ".join(ROWS)}')
    parser.add_argument('--work-dir', default='work_dirs/text_side_table')
    args = parser.parse_args()
    if not os.environ.get('EXPALIGN_DATA'):
        parser.error('the environment variable EXPALIGN_DATA must name the folder of the data')
    for file in (args.image_weights, *args.text):
        if not Path(file).is_file():
            parser.error(f'{file} does not exist')
    folder = Path(args.work_dir)
    folder.mkdir(parents=True, exist_ok=True)
    texts = [*map(TextSide, args.text), TextSide(args.text[0], known=True)]
    found = {(row, text): value for row, text, value in figures(
        args.image_weights, texts, args.rows, folder)}
    print('| set | text side | AP by seed | AP | AP50 |\n|---|---|---|---|---|')
    for row in args.rows:
        for name in dict.fromkeys(text.recipe() for text in texts):
            values = [found[row, text] for text in texts if text.recipe() == name]
            print(f'| {row} | {name} | {cells(values)} |')


if __name__ == '__main__':
    main()
