"""Compare converted YOLO-World v2-S weights with the original code's figures, set by set.

``EXPALIGN_DATA=/data python tools/analysis_tools/warm_start_parity.py WEIGHTS VECTORS``

WEIGHTS and VECTORS are what ``yolo_world_to_expalign.py SRC WEIGHTS --vectors VECTORS`` writes for
``yolov8s-worldv2.pt``. The images and the table of CLIP vectors of other names are read from the
folder that ``EXPALIGN_DATA`` names. Exits with 1 where a figure is off by more than it may be.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.engine.launch import build_runner
from expalign.utils.load_config import load_config

CONFIG = 'configs/warm_start/expalign_v8s_clip-vectors_{}.py'
DISTRACTORS = ('cat', 'dog', 'bear', 'fox', 'person', 'squirrel')


class Row(NamedTuple):
    """A figure: which config, what the original code reaches, and how far off we may be."""

    config: str
    ap: float
    ap50: float
    tolerance: float


# Measured with the original code at 640 px: score above 0.001, NMS at 0.7, 300 boxes an image.
ROWS = {
    'coco-mini, vectors of the checkpoint': Row('coco-mini', 0.401, 0.555, 0.005),
    'coco-mini, vectors of the table': Row('coco-mini', 0.387, 0.541, 0.005),
    'Raccoon': Row('raccoon', 0.524, 0.860, 0.01),
    'Raccoon with distractors': Row('raccoon', 0.466, 0.797, 0.01),
    'thermal valid + test': Row('thermal', 0.378, 0.535, 0.01),
}


def row_options(name: str, vectors: str, data: Path, folder: Path) -> dict[str, Any]:
    """Overrides of the row's config; writes the files that they need into ``folder``."""
    if name == 'coco-mini, vectors of the checkpoint':
        return {'model.text_encoder.vectors': vectors}
    if name == 'coco-mini, vectors of the table':
        # The table's own entry for COCO: of two-word names it has another spelling elsewhere.
        from expalign.models.text_encoders.prompt_vectors import write_prompt_vectors
        folder.mkdir(parents=True, exist_ok=True)
        with np.load(data / 'clip-names/clip_vitb32_names.npz') as table:
            write_prompt_vectors(
                folder / 'coco.npz', table['coco_names'], torch.from_numpy(table['coco']))
        return {'model.text_encoder.vectors': str((folder / 'coco.npz').resolve())}
    if name == 'Raccoon with distractors':
        source = data / 'odinw/Raccoon/annotations.json'
        content = json.loads(source.read_text(encoding='utf-8'))
        names = [category['name'] for category in content['categories']]
        added = [name for name in DISTRACTORS if name not in names]
        first = max(category['id'] for category in content['categories']) + 1
        content['categories'] += [
            dict(id=first + index, name=name) for index, name in enumerate(added)]
        return _annotation_options(content, folder / 'raccoon_distractors.json')
    if name == 'thermal valid + test':
        content = merge_splits(data / 'odinw/thermalDogsAndPeople', ('valid', 'test'))
        options = _annotation_options(content, folder / 'thermal_valid_test.json')
        return {**options, 'test_dataloader.dataset.data_prefix.img': ''}
    return {}


def merge_splits(root: Path, splits: tuple[str, ...]) -> dict[str, Any]:
    """One COCO-style content for several splits of equal categories, each a folder of images."""
    merged: dict[str, Any] = dict(images=[], annotations=[])
    for split in splits:
        file = root / split / 'annotations_without_background.json'
        content = json.loads(file.read_text(encoding='utf-8'))
        if merged.setdefault('categories', content['categories']) != content['categories']:
            raise ValueError(f'{root / split} has other categories than {root / splits[0]}')
        ids = {
            image['id']: len(merged['images']) + index
            for index, image in enumerate(content['images'])}
        merged['images'] += [
            {**image, 'id': ids[image['id']], 'file_name': f'{split}/{image["file_name"]}'}
            for image in content['images']]
        first = len(merged['annotations'])
        merged['annotations'] += [
            {**box, 'id': first + index + 1, 'image_id': ids[box['image_id']]}
            for index, box in enumerate(content['annotations'])]
    return merged


def _annotation_options(content: dict[str, Any], path: Path) -> dict[str, Any]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding='utf-8')
    absolute = str(path.resolve())
    return {'test_dataloader.dataset.ann_file': absolute, 'test_evaluator.ann_file': absolute}


def evaluate(name: str, weights: str, vectors: str, work_dir: Path) -> tuple[float, float]:
    """AP and AP50 of a row, as tools/test.py computes them."""
    data = Path(os.environ['EXPALIGN_DATA'])
    options = row_options(name, str(Path(vectors).resolve()), data, work_dir / 'prepared')
    cfg = load_config(CONFIG.format(ROWS[name].config), options)
    cfg.load_from = weights
    cfg.work_dir = str(work_dir / name.replace(' ', '_').replace(',', ''))
    metrics = build_runner(cfg).test()
    return metrics['coco/bbox_mAP'], metrics['coco/bbox_mAP_50']


def main() -> None:
    """Evaluate the rows and print them beside the reference."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('weights', metavar='WEIGHTS', help='converted weights, *.safetensors')
    parser.add_argument('vectors', metavar='VECTORS', help="the checkpoint's own text vectors")
    parser.add_argument(
        '--rows', nargs='+', choices=list(ROWS), default=list(ROWS), metavar='ROW',
        help=f'which figures, by default all of: {"; ".join(ROWS)}')
    parser.add_argument('--work-dir', default='work_dirs/warm_start_parity')
    args = parser.parse_args()
    if not os.environ.get('EXPALIGN_DATA'):
        parser.error('the environment variable EXPALIGN_DATA must name the folder of the data')
    results = {
        name: evaluate(name, args.weights, args.vectors, Path(args.work_dir))
        for name in args.rows}
    print('| set | AP | reference | AP50 | reference |\n|---|---|---|---|---|')
    for name, (ap, ap50) in results.items():
        row = ROWS[name]
        print(f'| {name} | {ap:.3f} | {row.ap:.3f} | {ap50:.3f} | {row.ap50:.3f} |')
    # Half a unit of the last decimal, to which all figures are rounded.
    off = [name for name, (ap, _) in results.items()
           if abs(ap - ROWS[name].ap) > ROWS[name].tolerance + 5e-4]
    if off:
        sys.exit(f'off by more than allowed: {"; ".join(off)}')


if __name__ == '__main__':
    main()
