"""Names that gate a pyramid well, whatever is asked for: ``guide_choice.py SET CELLS``.

Chosen among the names that the model knows, on the photographs of a set whose cells
``prompt_tables.py cells`` kept; no annotation is read. A thing is a cell whose best name has a
score, boxes suppressed. One after another that name is taken by which the sum over things of the
best taken name's score grows most.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from prompt_cells import KeptSet
from torch import Tensor

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.models.text_encoders.prompt_vectors import read_prompt_vectors
from expalign.utils import check_outputs, finished_file, run_command
from expalign.utils.command_parser import CommandParser

SCOUTS = 8  # every so many names are asked what is a thing
CELLS, THINGS = 2000, 50  # of a photograph: the best, and what is left of them
LEAST, IOU = 0.1, 0.5


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(description=__doc__, example='coco_train CELLS --out greedy.txt')
    parser.add_argument('set', help='name of the kept set')
    parser.add_argument('cells', help='folder of kept cells')
    parser.add_argument('--counts', nargs='+', type=int, default=[80], help='how many names')
    parser.add_argument('--out', default='greedy{}.txt', help='file to write, one name a line; {} '
                        'stands for the count')
    return parser.parse_args()


def main() -> None:
    """Choose and write."""
    args = parse_args()
    files = [args.out.format(count) for count in args.counts]
    check_outputs(files, [])
    kept = KeptSet(Path(args.cells), args.set)
    names, vectors = read_prompt_vectors(kept.known)
    scores = torch.cat([things(kept, image, vectors) for image in range(len(kept))])
    order = greedy(scores, max(args.counts))
    for count, file in zip(args.counts, files, strict=True):
        with finished_file(file) as path:
            Path(path).write_text('\n'.join(names[row] for row in order[:count]) + '\n',
                                  encoding='utf-8')
        best = scores.amax(1).sum()
        print(f'{file}: {count} of {len(names)} names, {len(scores)} things, '
              f'{scores[:, order[:count]].amax(1).sum() / best:.3f} of what all names say')


def things(kept: KeptSet, image: int, vectors: Tensor) -> Tensor:
    """Scores (n, V) of a photograph's things for all names."""
    from mmcv.ops import nms
    cells, side = kept.cells(image), kept.side
    masks = torch.ones(len(vectors), 1, dtype=torch.bool)
    scouts = side.logits(cells, side.fold(vectors[::SCOUTS, None]), masks[::SCOUTS]).amax(1)
    best, places = scouts.topk(min(CELLS, len(scouts)))
    places = places[nms(cells.boxes[places], best, IOU)[1][:THINGS]]
    levels = np.searchsorted(np.cumsum(cells.sizes), places.numpy(), side='right')
    rows = [side.features(cells.hidden[place:place + 1], level)[0] @ vectors.T * side.scales[level]
            + side.biases[level] for place, level in zip(places.tolist(), levels, strict=True)]
    scores = torch.stack(rows).sigmoid()
    return scores[scores.amax(1) > LEAST]


def greedy(scores: Tensor, count: int) -> list[int]:
    """Names in the order in which they are taken.

    Args:
        scores: (n, V) of things for names.
        count: how many.
    """
    reached, order = torch.zeros(len(scores)), []
    for _ in range(min(count, scores.shape[1])):
        gains = (scores - reached[:, None]).clamp(min=0).sum(0)
        gains[order] = -1
        order.append(int(gains.argmax()))
        reached = reached.maximum(scores[:, order[-1]])
    return order


if __name__ == '__main__':
    run_command(main)
