"""The check of one source: all annotations and all images, once."""

import re
from collections import Counter

from expalign.datasets.formats.leakage import coco_id
from expalign.utils.progress import progress

from .cleaned import writer_of
from .collected import CollectedProblems, Entry, read_entries
from .findings import Findings
from .image_checks import ImageState, check_images
from .instance_checks import Decision, check_instance
from .prompt_checks import check_use
from .sources import Source
from .statistics import BoxStatistics

# COCO val2017 is a part of val2014.
COCO_VAL = re.compile(r'COCO_val2014_\d{12}|(?:^|/)val20(?:14|17)/\d{12}\.\w+$')


def in_coco_val(entry: Entry, val_ids: set[int] | None) -> bool:
    """Whether an entry is an image of COCO val, by file name or URL.

    Args:
        entry: with ``raw`` and ``path``.
        val_ids: ids of COCO val's images; None goes by names alone.
    """
    links = dict(file_name=entry.path, coco_url=entry.raw.get('coco_url', ''))
    if val_ids is not None:
        return coco_id(links) in val_ids
    return any(COCO_VAL.search(str(link)) for link in links.values())


class SourceCheck:
    """Runs all checks of one source, and can write it cleaned.

    Args:
        source: the data set.
        split: ``'train'``, ``'val'`` or ``'test'``. Images of COCO val are a problem in training.
        digests: file by content, shared by all sources of a check, so that an image of two of
            them is found.
        val_ids: see :func:`in_coco_val`.
        workers: threads that read images.

    Attributes:
        findings: what was found, once :meth:`run` was called.
        kept: what a cleaned file has.
    """

    def __init__(self, source: Source, split: str, digests: dict[bytes, str],
                 val_ids: set[int] | None = None, workers: int = 4) -> None:
        self.source, self.dataset, self.split = source, source.dataset, split
        self.digests, self.val_ids, self.workers = digests, val_ids, workers
        self.findings = Findings(
            f'{split}: {self.dataset.source} ({type(self.dataset).__name__}), '
            f'{self.dataset.ann_file}')
        self.kept: list[tuple[Entry, list[Decision]]] = []

    @property
    def classes(self) -> tuple[str, ...]:
        """The prompts; empty where every image has phrases of its own."""
        return tuple(self.dataset.metainfo.get('classes') or ())

    def run(self) -> Findings:
        """Read everything once; the result is also in ``findings`` and ``kept``."""
        facts = self.findings.facts
        problems = CollectedProblems(self.dataset.ann_file, self.findings)
        entries = list(read_entries(self.dataset, problems))
        for reason, count in self.dataset.dropped_images.items():
            self.findings.notes.note(f'images that training leaves out: {reason}', count=count)
        facts.note('image entries', count=len(entries))
        filtered = self._filtered(entries)
        states = self._image_states(entries)
        statistics = BoxStatistics(self.source.input_side)
        seen: set[str] = set()
        for entry, state in zip(progress(entries, 'check annotations'), states, strict=True):
            decisions = self._check_instances(entry, statistics)
            if self._check_image(entry, state, seen) and id(entry.record) not in filtered:
                self.kept.append((entry, decisions))
        self._check_ids(entries)
        self._check_prompts(statistics.instances, problems.without_prompt)
        self.findings.tables = statistics.lines()
        return self.findings

    def write(self, path: str) -> str:
        """Write the cleaned annotation file; returns what it has, in words."""
        images, annotations = writer_of(self.dataset)(self.dataset, path, self.kept)
        return f'{path}: {images} images, {annotations} annotations'

    def _filtered(self, entries: list[Entry]) -> set[int]:
        """The records that the data set's filter leaves out; with instances, it is a problem."""
        self.dataset.data_list = [entry.record for entry in entries]
        try:
            kept = {id(record) for record in self.dataset.filter_data()} if entries else set()
        except ValueError as error:  # nothing is left
            self.findings.problems.note('the data set cannot be used', str(error))
            kept = set()
        left_out = [entry for entry in entries if id(entry.record) not in kept]
        for entry in left_out:
            kind = ("images that training leaves out by 'filter_cfg' "
                    f'{dict(self.dataset.filter_cfg or {})}')
            if entry.record['instances']:
                self.findings.problems.note(f'{kind}, with instances', entry.file_name)
            else:
                self.findings.notes.note(kind, entry.file_name)
        return {id(entry.record) for entry in left_out}

    def _image_states(self, entries: list[Entry]) -> list[ImageState]:
        wanted = dict.fromkeys((entry.path, entry.size) for entry in entries)
        states = dict(zip(wanted, check_images(wanted, len(wanted), self.workers), strict=True))
        for (path, _), state in states.items():
            if state.fault is not None:
                self.findings.problems.note(f'images {state.fault}', path + state.detail)
        self.findings.facts.note('image files', count=len({path for path, _ in wanted}))
        return [states[entry.path, entry.size] for entry in entries]

    def _check_instances(self, entry: Entry, statistics: BoxStatistics) -> list[Decision]:
        facts, instances = self.findings.facts, entry.record['instances']
        decisions = [check_instance(instance, entry.size, entry.file_name, self.findings)
                     for instance in instances]
        plain = [instance for instance in instances if not instance['ignore_flag']]
        facts.note('instances', count=len(plain))
        if len(plain) < len(instances):
            facts.note('crowd or ignored annotations', count=len(instances) - len(plain))
        if not plain:
            self.findings.notes.note('images without an instance', entry.file_name)
        texts = self.classes if entry.record['text_kind'] == 'detection' else [
            text if isinstance(text, str) else text[0] for text in entry.record['text']]
        statistics.add([texts[instance['bbox_label']] for instance in plain],
                       [instance['bbox'] for instance in plain], entry.size)
        return decisions

    def _check_image(self, entry: Entry, state: ImageState, seen: set[str]) -> bool:
        """Whether a cleaned file has the image."""
        problems = self.findings.problems
        keep = state.fault is None
        if entry.path in seen:
            if self.classes:
                problems.note('images listed more than once', entry.file_name)
                keep = False
        elif state.digest is not None:
            first = self.digests.setdefault(state.digest, entry.path)
            if first != entry.path:
                problems.note('images with the same content as another',
                              f'{entry.path} and {first}')
                keep = False
        seen.add(entry.path)
        if in_coco_val(entry, self.val_ids):
            train = self.split == 'train'
            (problems if train else self.findings.notes).note(
                'images of COCO val, by file name or URL', entry.file_name)
            keep = keep and not train
        return keep

    def _check_ids(self, entries: list[Entry]) -> None:
        """Ids of annotations are not needed here; other tools need them."""
        ids = [repr(raw.get('id')) for entry in entries for raw in entry.sources
               if isinstance(raw, dict)]
        if len(set(ids)) < len(ids):
            self.findings.notes.note('annotation ids that are absent or occur twice (not needed '
                                     'here, but by other tools)', count=len(ids) - len(set(ids)))

    def _check_prompts(self, uses: Counter[str], without: Counter[str]) -> None:
        findings = self.findings
        if not self.classes:
            findings.facts.note('distinct phrases', count=len(uses))
            return
        findings.facts.note('prompts', count=len(self.classes))
        check_use(self.classes, uses, findings)
        for name, count in sorted(without.items()):
            findings.problems.note('classes with instances and without a prompt',
                                   f'{name!r} ({count} instances)')
