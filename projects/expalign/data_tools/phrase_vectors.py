"""Sentence vectors of phrases, and a choice among phrases by them.

Axes: n phrases, D width of the vectors.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from expalign.models.text_encoders.sentences import encoder_of, sentence_vectors
from expalign.utils import finished_file
from expalign.utils.progress import progress

BATCH = 256


def encode_phrases(phrases: Sequence[str], model: str) -> np.ndarray:
    """Unit vectors (n, D) float32 of phrases: the encoder's own sentence vector.

    Args:
        phrases: used as given.
        model: hub name, folder or ``'package:NAME/SUBFOLDER'`` of a text encoder.

    Raises:
        PretrainedModelError: the encoder cannot be had.
    """
    encoder = encoder_of(model, f'build_negative_vocabulary(text_model={model!r})')
    starts = progress(range(0, len(phrases), BATCH), 'encode', unit='batch')
    return np.concatenate([
        sentence_vectors(encoder, phrases[start:start + BATCH]).numpy() for start in starts])


def drop_near_duplicates(vectors: np.ndarray, ceiling: float) -> np.ndarray:
    """Rows to keep: from the first on, those whose cosine with every kept one is <= ``ceiling``.

    Args:
        vectors: (n, D) unit vectors, the most wanted first.

    Returns:
        Ascending row numbers.
    """
    kept = np.empty_like(vectors)
    rows: list[int] = []
    # A block at a time against all kept before it: a product of matrices, and a hundred times
    # less to read than for each row alone.
    for start in progress(range(0, len(vectors), BATCH), 'near duplicates', unit='batch'):
        block = vectors[start:start + BATCH]
        free = np.ones(len(block), dtype=bool) if not rows else (
            (block @ kept[:len(rows)].T).max(1) <= ceiling)
        within = block @ block.T
        first = len(rows)
        for i in np.flatnonzero(free):
            own = np.array(rows[first:], dtype=int) - start
            if not len(own) or within[i, own].max() <= ceiling:
                kept[len(rows)] = block[i]
                rows.append(start + int(i))
    return np.array(rows, dtype=int)


def spread_out(vectors: np.ndarray, number: int) -> np.ndarray:
    """``number`` rows by farthest-point selection (Gonzalez, 1985), the first row first.

    Each next one is that whose largest cosine with the chosen ones is smallest; ties go to the
    first.

    Returns:
        Row numbers in the order of choice; all rows if there are no more than ``number``.
    """
    if number >= len(vectors):
        return np.arange(len(vectors))
    chosen = [0]
    closest = vectors @ vectors[0]
    closest[0] = np.inf
    for _ in progress(range(number - 1), 'select', unit='phrase'):
        chosen.append(int(closest.argmin()))
        closest = np.maximum(closest, vectors @ vectors[chosen[-1]])
        closest[chosen[-1]] = np.inf
    return np.array(chosen)


def at_random(number: int, of: int, seed: int) -> np.ndarray:
    """``number`` of ``of`` rows drawn without replacement, ascending; all if there are no more."""
    drawn = np.random.default_rng(seed).choice(of, min(number, of), replace=False)
    return np.sort(drawn)


def write_vectors(path: str | Path, names: Sequence[str], vectors: np.ndarray) -> None:
    """Write ``names`` (n) and ``vectors`` (n, D) float16 to an ``.npz`` file.

    Raises:
        RuntimeError: the file, read back, holds something else.
    """
    with finished_file(path) as temporary:
        with open(temporary, 'wb') as file:
            np.savez_compressed(file, names=np.array(names), vectors=vectors.astype(np.float16))
        with np.load(temporary) as content:
            found = content['names'].tolist(), content['vectors'].shape
        if found != (list(names), vectors.shape):
            raise RuntimeError(f'{path}: what was written cannot be read back; it was not kept')
