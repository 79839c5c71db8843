"""What is wrong in an annotation file, counted and reported once."""

import logging
from collections import Counter

from mmengine.logging import print_log

MAX_EXAMPLES = 5


class AnnotationProblems:
    """Counts of the annotations of one file that are not used, by kind, with examples.

    *Bad* ones are wrong (a box that is no box, an unknown category); *dropped* ones are in order
    and of no use (a box outside of the image, or thinner than a pixel).

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
        self.num_bad = 0
        self._examples: list[str] = []

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

    def dropped(self, kind: str) -> None:
        """Count an annotation that is in order and of no use."""
        self.counts[kind] += 1

    def summary(self) -> str:
        """One sentence with all counts; empty if there is nothing to report."""
        if not self.counts:
            return ''
        listed = ', '.join(f'{count} x {kind}' for kind, count in self.counts.most_common())
        examples = f' (bad: {"; ".join(self._examples)})' if self._examples else ''
        return f"annotation file '{self.source}': annotations left out: {listed}{examples}"

    def report(self) -> None:
        """Write the summary to the current logger, as a warning if anything is bad."""
        if self.counts:
            level = logging.WARNING if self.num_bad else logging.INFO
            print_log(self.summary(), logger='current', level=level)
