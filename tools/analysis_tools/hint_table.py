"""How often hints for weak prompts are right: ``hint_table.py``, on coco-mini val.

Every word of ``expalign/apis/hint_words.py`` for one of COCO's names, and the name itself, is
searched for by itself in photographs that have the class and in others. A prompt is weak where its
AP is lower than the name's. The folder of the data is named by ``EXPALIGN_DATA``.
"""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.apis import ExpAlignInferencer
from expalign.apis.hint_words import WORDS
from expalign.evaluation.calibration import gather
from expalign.evaluation.pooled import Judged, judge
from expalign.structures.detections import Detections
from expalign.utils import run_command
from expalign.utils.progress import progress

MODEL, IOUS, MARGIN = 'expalign-s-boxes', np.linspace(0.5, 0.95, 10), 0.05


class Tried(NamedTuple):
    """A word, searched for in some photographs.

    Attributes:
        ap: AP of its class's boxes at IoU 0.50 to 0.95.
        found: whether it found anything in any of them.
        hints: better name and whether the class is there, of each photograph with a hint.
    """

    ap: float
    found: bool
    hints: list[tuple[str, bool]]


class Photographs:
    """coco-mini's photographs and boxes by class.

    Args:
        folder: of coco-mini.
        count: photographs of each class; there are a third as many without it.
    """

    def __init__(self, folder: Path, count: int) -> None:
        content = json.loads(
            (folder / 'annotations/instances_val2017.json').read_text(encoding='utf-8'))
        self.files = {image['id']: str(folder / 'val2017' / image['file_name'])
                      for image in content['images']}
        self.count, names = count, {entry['id']: entry['name'] for entry in content['categories']}
        self.boxes: dict[str, dict[int, list]] = {}
        for record in content['annotations']:
            x, y, width, height = record['bbox']
            of_class = self.boxes.setdefault(names[record['category_id']], {})
            of_class.setdefault(record['image_id'], []).append(
                (x, y, x + width, y + height, bool(record.get('iscrowd'))))

    def chosen(self, name: str) -> list[int]:
        """Photographs with a class, then without it, drawn by a seed."""
        draw, there = np.random.default_rng(0), self.boxes[name]
        others = [image for image in self.files if image not in there]
        return [*draw.permutation([*there])[:self.count],
                *draw.permutation(others)[:max(1, self.count // 3)]]

    def truth(self, name: str, image: int) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (g, 4) of a class and which of them are crowds."""
        rows = np.array(self.boxes[name].get(image, []), dtype=float).reshape(-1, 5)
        return rows[:, :4], rows[:, 4] > 0


def average_precision(photographs: Photographs, name: str, images: Sequence[int],
                      found: Sequence[Detections]) -> float:
    """AP of a class's boxes at IoU 0.50 to 0.95."""
    aps = []
    for iou in IOUS:
        parts = []
        for image, result in zip(images, found, strict=True):
            boxes, crowd = photographs.truth(name, image)
            hits, counted = judge(result.boxes.astype(float), result.scores, result.labels,
                                  boxes, np.zeros(len(boxes), int), crowd, iou)
            parts.append(Judged(result.scores[counted], result.labels[counted], hits[counted],
                                np.array([(~crowd).sum()])))
        aps.append(gather(parts, 1).average_precision())
    return float(np.mean(aps))


def try_word(inferencer: ExpAlignInferencer, photographs: Photographs, name: str, word: str
             ) -> Tried:
    """Search for a word of a class."""
    images = photographs.chosen(name)
    found = inferencer.detect([photographs.files[image] for image in images], [word])
    hints = [(result.hints[0].better, image in photographs.boxes[name])
             for image, result in zip(images, found, strict=True) if result.hints]
    ap = average_precision(photographs, name, images, [result.above(0) for result in found])
    return Tried(ap, any(map(len, found)), hints)


def main() -> None:
    """Search and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--images', type=int, default=3, help='photographs of each class')
    parser.add_argument('--every', type=int, default=1, metavar='N', help='each N-th class')
    args = parser.parse_args()
    if not os.environ.get('EXPALIGN_DATA'):
        parser.error('the environment variable EXPALIGN_DATA must name the folder of the data')
    photographs = Photographs(Path(os.environ['EXPALIGN_DATA'], 'coco-mini'), args.images)
    inferencer = ExpAlignInferencer(MODEL, show_progress=False)
    lines = [line.split(': ') for line in WORDS.strip().splitlines()]
    lines = [(name, words.split(', ')) for name, words in lines if name in photographs.boxes]
    rows, own = [], {}
    for name, words in progress(lines[::args.every], 'classes'):
        own[name] = try_word(inferencer, photographs, name, name)
        rows += [(name, try_word(inferencer, photographs, name, word)) for word in words]
    said = [(name, row) for name, row in rows if row.hints and not row.found]
    weak = [(name, row) for name, row in rows if row.ap < own[name].ap - MARGIN]
    right = [row for name, row in said if row.ap < own[name].ap]
    every = [there for _, row in rows for _, there in row.hints]
    print(f'{len(rows)} words of {len(own)} classes\n'
          f'hints of a run: {len(said)}, the name is better: {len(right)}\n'
          f'words with an AP that is {MARGIN} lower: {len(weak)}, with a hint in a photograph: '
          f'{sum(bool(row.hints) for _, row in weak)}\n'
          f'hints for single photographs: {len(every)}, the class is there: {sum(every)}\n'
          f'hints for the names themselves: {sum(len(row.hints) for row in own.values())}')


if __name__ == '__main__':
    run_command(main)
