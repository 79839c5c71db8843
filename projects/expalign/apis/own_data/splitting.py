"""Which images validate, where nobody said it: a rule and a seed."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

SHARE = 0.2  # of the images that validate
SEED = 0
FEWEST = 2  # images to split


def source_name(file_name: str) -> str:
    """The photograph that a file is a version of; Roboflow writes ``NAME_jpg.rf.HASH.jpg``."""
    return file_name.partition('.rf.')[0] if '.rf.' in file_name else str(
        PurePosixPath(file_name).with_suffix(''))


def split_images(
    names: Sequence[str], classes: Sequence[Sequence[int]], share: float = SHARE, seed: int = SEED
) -> list[int]:
    """The images that validate; the same ones for the same names and seed.

    Photographs are put in order by name and drawn by the seed. One can validate if each of its
    classes has another photograph left to train on. Those come first that bring most classes which
    none before them has, then the others, until ``share`` of the images validate, one at least.
    The versions of a photograph stay together.

    Args:
        names: file names of n images.
        classes: labels in each.
        share: of the images.
        seed: of the order.

    Returns:
        Places in ``names``, ascending.

    Raises:
        ValueError: fewer than two photographs.
    """
    groups: dict[str, list[int]] = {}
    for place in sorted(range(len(names)), key=lambda place: names[place]):
        groups.setdefault(source_name(names[place]), []).append(place)
    if len(groups) < FEWEST:
        raise ValueError(f'{len(groups)} photograph cannot be split into training and validation: '
                         'label one more')
    labels = {name: {label for place in places for label in classes[place]}
              for name, places in groups.items()}
    left = Counter(label for found in labels.values() for label in found)
    order = [list(groups)[place] for place in np.random.default_rng(seed).permutation(len(groups))]
    wanted = max(math.floor(share * len(names) + 0.5), 1)
    chosen: list[int] = []
    seen: set[int] = set()

    def able(name: str) -> bool:
        return all(left[label] > 1 for label in labels[name])

    def take(name: str) -> None:
        order.remove(name)
        chosen.extend(groups[name])
        left.subtract(labels[name])
        seen.update(labels[name])

    while len(chosen) < wanted:
        best = max(filter(able, order), key=lambda name: len(labels[name] - seen), default=None)
        if best is None or labels[best] <= seen:
            break
        take(best)
    for name in list(order):
        if len(chosen) >= wanted:
            break
        # Where every class has one photograph alone, the first one validates.
        if able(name) or not (chosen or any(map(able, order))):
            take(name)
    return sorted(chosen)
