"""Tables of prompts made of examples and of tuned prompts, from cells that are kept once.

``prompt_tables.py cells NAME ANNOTATIONS IMAGES CELLS`` runs the image side over a data set in
COCO's layout and keeps its cells in the folder CELLS; ``prompt_tables.py KIND TRAIN TEST CELLS``
prints one row for each number of examples (``examples``) or of photographs (``tune``): the mean
AP of three draws and their spread. A row is seconds, and needs no image.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from prompt_cells import KeptSet, keep_cells

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.models.prompt_fitting.background import Background
from expalign.models.prompt_fitting.cell_targets import cell_targets
from expalign.models.prompt_fitting.contrast import example_cells
from expalign.models.prompt_fitting.example_features import ExampleFeatures
from expalign.models.prompt_fitting.fit import (
    PULL,
    LabelledCells,
    fit_tokens,
    pull_to_words,
)
from expalign.utils import run_command
from expalign.utils.command_parser import CommandParser

DRAWS = 3
LEAST_IOU = 0.5  # of an example's best cell: people draw around what they can see


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(description=__doc__, example='tune thermal_train thermal_valid CELLS')
    parser.add_argument('kind', choices=('cells', 'examples', 'tune'))
    parser.add_argument('train', help='name of the kept set that is learnt from; or that is kept')
    parser.add_argument('test', help='name of the kept set that is tested on; or annotations')
    parser.add_argument('rest', nargs='+', metavar='CELLS', help='folder of kept cells; before it '
                        'the folder of images, with the kind cells')
    parser.add_argument('--counts', nargs='+', type=int, default=[1, 3, 10],
                        help='examples a class, or photographs; 0: all')
    parser.add_argument('--imgsz', type=int, default=640, help='side of the input')
    parser.add_argument('--model', default='expalign-s-boxes')
    parser.add_argument('--words', metavar='FILE.npz', help='names and vectors in place of what '
                        'the model says of words')
    return parser.parse_args()


def main() -> None:
    """Keep cells, or print rows."""
    args = parse_args()
    folder = Path(args.rest[-1])
    if args.kind == 'cells':
        keep_cells(args.model, args.train, args.test, args.rest[0], folder, args.imgsz)
        return
    train, test = KeptSet(folder, args.train), KeptSet(folder, args.test)
    table = Table(train, test, args.words)
    print(f'{args.train} -> {args.test}, {len(test)} images, {len(table.classes)} classes')
    print(f'words: AP {table.ap(*table.words):.3f}')
    for count in args.counts:
        for name, aps in table.row(args.kind, count).items():
            print(f'{count or "all":>4} {name:<22} {np.mean(aps):.3f} +- {np.std(aps):.3f}',
                  flush=True)


class Table:
    """Rows of one pair of sets.

    Args:
        train, test: kept sets.
        words: file of names and vectors, see ``--words``.
    """

    def __init__(self, train: KeptSet, test: KeptSet, words: str | None) -> None:
        self.train, self.test, self.side = train, test, train.side
        self.classes = train.used
        self.words = train.words(self.classes, words)
        self.background = Background.load(train.background)
        mean, covariance = self.background.features(self.side)
        self.mean, self.covariance = mean, covariance
        self.metric = covariance + torch.outer(mean, mean)

    def ap(self, tokens: torch.Tensor, masks: torch.Tensor) -> float:
        """Box AP of tokens (K, L, D) on the test set."""
        return self.test.ap(self.classes, tokens, masks)

    def row(self, kind: str, count: int) -> dict[str, list[float]]:
        """AP of each way, by draw."""
        found: dict[str, list[float]] = {}
        for seed in range(DRAWS if count else 1):
            make = self._examples if kind == 'examples' else self._tuned
            for name, tokens, masks in make(count, np.random.default_rng(seed)):
                found.setdefault(name, []).append(self.ap(tokens, masks))
        return found

    def _examples(self, count: int, draw: np.random.Generator):
        """Closed form; told from each other; and corrected words."""
        chosen = self.train.examples(self.classes, count, draw, LEAST_IOU)
        features = ExampleFeatures(self.classes, self.side)
        seen = [(self.train.cells(image), boxes, labels) for image, boxes, labels in chosen]
        for one in seen:
            features.add(*one)
        tokens = features.tokens(self.mean, self.covariance)[:, None]
        masks = torch.ones_like(tokens[..., 0], dtype=torch.bool)
        yield 'closed form', tokens, masks
        yield 'fitted', self._corrected(tokens, masks, seen, PULL), masks
        yield 'words, corrected', self._corrected(
            *self.words, seen, pull_to_words(len(seen))), self.words[1]

    def _corrected(self, tokens, masks, seen, pull) -> torch.Tensor:
        folded = self.side.fold(tokens)
        return self._fit(tokens, masks, [
            example_cells(*one, self.side.logits(one[0], folded, masks)) for one in seen], pull)

    def _tuned(self, count: int, draw: np.random.Generator):
        """Tokens fitted to photographs, from words."""
        images = draw.permutation(len(self.train))[:count or None].tolist()
        labelled = []
        for image in images:
            boxes, labels = self.train.truth(image, self.classes)
            cells = self.train.cells(image)
            labelled.append(LabelledCells(
                cells, *cell_targets(cells.boxes, boxes, labels, len(self.classes))))
        yield 'tuned', self._fit(*self.words, labelled), self.words[1]

    def _fit(self, tokens, masks, labelled, pull=PULL) -> torch.Tensor:
        return fit_tokens(tokens, masks, labelled, self.side, self.metric, pull=pull)


if __name__ == '__main__':
    run_command(main)
