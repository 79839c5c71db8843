"""How often phrases occur in grounding files, wordings that say the same taken together."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from expalign.datasets.formats.mdetr import spanned_phrase
from expalign.datasets.formats.record import clean_phrase
from expalign.datasets.formats.text_file import read_json_lines
from expalign.datasets.phrases import forms, plain
from expalign.utils.progress import progress
from expalign.utils.tally import Tally

from .grouping import images_with_annotations


def phrases_of(path: str | Path, tally: Tally) -> Iterator[str]:
    """The phrase of every region of an ODVG file (.jsonl) or annotation of an MDETR file.

    Raises:
        ValueError: the file has no grounding data.
    """
    read = _odvg_phrases if Path(path).suffix in ('.jsonl', '.odvg') else _mdetr_phrases
    count = 0
    for phrase in read(path, tally):
        phrase = clean_phrase(phrase)
        if phrase:
            count += 1
            yield phrase
    if not count:
        raise ValueError(f"'{path}' has no phrases: give ODVG grounding lines or a file in MDETR's "
                         'form')
    tally.note('phrases read', count=count)


def _odvg_phrases(path: str | Path, tally: Tally) -> Iterator[str]:
    for _, line in progress(read_json_lines(str(path)), Path(path).name):
        for region in line.get('grounding', {}).get('regions', ()):
            phrase = region.get('phrase') or ''
            yield ' '.join(map(str, phrase)) if isinstance(phrase, list) else str(phrase)


def _mdetr_phrases(path: str | Path, tally: Tally) -> Iterator[str]:
    pairs = images_with_annotations(path, Tally(), ('caption',), ('tokens_positive',))
    for image, annotations in pairs:
        for annotation in annotations:
            try:
                yield spanned_phrase(image.get('caption', ''), annotation['tokens_positive'])
            except (KeyError, TypeError, ValueError):
                tally.note('annotations without spans inside their caption', image['id'])


def count_phrases(phrases: Iterable[str]) -> Counter[str]:
    """Occurrences of phrases in plain form (:func:`plain`)."""
    return Counter(map(plain, phrases))


def merge_wordings(counts: Counter[str]) -> Counter[str]:
    """Add up phrases that say the same (a form in common); the most frequent wording stands.

    The result is in the order of the sums, ties in alphabetical order.
    """
    heads: dict[str, str] = {}
    merged: Counter[str] = Counter()
    for phrase, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        own = forms(phrase)
        head = next((heads[form] for form in sorted(own) if form in heads), phrase)
        for form in own:
            heads.setdefault(form, head)
        merged[head] += count
    return Counter(dict(sorted(merged.items(), key=lambda item: (-item[1], item[0]))))


def frequent(counts: Counter[str], minimum: int, excluded: Collection[str]) -> Counter[str]:
    """Phrases with at least ``minimum`` occurrences, none of whose forms is ``excluded``."""
    excluded = frozenset(excluded)
    return Counter({phrase: count for phrase, count in counts.items()
                    if count >= minimum and excluded.isdisjoint(forms(phrase))})
