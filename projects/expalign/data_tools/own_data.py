"""A folder, file or archive of a user's labelled images, whatever its format, as COCO files."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from expalign.utils import finished_file, scratch_folder
from expalign.utils.file_kinds import special_kind
from expalign.utils.tally import Tally

from . import own_coco
from .archive import is_archive, unpack
from .csv_boxes import CSV, read_csv
from .cvat import CVAT, read_cvat
from .image_index import ImageIndex
from .json_kinds import COCO, LABELME, VIA
from .labelled import LabelSource
from .labelled_to_coco import convert_labelled
from .labelme import read_labelme
from .own_scan import LOOKED_FOR, MARK, VOC, YOLO, Scan, own_files, scan_files
from .via import read_via
from .voc import read_voc
from .yolo_layout import read_layout
from .yolo_to_coco import convert_yolo

# Each takes a folder or a file, the folder of the images, and the files that count.
READERS: dict[str, Callable[..., LabelSource]] = {
    VOC: read_voc, LABELME: read_labelme, VIA: read_via, CVAT: read_cvat, CSV: read_csv}
JSON_KINDS = {COCO, LABELME, VIA}
VERSION = 1  # of what a conversion writes; a higher one converts again


@dataclass(frozen=True)
class OwnData:
    """What was recognised.

    Args:
        format: its name, such as ``'Pascal VOC'``.
        splits: annotation file in COCO's layout and folder of images, absolute paths, of
            ``'train'`` and, where there are some, ``'val'`` and ``'test'``.
        classes: names in the order of the labels; every file has them all as categories.
        said: all of it in one line.
        report: what was left out or taken to be meant, in lines; '' for nothing.
    """

    format: str
    splits: dict[str, tuple[str, str]]
    classes: tuple[str, ...]
    said: str
    report: str = ''


def recognise(source: str | Path, work: str | Path) -> OwnData:
    """Find out what a data set is, and make it readable as COCO's.

    Nothing is written beside the data. What has to be converted (anything but COCO), or unpacked,
    goes to a folder in ``work`` that is named after the state of the data: a second call finds it
    there and changes nothing, and data that changed get a new one. Where ``work`` lies in the data,
    the folder that holds it is no part of them.

    Args:
        source: a folder, an annotation file, a ``data.yaml``, or a ZIP archive of one of these.
        work: folder for what is converted.

    Raises:
        FileNotFoundError: ``source`` does not exist.
        ValueError: no format or several were found, or an annotation is not in its format; the
            message says what was looked for and found, or names the file and the place.
    """
    source, work = Path(os.path.abspath(source)), Path(os.path.abspath(work))
    if not source.exists():
        raise FileNotFoundError(f"'{source}' does not exist: give a folder of labelled images")
    if source.is_file() and is_archive(source):
        return recognise(unpack(source, work), work)
    if not source.is_dir() and special_kind(source):
        raise ValueError(f"'{source}' is {special_kind(source)}: give a folder of labelled images")
    root = source if source.is_dir() else _image_root(source)
    files = list(own_files(root, _results(work, root)))
    folder = work / f'{root.name[:40] or "data"}-{_state(files, source, root)}'
    if (folder / MARK).is_file():
        return _read_mark(folder)
    scan = scan_files(files if source.is_dir() else [source], root)
    kind = _only_kind(scan, source)
    with scratch_folder(work, folder.name) as scratch:
        result = scratch / 'result'
        if kind == COCO:
            found = _coco(scan, root, files, result)
        elif kind == YOLO:
            found = _yolo(scan, source, result)
        else:
            images = None if source.is_dir() else root
            found = _labelled(READERS[kind](source, images, files), result)
        data = found.at(result, folder)
        if result.exists():  # something was written
            _settle(data, result, folder)
    return data


def _results(work: Path, root: Path) -> Path | None:
    """The folder in the data that has results of runs, this one's too; None if it is elsewhere."""
    if root.is_relative_to(work):  # what was unpacked there
        return None
    inside = work.parent != root and work.parent.is_relative_to(root)
    return work.parent if inside else work


def _image_root(file: Path) -> Path:
    """The folder of a lone annotation file; the one above where there is no image below it."""
    for folder in (file.parent, file.parent.parent):
        if ImageIndex(folder, Tally()).files:
            return folder
    raise ValueError(f"'{file}': no image is in its folder or the one above; give the folder that "
                     'has the images and the annotations')


def _only_kind(scan: Scan, source: Path) -> str:
    kinds = set(scan.found)
    if scan.broken and not kinds - JSON_KINDS:  # it may be a part of the data
        raise ValueError(scan.broken[0])
    if len(kinds) == 1:
        return kinds.pop()
    looked = ', '.join(LOOKED_FOR)
    if not scan.found:
        raise ValueError(f"'{source}' has no labels that are known. Looked for: {looked}. Found: "
                         f'{scan.described()}')
    raise ValueError(f"'{source}' has labels in several formats: {scan.described()}. Give the file "
                     'or the folder of one of them, or move the others away')


def _state(files: list[Path], source: Path, root: Path) -> str:
    """A short text that differs where a file was added, removed or written."""
    digest = hashlib.sha256(f'{VERSION} {os.fsencode(source.relative_to(root))!r}'.encode())
    for path in files:
        try:
            status = os.stat(path)
        except OSError:  # a link to nothing
            continue
        digest.update(os.fsencode(path.relative_to(root)) + b'\0')
        digest.update(f'{status.st_size} {status.st_mtime_ns}\n'.encode())
    return digest.hexdigest()[:12]


