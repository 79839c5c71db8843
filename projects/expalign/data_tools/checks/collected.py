"""What a data set's own reader says while it reads: every problem, nothing raised."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from expalign.datasets.class_names import UnknownClasses
from expalign.datasets.formats.coco import IGNORED, NO_CATEGORY, NO_FLAG, NO_PROMPT
from expalign.datasets.formats.coco_layout import NO_IMAGE
from expalign.datasets.formats.odvg import NO_LABEL
from expalign.datasets.formats.problems import AnnotationProblems
from expalign.datasets.formats.record import (
    NEGATIVE_BOX,
    NO_PHRASE,
    NO_SIZE,
    NOT_A_BOX,
    OUTSIDE_BOX,
    THIN_BOX,
)
from expalign.datasets.formats.refs import NO_EXPRESSION, NO_OBJECT, NO_REFERRED_IMAGE

from .findings import Findings

STOPS = ' (training stops at it)'
UNNAMED = 'instances whose class or phrase the file does not name'
# What is counted, in words that follow a number.
COUNTED = {
    NOT_A_BOX: 'boxes that are not four finite numbers',
    NEGATIVE_BOX: 'boxes of a negative width or height',
    THIN_BOX: 'boxes thinner than a pixel',
    OUTSIDE_BOX: 'boxes outside of their image',
    NO_CATEGORY: UNNAMED, NO_LABEL: UNNAMED, NO_PHRASE: UNNAMED,
    NO_FLAG: "annotations whose 'iscrowd' is neither 0 nor 1",
    NO_OBJECT: 'references whose object is not listed',
    NO_EXPRESSION: 'references without an expression',
    NO_REFERRED_IMAGE: 'references whose image is not listed',
    NO_IMAGE: 'annotations whose image is not listed',
    NO_SIZE: "image entries without 'height' and 'width'",
    IGNORED: "annotations marked 'ignore', which training leaves out",
}


@dataclass
class Entry:
    """One image as training gets it, and what it comes from.

    Args:
        record: see :mod:`expalign.datasets.formats.record`, with ``img_path``.
        raw: the entry of the file.
        sources: of each instance, the annotation or its place in ``raw``.
        asides: annotations that are in order and not used.
    """

    record: dict
    raw: dict
    sources: list = field(default_factory=list)
    asides: list = field(default_factory=list)

    @property
    def path(self) -> str:
        """Of the image."""
        return self.record['img_path']

    @property
    def file_name(self) -> str:
        """As the file has it."""
        return str(self.raw.get('file_name', self.raw.get('filename')))

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) as annotated."""
        return self.record['height'], self.record['width']


class CollectedProblems(AnnotationProblems):
    """The account of a check: everything goes to its findings, and nothing is raised.

    Args:
        source: the annotation file.
        findings: takes what is found.

    Attributes:
        without_prompt: annotations of classes that are no prompts, by class.
    """

    def __init__(self, source: str, findings: Findings) -> None:
        super().__init__(source)
        self.findings = findings
        self.without_prompt: Counter[str] = Counter()
        self._raw, self._sources, self._asides = {}, [], []

    def entry(self, raw: dict) -> None:
        """A new image entry."""
        self._raw, self._sources, self._asides = raw, [], []

    def used(self, raw: object) -> None:
        """An annotation that training uses."""
        self._sources.append(raw)

    def aside(self, raw: dict, kind: str, name: str = '') -> None:
        """An annotation that is in order and not used."""
        self._asides.append(raw)
        if kind == NO_PROMPT:
            self.without_prompt[name] += 1
        else:
            self.findings.notes.note(COUNTED.get(kind, kind))

    def refuse(self, kind: str, where: str = '', detail: str = '') -> None:
        """What stops training."""
        self.findings.problems.note(COUNTED.get(kind, kind) + STOPS, where + detail)

    def bad(self, kind: str, where: str) -> None:
        """What is wrong."""
        self.findings.problems.note(COUNTED.get(kind, kind), where)

    def dropped(self, kind: str, where: str = '') -> None:
        """What is of no use."""
        self.findings.problems.note(COUNTED.get(kind, kind), where)

    def repaired(self, kind: str, where: str) -> None:
        """What is read as it must be meant."""
        self.findings.notes.note(f'read as meant: {kind}', where)

    def current(self, record: dict) -> Entry:
        """The entry that ``record`` was made of; the one that was read last."""
        return Entry(record, self._raw, self._sources, self._asides)


def read_entries(dataset, problems: CollectedProblems) -> Iterator[Entry]:
    """All that the data set reads of its annotation file.

    What ends training is a problem. Classes of the config that the file does not have are problems
    too, and the rest is read without them.
    """
    try:
        try:
            yield from _entries(dataset, problems)
        except UnknownClasses as error:
            for name in error.names:
                problems.refuse('prompts that the annotation file has no category for', name)
            dataset.drop_classes(error.names)
            yield from _entries(dataset, problems)
    except (ValueError, OSError) as error:
        problems.refuse('the file cannot be used', str(error))


def _entries(dataset, problems: CollectedProblems) -> Iterator[Entry]:
    for record in dataset.records_with(problems):
        yield problems.current(record)
