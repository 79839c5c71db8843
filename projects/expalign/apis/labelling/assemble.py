"""From parts to the forms of other tools, without searching anything again."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from expalign.data_tools.label_writers import FORMATS, format_module
from expalign.data_tools.label_writers.target import ImageLabels, Target
from expalign.utils import finished_file, scratch_folder
from expalign.utils.file_kinds import is_address
from expalign.utils.progress import progress
from expalign.utils.tally import Tally

from .labeller import Facts
from .part_index import PartIndex
from .units import MARK

DAMAGED = 'damaged.jsonl'


class Summary(NamedTuple):
    """What a run has made.

    Attributes:
        images: that have a row.
        damaged: of them, that could not be read.
        boxes: labels.
        files: folders of the forms, and the list of damaged images.
    """

    images: int
    damaged: int
    boxes: int
    files: list[Path]


def check_formats(formats: Sequence[str], classes: Sequence[str] | None) -> None:
    """Refuse forms that cannot be written.

    Raises:
        ValueError: there is no such form, it needs a package, or it cannot hold the name of a
            class; the message has it.
    """
    for name in formats:
        if name not in FORMATS:
            raise ValueError(f'there is no form {name!r}; known are {", ".join(FORMATS)}')
        check = getattr(format_module(name), 'check_classes', None)
        if check is not None:
            check(list(classes or ()))


def assemble(index: PartIndex, out: Path, formats: Sequence[str], facts: Facts,
             folders: Sequence[str], show: bool = True) -> Summary:
    """Write the forms; each takes the place of an older one of its name when it is complete.

    Args:
        index: of the parts.
        out: folder of the results.
        formats: of ``FORMATS``.
        facts: what was searched for.
        folders: that were searched.
        show: whether a bar shows how far it is.
    """
    index.update()
    root = _root(index, folders)
    total, damaged = index.counts()
    boxes, tally = 0, Tally()
    with scratch_folder(out, 'forms') as scratch:
        with ExitStack() as stack:
            targets = {name: Target(scratch / name, facts.prompts, root, facts.model, tally)
                       for name in formats}
            writers = [_writer(name, target, stack) for name, target in targets.items()]
            reasons = stack.enter_context(
                open(scratch / DAMAGED, 'w', encoding='ascii'))
            rows = index.rows()
            for number, row in enumerate(
                    progress(rows, 'write', total) if show else rows, 1):
                image = _labels(number, row, root)
                boxes += len(image.detections)
                if image.error is not None:
                    reasons.write(json.dumps(dict(image=image.source, error=image.error)) + '\n')
                for write in writers:
                    write(image)
        for name in formats:
            _replace(scratch / name, out / name, scratch)
        with finished_file(out / DAMAGED) as temporary:
            os.replace(scratch / DAMAGED, temporary)
    if tally:
        print(tally.report('what the forms cannot hold:'), file=sys.stderr)
    return Summary(total, damaged, boxes, [*(out / name for name in formats), out / DAMAGED])


def _writer(name: str, target: Target, stack: ExitStack) -> Callable[[ImageLabels], None]:
    target.folder.mkdir()
    return stack.enter_context(format_module(name).writer(target))


def _replace(new: Path, place: Path, scratch: Path) -> None:
    if place.exists():
        os.rename(place, scratch / f'{place.name}.old')
    os.rename(new, place)


def _labels(number: int, row: dict[str, Any], root: str | None) -> ImageLabels:
    source, within = row['image'], row.get('within')
    name = within or source
    if root is not None and not is_address(name):
        name = os.path.relpath(name, root).replace(os.sep, '/')
    if within:
        member = source[len(within) + len(MARK):] + row.get('suffix', '')
        # A member may be called '../../etc/x.png'; nobody is to look for it there.
        parts = ('__' if part == '..' else part for part in member.split('/'))
        name = '/'.join([name, *(part for part in parts if part not in ('', '.'))])
    return ImageLabels(
        number, name, source, within, row.get('width', 0), row.get('height', 0),
        row.get('detections', []), row.get('error'))


def _root(index: PartIndex, folders: Sequence[str]) -> str | None:
    """The folder that all images of this machine are below."""
    ends = index.ends()
    if ends is None:
        return None
    return os.path.commonpath([
        *folders, *(os.path.dirname(end.split(MARK, 1)[0]) for end in ends)])


