"""What is wrong in an annotation file, counted and reported once."""

import logging
from collections import Counter

from mmengine.logging import print_log

MAX_EXAMPLES = 5


class AnnotationProblems:
    """Counts of the annotations of one file that are not used, by kind, with examples.

    *Bad* ones are wrong (a box that is no box, an unknown category); *dropped* ones are in order
    and of no use (a box outside of the image, or thinner than a pixel). What is *repaired* is used,
    with a value that was not in the file; what is *refused* makes the whole file unusable.

    Parsers say what they read by :meth:`entry`, :meth:`used` and :meth:`aside`; ``check_dataset``
    listens to them.

    Args:
        source: the file, for messages.
        max_bad: how many bad annotations are skipped; one more is an error.
        strict: whether the first bad annotation is an error, as in testing.
    """

    def __init__(self, source: str, max_bad: int = 100, strict: bool = False) -> None:
        self.source = source
        self.max_bad = max_bad
        self.strict = strict
        self.counts: Counter[str] = Counter()
        self.repairs: Counter[str] = Counter()
        self.num_bad = 0
        self._examples: list[str] = []

    def entry(self, raw: object) -> None:
        """An image entry or line of the file is parsed from here on."""

    def used(self, raw: object) -> None:
        """The current entry's next instance comes from ``raw``, an annotation or its place."""

    def refuse(self, kind: str, where: str = '', detail: str = '') -> None:
        """The file cannot be used.

        Args:
            kind: what is wrong, without figures of the single case.
            where: the image and annotation, or the line.
            detail: these figures.

        Raises:
            ValueError: always.
        """
        place = f', {where}' if where else ''
        raise ValueError(f"annotation file '{self.source}'{place}: {kind}{detail}")

    def bad(self, kind: str, where: str) -> None:
        """Count a bad annotation.

        Args:
            kind: what is wrong, without figures of the single case.
            where: the image and annotation, or the line.

        Raises:
            ValueError: ``strict``, or there are too many.
        """
        if self.strict:
            raise ValueError(f"annotation file '{self.source}', {where}: {kind}")
        self.num_bad += 1
        self.counts[kind] += 1
        if len(self._examples) < MAX_EXAMPLES:
            self._examples.append(f'{where}: {kind}')
        if self.num_bad > self.max_bad:
            raise ValueError(
                f"annotation file '{self.source}' has more than {self.max_bad} bad annotations "
                f"({'; '.join(self._examples)}; ...): repair the file, or raise "
                "'max_bad_annotations' of the dataset")

    def dropped(self, kind: str, where: str = '') -> None:
        """Count an annotation that is in order and of no use; ``where`` as in :meth:`bad`."""
        self.counts[kind] += 1

    def aside(self, raw: dict, kind: str, name: str = '') -> None:
        """Count an annotation that is in order and meant not to be used.

        Args:
            raw: the annotation.
            kind: why.
            name: of its class, where it is another than the prompts.
        """
        self.counts[kind] += 1

    def repaired(self, kind: str, where: str) -> None:
        """Count a value that was replaced by what must be meant."""
        self.repairs[kind] += 1

    def summary(self) -> str:
        """One sentence with all counts; empty if there is nothing to report."""
        parts = []
        if self.counts:
            examples = f' (bad: {"; ".join(self._examples)})' if self._examples else ''
            parts.append(f'annotations left out: {_listed(self.counts)}{examples}')
        if self.repairs:
            parts.append(f'read as meant: {_listed(self.repairs)}')
        return f"annotation file '{self.source}': {'; '.join(parts)}" if parts else ''

    def report(self) -> None:
        """Write the summary to the current logger, as a warning if anything is bad."""
        if self.counts or self.repairs:
            level = logging.WARNING if self.num_bad else logging.INFO
            print_log(self.summary(), logger='current', level=level)


def _listed(counts: Counter) -> str:
    return ', '.join(f'{count} x {kind}' for kind, count in counts.most_common())
