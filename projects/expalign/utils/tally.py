"""Counts of what a conversion read, wrote and left out."""

from collections import Counter
from collections.abc import Iterable, Mapping


class Tally(Counter):
    """A counter by reason that keeps a few examples of each and prints as a list."""

    EXAMPLES = 3

    def __init__(self) -> None:
        super().__init__()
        self.examples: dict[str, list[str]] = {}

    def note(self, reason: str, example: object = None, count: int = 1) -> None:
        """Count ``reason``; keep ``example`` (a file, an id) if few are known."""
        self[reason] += count
        known = self.examples.setdefault(reason, [])
        if example is not None and len(known) < self.EXAMPLES:
            text = _printable(example)
            known += [] if text in known else [text]

    def note_left_out(self, counts: Mapping[str, int]) -> None:
        """Take over the counts of annotations that were not used, by kind."""
        for kind, count in counts.items():
            self.note(f'annotations left out: {kind}', count=count)

    def lines(self) -> Iterable[str]:
        """One line a reason, in the order of first sight."""
        for reason, count in self.items():
            known = self.examples.get(reason)
            yield f'{count:>9,} {reason}' + (f' (such as {", ".join(known)})' if known else '')

    def report(self, title: str) -> str:
        """All lines under a title."""
        return '\n'.join([title, *self.lines()])


def _printable(example: object) -> str:
    """As text that every terminal takes: a file's name may be no valid Unicode."""
    return str(example).encode('utf-8', 'backslashreplace').decode()
