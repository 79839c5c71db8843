"""YOLO's layout: ``images``, ``labels`` and ``data.yaml``.

``images`` has links to the files; nothing is copied. Labels of images in archives and at addresses
are written, too, the images have to be put beside them. Two images that differ in their suffix
alone would share a file of labels: the later one gets the suffix into its name.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from expalign.utils.file_kinds import is_address
from expalign.utils.links import link

from .target import ImageLabels, Target

DIGITS = 6  # of shares of a side
MAX_PART = 200  # bytes of a name


@contextmanager
def writer(target: Target) -> Iterator[Callable[[ImageLabels], None]]:
    """Write the folders; boxes alone, without scores, as trainers take them."""
    folder = target.folder
    for part in ('images', 'labels'):
        (folder / part).mkdir(parents=True)
    yield lambda image: _add(folder, image, target)
    names = ''.join(f'  {number}: {json.dumps(name, ensure_ascii=False)}\n'
                    for number, name in enumerate(target.classes))
    (folder / 'data.yaml').write_text(
        f'train: images\nval: images\nnc: {len(target.classes)}\nnames:\n{names}',
        encoding='utf-8')


def _add(folder: Path, image: ImageLabels, target: Target) -> None:
    if image.error is not None:
        return
    name = _inside(image.name)
    labels = folder / 'labels' / name.with_suffix('.txt')
    taken = 0
    while labels.exists():
        taken += 1
        number = '' if taken == 1 else str(taken)
        other = name.with_name(f'{name.stem}_{name.suffix[1:]}{number}{name.suffix}')
        labels = folder / 'labels' / other.with_suffix('.txt')
    name = other if taken else name
    labels.parent.mkdir(parents=True, exist_ok=True)
    labels.write_text(yolo_lines(image), encoding='ascii')
    if image.within is None and not is_address(image.source):
        place = folder / 'images' / name
        place.parent.mkdir(parents=True, exist_ok=True)
        link(image.source, place)
    else:
        target.tally.note('yolo: labels without a link to their image, which is no file here',
                          image.name)


def _inside(name: str) -> PurePosixPath:
    """A name as a path below a folder, whatever an archive or an address calls the image."""
    parts = [part for part in name.split('://', 1)[-1].split('/') if part not in ('', '.')]
    return PurePosixPath(*(_short('__' if part == '..' else part) for part in parts))


def _short(part: str) -> str:
    """A part of a path that file systems take; they have 255 bytes for it."""
    content = part.encode('utf-8', 'surrogatepass')
    if len(content) <= MAX_PART:
        return part
    suffix = PurePosixPath(part).suffix[:8]
    return f'{part[:40]}-{hashlib.sha256(content).hexdigest()[:16]}{suffix}'


def yolo_lines(image: ImageLabels) -> str:
    """Class, centre, width and height as shares of the image, a line a box."""
    lines = []
    for found in image.detections:
        left, top, right, bottom = found['box']
        shares = ((left + right) / 2 / image.width, (top + bottom) / 2 / image.height,
                  (right - left) / image.width, (bottom - top) / image.height)
        lines.append(f'{found["label"]} ' + ' '.join(f'{share:.{DIGITS}f}' for share in shares))
    return ''.join(f'{line}\n' for line in lines)
