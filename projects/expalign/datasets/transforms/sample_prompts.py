"""Choice of the prompts of one training image.

Axes: V entries of the image's vocabulary, K chosen prompts, G instances.
"""

import logging
import warnings
from collections.abc import Iterable, Iterator
from itertools import compress, islice

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.logging import print_log

from expalign.datasets.phrases import Entry, forms_of, plain, says_one_of, synonyms
from expalign.registry import TRANSFORMS

from .negative_vocabulary import NegativeVocabulary, Source, missing_file
from .prompt_merge import true_negatives
from .randomness import transform_generator
from .similarity_window import SimilarityWindow

INSTANCE_KEYS = ('gt_bboxes', 'gt_bboxes_labels', 'gt_ignore_flags', 'gt_masks')
# Drawn from the negative vocabulary for one that is wanted, where a window rejects many.
CANDIDATES_PER_PROMPT = 64


@TRANSFORMS.register_module()
class SamplePrompts(BaseTransform):
    """Choose the prompts that an image is trained with (paper, Section 4.1).

    In this order, until there are ``num_prompts``:

    1. *positives*: entries with an instance that can still be seen. Where there are more than
       ``num_prompts``, a random subset; the instances of the others are removed.
    2. *negatives of the set*: random entries that are known not to be in the image
       (:func:`~.prompt_merge.true_negatives`; none for grounding data).
    3. *negatives of all sets*: random phrases of ``negative_vocabulary``.
    4. *masked prompts*: entries that are neither, such as a class of which the transforms before
       have removed every instance, or all are ignored (crowd). They count in no loss.

    An entry with synonyms is worded by a random one. No negative says the same as an entry that
    is not known to be absent, or as a synonym of one (:func:`~.phrases.forms`).

    It comes after the last transform that removes or merges instances. Prompts that are short of
    ``num_prompts`` are padded when the batch is encoded; a sample never has made-up ones.

    Required keys: ``text`` (V entries, each a phrase or a list of synonyms) and
    ``gt_bboxes_labels`` (G,); and those of :func:`~.prompt_merge.true_negatives`. Optional:
    ``gt_bboxes``, ``gt_masks``, ``gt_ignore_flags`` (G,).

    Modified: ``text``: the K phrases, those of entries in the vocabulary's order, then those of
    ``negative_vocabulary``; and the instances, whose labels index it. Added: ``prompt_masks``
    (K bool), False at masked prompts; ``positives`` (K bool); ``num_dropped_instances``, those
    removed by step 1. None is returned for an image without any prompt.

    Args:
        num_prompts: K, unless there are fewer prompts. 80 in the paper.
        negative_vocabulary: list of phrases or file (:func:`~.negative_vocabulary.load_phrases`).
            Without the file detection sets are trained with negatives of their own, which the
            log says; grounding data has no others, and its first image is an error.
        similarity_window: settings of a :class:`~.similarity_window.SimilarityWindow`, which all
            negatives have to lie in; None for none. ``expalign.SimilarityWindowHook`` goes with it.
    """

    def __init__(
        self,
        num_prompts: int = 80,
        negative_vocabulary: Source | None = None,
        similarity_window: dict | None = None,
    ) -> None:
        if num_prompts < 1:
            raise ValueError(f'SamplePrompts: num_prompts must be 1 or more, got {num_prompts}')
        self.num_prompts = num_prompts
        self.vocabulary = self.window = None
        self._missing = missing_file(negative_vocabulary)
        if self._missing is not None:
            print_log(f'{self._missing}. Detection data is trained with the negatives of its own '
                      'classes alone; grounding data needs it', 'current', logging.WARNING)
        elif negative_vocabulary is not None:
            self.vocabulary = NegativeVocabulary(negative_vocabulary)
        if similarity_window is not None:
            self.window = SimilarityWindow(**similarity_window)

    def transform(self, results: dict) -> dict | None:
        """Choose the prompts of one image."""
        if 'text' not in results:
            raise KeyError(
                "SamplePrompts needs the vocabulary in results['text']: use a dataset of "
                'expalign, such as expalign.TextCocoDataset')
        if self._missing is not None and results.get('text_kind') == 'grounding':
            raise FileNotFoundError(f"image '{results.get('img_path')}': its captions tell no "
                                    f'negatives, and the {self._missing}')
        generator = transform_generator()
        text, absent = results['text'], true_negatives(results)
        positives = self._positives(generator, results)
        seen = dict(_worded(generator, text, positives.tolist(), set(), share=True))
        own, others = self._negatives(generator, text, absent, seen)
        room = max(self.num_prompts - len(seen) - len(own) - len(others), 0)
        neutral = ~absent
        neutral[positives] = False
        neutral = generator.permutation(np.flatnonzero(neutral))
        masked = dict(_worded(generator, text, neutral[:room].tolist(), set(), share=True))
        if not (seen or own or others or masked):
            warnings.warn(
                f"image '{results.get('img_path')}' has no prompt, positive or negative, and is "
                'not used: give SamplePrompts a negative_vocabulary', stacklevel=2)
            return None
        self._rewrite(results, seen, own, masked, others)
        return results

    def _positives(self, generator: np.random.Generator, results: dict) -> np.ndarray:
        """The entries with a visible instance, at most K, ascending."""
        labels = results['gt_bboxes_labels']
        ignored = np.asarray(results.get('gt_ignore_flags', np.zeros(len(labels))), dtype=bool)
        positives = np.unique(labels[~ignored])
        results['num_dropped_instances'] = 0
        if len(positives) <= self.num_prompts:
            return positives
        chosen = np.sort(generator.choice(positives, self.num_prompts, replace=False))
        left_out = np.isin(labels, np.setdiff1d(positives, chosen))
        results['num_dropped_instances'] = int(left_out.sum())
        warnings.warn(
            f'more positive prompts than num_prompts={self.num_prompts}: the instances of '
            "those that are left out are removed (counted in 'num_dropped_instances')",
            stacklevel=2)
        return chosen

    def _negatives(
        self,
        generator: np.random.Generator,
        text: list[Entry],
        absent: np.ndarray,
        positives: dict[int, str],
    ) -> tuple[dict[int, str], list[str]]:
        """Negatives of the set, by entry, and those of the negative vocabulary."""
        number = self.num_prompts - len(positives)
        anchors = list(positives.values())
        excluded = forms_of(text[entry] for entry in np.flatnonzero(~absent).tolist())
        order = generator.permutation(np.flatnonzero(absent)).tolist()
        unlike = (entry for entry in order if not says_one_of(text[entry], excluded))
        taken = set(map(plain, anchors))
        own = self._in_window(
            _worded(generator, text, unlike, taken, share=False), anchors, number)
        number -= len(own)
        if self.vocabulary is None or not number:
            return own, []
        wanted = number if self.window is None else number * CANDIDATES_PER_PROMPT
        drawn = self.vocabulary.draw(generator, wanted, forms_of(text))
        return own, list(self._in_window(enumerate(drawn), anchors, number).values())

    def _in_window(self, candidates: Iterable[tuple[int, str]], positives: list[str],
                   number: int) -> dict[int, str]:
        """The first ``number`` candidates that are neither too close to a positive nor too far."""
        if self.window is not None:
            candidates = list(candidates)
            accepted = self.window.accepts([phrase for _, phrase in candidates], positives)
            candidates = compress(candidates, accepted)
        return dict(islice(candidates, number))

    @staticmethod
    def _rewrite(
        results: dict,
        seen: dict[int, str],
        own: dict[int, str],
        masked: dict[int, str],
        others: list[str],
    ) -> None:
        """Put the chosen prompts in place; entries with the same phrase become one prompt."""
        words = masked | own | seen
        keys = {entry: plain(words[entry]) for entry in sorted(words)}
        phrases = {}
        for entry, key in keys.items():
            phrases.setdefault(key, words[entry])
        num_own = len(phrases)
        phrases |= {plain(phrase): phrase for phrase in others}
        places = {key: place for place, key in enumerate(phrases)}
        new_labels = np.full(len(results['text']), -1, dtype=np.int64)
        new_labels[list(keys)] = [places[key] for key in keys.values()]
        positives, counted = np.zeros((2, len(phrases)), dtype=bool)
        positives[new_labels[list(seen)]] = True
        counted[new_labels[[*seen, *own]]] = True
        counted[num_own:] = True
        results.update(
            text=list(phrases.values()), prompt_masks=counted.tolist(),
            positives=positives.tolist(), gt_bboxes_labels=new_labels[results['gt_bboxes_labels']])
        keep = results['gt_bboxes_labels'] >= 0
        for key in INSTANCE_KEYS:
            if key in results:
                results[key] = results[key][keep]

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(num_prompts={self.num_prompts})'


def _worded(
    generator: np.random.Generator,
    text: list[Entry],
    entries: Iterable[int],
    taken: set[str],
    share: bool,
) -> Iterator[tuple[int, str]]:
    """A phrase for each entry: a random one of its synonyms that are not taken.

    An entry of which all are taken shares one, or is passed over. ``taken`` has phrases in plain
    form, and gets those that are given out.
    """
    for entry in entries:
        phrases = synonyms(text[entry])
        if len(phrases) > 1:
            phrases = [phrase for phrase in phrases if plain(phrase) not in taken] or phrases
            phrase = phrases[generator.integers(len(phrases))]
        else:
            phrase = phrases[0]
        key = plain(phrase)
        if share or key not in taken:
            taken.add(key)
            yield entry, phrase