@dataclass
class _Found:
    """Like :class:`OwnData`, with paths in a folder that has not its name yet."""

    format: str
    splits: dict[str, tuple[Path, Path]]
    classes: tuple[str, ...]
    counts: dict[str, tuple[int, int, int]]
    report: str

    def at(self, result: Path, folder: Path) -> OwnData:
        """With the paths that hold once ``result`` is called ``folder``."""
        def final(path: Path) -> str:
            inside = path.is_relative_to(result)
            return str(folder / path.relative_to(result) if inside else path)
        return OwnData(
            self.format, {split: (final(file), final(images))
                          for split, (file, images) in self.splits.items()},
            self.classes, said(self.format, self.counts, len(self.classes)), self.report)


def _yolo(scan: Scan, source: Path, output: Path) -> _Found:
    described = [path for path in scan.found[YOLO] if path.suffix != '.txt']
    nearest = min((len(path.parts) for path in described), default=0)
    described = [path for path in described if len(path.parts) == nearest]
    if len(described) > 1:
        raise ValueError(f"'{source}' has several descriptions of YOLO data sets: "
                         f'{", ".join(map(str, described[:4]))}: give one of them')
    layout = read_layout(described[0] if described else source)
    tallies = convert_yolo(layout, output, 'none')
    return _Found(YOLO, _written(output, {
        split: part.folder for split, part in layout.splits.items()}),
                  tuple(name for _, name in sorted(layout.names.items())),
                  {split: _counts(tally, 'annotations with a polygon')
                   for split, tally in tallies.items()},
                  _report(tallies, layout.notes))


def _labelled(source: LabelSource, output: Path) -> _Found:
    result = convert_labelled(source, output, 'none')
    tallies = result.tallies | ({'all': result.whole} if result.whole else {})
    return _Found(result.kind, _written(output, result.folders), result.classes,
                  {split: _counts(tally, 'annotations with an outline or mask')
                   for split, tally in result.tallies.items()},
                  _report(tallies, result.notes))


def _written(output: Path, folders: dict[str, Path]) -> dict[str, tuple[Path, Path]]:
    return {split: (output / 'annotations' / f'{split}.json', folder)
            for split, folder in folders.items()}


def _counts(tally: Tally, outlines: str) -> tuple[int, int, int]:
    return tally['images written'], tally['annotations written'], tally[outlines]


def _report(tallies: dict[str, Tally], notes: list[str]) -> str:
    return '\n'.join([tally.report(f'{split}:') for split, tally in tallies.items()] + notes)


def _settle(data: OwnData, result: Path, folder: Path) -> None:
    """Give a finished conversion its name; one that another process put there first stays."""
    with finished_file(result / MARK) as path:
        path.write_text(json.dumps(asdict(data), indent=1), encoding='utf-8')
    try:
        os.rename(result, folder)
    except OSError:
        if not (folder / MARK).is_file():
            raise


def _read_mark(folder: Path) -> OwnData:
    content = json.loads((folder / MARK).read_text(encoding='utf-8'))
    splits = {split: tuple(places) for split, places in content.pop('splits').items()}
    return OwnData(**content | {'splits': splits, 'classes': tuple(content['classes'])})


def _coco(scan: Scan, root: Path, files: list[Path], output: Path) -> _Found:
    parts = own_coco.find_parts(scan.contents, root, ImageIndex(root, Tally(), files))
    classes = own_coco.class_names(parts)
    splits, lines = {}, []
    for split, part in parts.items():
        path = part.path
        if own_coco.needs_copy(part, classes):
            path = output / 'annotations' / f'{split}.json'
            own_coco.write_copy(part, classes, path)
            lines.append(f"{split}: a copy of '{part.path}' is used: its images have other names "
                         'here, or another part has categories that it lacks')
        if part.missing:
            lines.append(f"{split}: {part.missing} images of '{part.path}' are missing below "
                         f"'{part.folder}'")
        splits[split] = path, part.folder
    used = {part.path for part in parts.values()}
    unused = [path for path in scan.contents if path not in used]
    if unused:
        lines.append(f"{len(unused)} files in COCO's layout are left out: without a box, or beside "
                     f"one that has the instances of its part (such as '{unused[0]}')")
    counts = {split: own_coco.counts(part) for split, part in parts.items()}
    return _Found(COCO, splits, classes, counts, '\n'.join(lines))


def said(kind: str, counts: dict[str, tuple[int, int, int]], classes: int) -> str:
    """``'Pascal VOC: train 48 images, test 34 images, 6 classes, 150 boxes'``."""
    parts = [f'{split} {images:,} image{"s" * (images != 1)}'
             for split, (images, _, _) in counts.items()]
    boxes, outlines = (sum(count[i] for count in counts.values()) for i in (1, 2))
    parts.append(f'{classes} class{"es" * (classes != 1)}')
    parts.append(f'{boxes:,} box{"es" * (boxes != 1)}' + (
        f' ({outlines:,} with an outline)' if outlines else ''))
    return f'{kind}: {", ".join(parts)}'
