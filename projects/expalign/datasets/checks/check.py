"""The check of one source: all annotations and all images, once."""

import re
from collections import Counter
from collections.abc import Iterator

from expalign.convert.data.outputs import progress

from ..formats.leakage import build_leakage, coco_id
from .entries import Decision, Entry
from .findings import Findings
from .image_checks import ImageState, check_images
from .item_checks import check_item

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
        reader: see :mod:`expalign.datasets.checks.sources`.
        split: ``'train'``, ``'val'`` or ``'test'``. Images of COCO val are a problem in training.
        digests: file by content, shared by all sources of a check, so that an image of two of
            them is found.
        val_ids: see :func:`in_coco_val`.
        workers: threads that read images.
    """

    def __init__(self, reader, split: str, digests: dict[bytes, str],
                 val_ids: set[int] | None = None, workers: int = 4) -> None:
        self.reader, self.split = reader, split
        self.digests, self.val_ids, self.workers = digests, val_ids, workers
        dataset = reader.dataset
        self.findings = Findings(
            f'{split}: {dataset.source} ({type(dataset).__name__}), {dataset.ann_file}')
        # What training leaves out by itself is no problem.
        self.leakage = build_leakage(dataset._leakage) if split == 'train' else None
        self.kept: list[tuple[Entry, list[Decision]]] = []

    def run(self) -> Findings:
        """Read everything once; the result is also in ``findings`` and ``kept``."""
        entries = list(self._used_entries())
        states = self._image_states(entries)
        uses: Counter[str] = Counter()
        seen: set[str] = set()
        for entry in progress(entries, 'check annotations'):
            decisions = self._check_items(entry, uses)
            keep = self._check_image(entry, states[entry.path], seen)
            if keep and entry.size is not None:
                self.kept.append((entry, decisions))
        self._check_prompts(uses)
        return self.findings

    def write(self, path: str) -> str:
        """Write the cleaned annotation file; returns what it has, in words."""
        images, annotations = self.reader.write(path, iter(self.kept))
        return f'{path}: {images} images, {annotations} annotations'

    def _used_entries(self) -> Iterator[Entry]:
        for entry in self.reader.entries(self.findings):
            reason = self.leakage and self.leakage.reason(entry.raw)
            if reason:
                self.findings.notes.note(f'images that training leaves out: {reason}',
                                         entry.file_name)
                continue
            self.findings.facts.note('image entries')
            yield entry

    def _image_states(self, entries: list[Entry]) -> dict[str, ImageState]:
        sizes = {entry.path: entry.size for entry in entries}
        states = dict(check_images(sizes.items(), len(sizes), self.workers))
        for path, state in states.items():
            if state.fault is not None:
                self.findings.problems.note(f'images {state.fault}', path)
        self.findings.facts.note('image files', count=len(sizes))
        return states

    def _check_items(self, entry: Entry, uses: Counter[str]) -> list[Decision]:
        facts = self.findings.facts
        if entry.size is None:
            self.findings.problems.note("image entries without 'height' and 'width'",
                                        entry.file_name)
            return [Decision(None) for _ in entry.items]
        decisions = [check_item(item, entry, self.findings) for item in entry.items]
        crowds = sum(item.crowd for item in entry.items)
        facts.note('instances', count=len(entry.items) - crowds)
        if crowds:
            facts.note('crowd or ignored annotations', count=crowds)
        if not len(entry.items) - crowds:
            self.findings.notes.note('images without an instance', entry.file_name)
        uses.update(item.name for item, decision in zip(entry.items, decisions, strict=True)
                    if decision.box is not None and not item.crowd)
        return decisions

    def _check_image(self, entry: Entry, state: ImageState, seen: set[str]) -> bool:
        """Whether a cleaned file has the image."""
        problems = self.findings.problems
        keep = state.fault is None
        if entry.path in seen:
            if self.reader.text_kind == 'detection':
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

    def _check_prompts(self, uses: Counter[str]) -> None:
        """Compare the names that instances have with the prompts of the config."""
        findings, prompts = self.findings, self.reader.prompts()
        if prompts.names is None:
            findings.facts.note('distinct phrases', count=len(uses))
            return
        findings.facts.note('prompts', count=len(prompts.names))
        for name in prompts.missing:
            findings.problems.note('prompts that the annotation file has no category for', name)
        for name in prompts.names:
            if not uses[name] and name not in prompts.missing:
                findings.notes.note('prompts without an instance', name)
        for name in sorted(set(uses) - set(prompts.names)):
            findings.problems.note('classes with instances and without a prompt',
                                   f'{name!r} ({uses[name]} instances)')
