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
from expalign.models.prompt_fitting.background import Background, second_moment
from expalign.models.prompt_fitting.cell_targets import cell_targets
from expalign.models.prompt_fitting.example_features import ExampleFeatures
from expalign.models.prompt_fitting.example_tokens import corrected_words, fitted_examples
from expalign.models.prompt_fitting.fit import PULL, LabelledCells, fit_tokens
from expalign.models.prompt_fitting.noise import noise_tokens
from expalign.models.prompt_fitting.views import VIEWS
from expalign.models.text_encoders.prompt_vectors import read_prompt_vectors
from expalign.utils import run_command
from expalign.utils.command_parser import CommandParser

DRAWS = 3
LEAST_IOU = 0.5  # of an example's best cell: people draw around what they can see
THIRD = 3  # of a set that is both learnt from and tested on, every so many images are learnt from
STARTS = ('words', 'boxes', 'noise')


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
    parser.add_argument('--view', choices=tuple(VIEWS), default='plain',
                        help='how the photographs are seen, with the kind cells')
    parser.add_argument('--views', nargs='+', default=[], metavar='NAME', help='kept sets of other '
                        'views of TRAIN, with the kind tune')
    parser.add_argument('--starts', nargs='+', choices=STARTS, default=['words'],
                        help='what tuned prompts start from')
    parser.add_argument('--model', default='expalign-s-boxes')
    parser.add_argument('--words', metavar='FILE', help='names and vectors in place of what the '
                        'model says of words')
    parser.add_argument('--known', metavar='FILE', help='names and vectors in place of those that '
                        'the model knows, between which examples are sought')
    return parser.parse_args()


def main() -> None:
    """Keep cells, or print rows."""
    args = parse_args()
    folder = Path(args.rest[-1])
    if args.kind == 'cells':
        keep_cells(args.model, args.train, args.test, args.rest[0], folder, args.imgsz,
                   VIEWS[args.view])
        return
    table = Table(args, *read_sets(folder, args.train, args.test))
    test = table.test
    print(f'{args.train} -> {args.test}, {len(test)} images, {len(table.classes)} classes')
    print(f'words: AP {table.ap(*table.words):.3f}')
    for count in args.counts:
        for name, aps in table.row(args.kind, count).items():
            print(f'{count or "all":>4} {name:<22} {np.mean(aps):.3f} +- {np.std(aps):.3f}',
                  flush=True)


def read_sets(folder: Path, train: str, test: str) -> tuple[KeptSet, KeptSet]:
    """What is learnt from and what is tested on; a third and the rest where they are one set."""
    if train != test:
        return KeptSet(folder, train), KeptSet(folder, test)
    return (KeptSet(folder, train, lambda row: row % THIRD == 0),
            KeptSet(folder, test, lambda row: row % THIRD != 0))


class Table:
    """Rows of one pair of sets.

    Args:
        args: of the command line.
        train, test: kept sets.
    """

    def __init__(self, args: argparse.Namespace, train: KeptSet, test: KeptSet) -> None:
        self.train, self.test, self.side = train, test, train.side
        self.views = [train, *(KeptSet(Path(args.rest[-1]), name) for name in args.views)]
        self.starts, self._aps = args.starts, {}
        self.classes = train.used
        self.words = train.words(self.classes, args.words)
        self.known = read_prompt_vectors(args.known or train.known)[1]
        self.background = Background.load(train.background)
        mean, covariance = self.background.features(self.side)
        self.mean, self.covariance = mean, covariance
        self.metric = second_moment(mean, covariance)

    def ap(self, tokens: torch.Tensor, masks: torch.Tensor) -> float:
        """Box AP of tokens (K, L, D) on the test set; those of equal tokens are found once."""
        key = tokens.numpy().tobytes()
        if key not in self._aps:
            self._aps[key] = self.test.ap(self.classes, tokens, masks)
        return self._aps[key]

    def row(self, kind: str, count: int) -> dict[str, list[float]]:
        """AP of each way, by draw."""
        found: dict[str, list[float]] = {}
        for seed in range(DRAWS if count else 1):
            make = self._examples if kind == 'examples' else self._tuned
            for name, tokens, masks in make(count, np.random.default_rng(seed)):
                found.setdefault(name, []).append(self.ap(tokens, masks))
        return found

    def _examples(self, count: int, draw: np.random.Generator):
        """Without and with known names, and with words; in closed form, and as they ship."""
        chosen = self.train.examples(self.classes, count, draw, LEAST_IOU)
        found = ExampleFeatures(self.classes, self.side)
        seen = [(self.train.cells(image), boxes, labels) for image, boxes, labels in chosen]
        for one in seen:
            found.add(*one)
        statistics = self.mean, self.covariance
        own = found.tokens(*statistics, self.known)
        one = torch.ones(len(own), 1, dtype=torch.bool)
        yield 'discriminant alone', found.tokens(*statistics)[:, None], one
        corrected = corrected_words(self.words, own)
        for name, tokens, masks in (('examples', own[:, None], one),
                                    ('words, corrected', corrected, self.words[1])):
            yield name, tokens, masks
            yield f'{name}, fitted', fitted_examples(
                tokens, masks, found, seen, self.metric, self.side), masks

    def _tuned(self, count: int, draw: np.random.Generator):
        """Tokens fitted to photographs, from each start."""
        images = draw.permutation(len(self.train))[:count or None].tolist()
        labelled, found = [], ExampleFeatures(self.classes, self.side)
        for view in self.views:
            for image in images:
                cells, (boxes, labels) = view.cells(image), view.truth(image, self.classes)
                found.add(cells, boxes, labels.tolist())
                labelled.append(LabelledCells(
                    cells, *cell_targets(cells.boxes, boxes, labels, len(self.classes))))
        for start in self.starts:
            tokens, masks = self.words
            if start == 'boxes':
                tokens = found.tokens(self.mean, self.covariance, self.known)[:, None]
            if start == 'noise':
                tokens = noise_tokens(
                    len(self.classes), 1, self.metric, self.side, int(draw.integers(1000)))
            if start != 'words':
                masks = torch.ones_like(tokens[..., 0], dtype=torch.bool)
            yield f'tuned from {start}', self._fit(
                tokens, masks, labelled, PULL * len(self.views)), masks

    def _fit(self, tokens, masks, labelled, pull=PULL) -> torch.Tensor:
        return fit_tokens(tokens, masks, labelled, self.side, self.metric, pull=pull)


if __name__ == '__main__':
    run_command(main)
