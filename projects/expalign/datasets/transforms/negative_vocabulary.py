"""Phrases that serve as negatives of any image.

Axes: M phrases of the vocabulary, E phrases with a vector, D width of the vectors.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.fileio import load

from expalign.datasets.phrases import forms, plain
from expalign.utils.npz_files import read_arrays

Source = str | Path | Sequence[str]


def load_phrases(source: Source) -> list[str]:
    """The distinct phrases of a vocabulary, in its order.

    Args:
        source: a list of phrases, or a file with them: ``.json`` (a list), ``.txt`` (one a
            line) or ``.npz`` (``names``).

    Raises:
        FileNotFoundError, ValueError: the file is not there or is none of these.
    """
    name = 'negative_vocabulary'
    if isinstance(source, str | Path):
        name, source = f"negative vocabulary '{source}'", _read(Path(source))
    if not isinstance(source, Sequence) or not all(isinstance(phrase, str) for phrase in source):
        raise ValueError(f'{name} must be a list of phrases')
    phrases = list({plain(phrase): phrase.strip() for phrase in source if phrase.strip()}.values())
    if not phrases:
        raise ValueError(f'{name} has no phrase')
    return phrases


def missing_file(source: Source | None) -> str | None:
    """What is to be said of a vocabulary whose file does not exist; None where nothing is."""
    if not isinstance(source, str | Path) or Path(source).is_file():
        return None
    return (f"negative vocabulary '{source}' does not exist: write it with tools/"
            'dataset_converters/build_negative_vocabulary.py, or set negative_vocabulary=None')


def _read(path: Path):
    missing = missing_file(path)
    if missing is not None:
        raise FileNotFoundError(missing)
    if path.suffix == '.npz':
        return load_vectors(path)[0]
    if path.suffix == '.txt':
        return path.read_text(encoding='utf-8').splitlines()
    if path.suffix == '.json':
        return load(str(path))
    raise ValueError(f"negative vocabulary '{path}' is no .json, .txt or .npz file")


def load_vectors(path: str | Path) -> tuple[list[str], np.ndarray]:
    """``names`` (E) and unit ``vectors`` (E, D) float32 of an ``.npz`` file.

    Raises:
        FileNotFoundError, ValueError: the file is not there, or lacks one of the two.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"text vectors '{path}' not found")
    content = read_arrays(path, ('names', 'vectors'), 'text vectors')
    if len(content) < 2:
        raise ValueError(f"text vectors '{path}' must have 'names' and 'vectors', it has "
                         f'{sorted(content)}')
    names, vectors = content['names'].tolist(), content['vectors'].astype(np.float32)
    if vectors.ndim != 2 or len(names) != len(vectors):
        raise ValueError(f"text vectors '{path}': {len(names)} names do not fit vectors of shape "
                         f'{vectors.shape}')
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return names, vectors / np.maximum(norms, np.finfo(np.float32).tiny)


class NegativeVocabulary:
    """M phrases to draw from, without those that say the same as given ones.

    Args:
        source: see :func:`load_phrases`.
    """

    def __init__(self, source: Source) -> None:
        self.phrases = load_phrases(source)
        self._indices = {}
        for index, phrase in enumerate(self.phrases):
            for form in forms(phrase):
                self._indices.setdefault(form, []).append(index)

    def draw(self, generator: np.random.Generator, number: int, excluded: set[str]) -> list[str]:
        """Up to ``number`` distinct phrases, none of which has a form that is ``excluded``."""
        barred = {index for form in excluded for index in self._indices.get(form, ())}
        # As many more as could be barred: no draw over the whole vocabulary.
        size = min(len(self.phrases), number + len(barred))
        drawn = generator.choice(len(self.phrases), size, replace=False).tolist()
        return [self.phrases[index] for index in drawn if index not in barred][:number]
