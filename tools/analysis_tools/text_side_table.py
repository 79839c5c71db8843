"""AP of text sides on the sets of docs/results.md: ``text_side_table.py IMAGE_WEIGHTS TEXT...``.

Every TEXT is a file of tools/distill_text.py; several (of several seeds) give mean and spread. The
images are read from the folder that ``EXPALIGN_DATA`` names. Everything runs as in tools/test.py.
"""

import argparse
import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.convert.assemble import assemble
from expalign.engine.config import load_config
from expalign.engine.launch import build_runner

sys.path.insert(0, str(Path(__file__).parent))
from warm_start_parity import DISTRACTORS, merge_splits  # noqa: E402

CONFIG = 'configs/expalign_v8s_minilm_coco-mini.py'
PACKAGES, THERMAL = 'odinw/Packages', 'odinw/thermalDogsAndPeople'


def coco_style(data: Path, row: str) -> tuple[dict[str, Any], Path] | None:
    """Annotations and image folder of a row; None for coco-mini, which the config has."""
    if row.startswith('Raccoon'):
        content = json.loads((data / 'odinw/Raccoon/annotations.json').read_text())
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


ROWS = ('coco-mini val', 'Raccoon', 'Raccoon with 6 distractors', 'thermal valid + test',
        'Packages: package', 'Packages: a package', 'Packages: a cardboard box on a doorstep')


def evaluate(row: str, checkpoint: str, pooling: str, folder: Path) -> tuple[float, float]:
    """AP and AP50 of a row."""
    options: dict[str, Any] = {'model.text_adapter.token_pooling': pooling}
    special = coco_style(Path(os.environ['EXPALIGN_DATA']), row)
    if special is not None:
        content, images = special
        file = (folder / f'{ROWS.index(row)}.json').resolve()
        file.write_text(json.dumps(content))
        options.update({
            'test_dataloader.dataset.type': 'expalign.TextCocoDataset',
            'test_dataloader.dataset.data_root': '',
            'test_dataloader.dataset.ann_file': str(file),
            'test_dataloader.dataset.data_prefix.img': f'{images}/',
            'test_evaluator.ann_file': str(file)})
    cfg = load_config(CONFIG, options)
    cfg.load_from, cfg.work_dir, cfg.log_level = checkpoint, str(folder / 'run'), 'ERROR'
    metrics = build_runner(cfg).test()
    return metrics['coco/bbox_mAP'], metrics['coco/bbox_mAP_50']


def main() -> None:
    """Evaluate every text side on the rows and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('image_weights', help='converted image side, *.safetensors')
    parser.add_argument('text', nargs='+', help='text sides, one a seed')
    parser.add_argument('--token-pooling', default='expectation')
    parser.add_argument('--rows', nargs='+', choices=ROWS, default=ROWS, metavar='ROW',
                        help=f'by default all of: {"; ".join(ROWS)}')
    parser.add_argument('--work-dir', default='work_dirs/text_side_table')
    args = parser.parse_args()
    if not os.environ.get('EXPALIGN_DATA'):
        parser.error('the environment variable EXPALIGN_DATA must name the folder of the data')
    folder = Path(args.work_dir)
    folder.mkdir(parents=True, exist_ok=True)
    results: dict[str, list[tuple[float, float]]] = {row: [] for row in args.rows}
    for text in args.text:
        checkpoint = str(folder / 'assembled.safetensors')
        assemble(args.image_weights, text, checkpoint)
        for row in args.rows:
            results[row].append(evaluate(row, checkpoint, args.token_pooling, folder))
    print('| set | AP | AP50 |\n|---|---|---|')
    for row, values in results.items():
        print(f'| {row} | {_cell([v[0] for v in values])} | {_cell([v[1] for v in values])} |')


def _cell(values: list[float]) -> str:
    if len(values) == 1:
        return f'{values[0]:.3f}'
    return f'{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}'


if __name__ == '__main__':
    main()
