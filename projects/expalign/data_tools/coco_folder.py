"""The folder that a converter writes: ``annotations/SPLIT.json``, and ``SPLIT`` with images."""

import argparse
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from expalign.utils import scratch_folder
from expalign.utils.links import is_link, link
from expalign.utils.progress import progress

PLACES = ('link', 'copy', 'none')
NO_VALIDATION = 'no validation split: --val-share 0.1 makes one of a tenth of the training images'


def add_writing_options(parser: argparse.ArgumentParser, bad: str) -> None:
    """Add what every converter into this layout asks: ``--images``, ``--val-share``, ``--max-bad``.

    Args:
        parser: of the converter.
        bad: what ``--max-bad`` counts, in the plural.
    """
    parser.add_argument('--images', choices=PLACES, default='link',
                        help='make OUTPUT/{train,val,test} as links to the folders of images '
                             '(default), as copies, or not at all')
    parser.add_argument('--val-share', type=float, metavar='SHARE',
                        help='without a validation split: take this share of the training images')
    parser.add_argument('--max-bad', type=int, default=0, metavar='N',
                        help=f'{bad} that are left out; one more is an error (default 0)')


@contextmanager
def coco_folder(output: str | Path, folders: Mapping[str, Path], how: str,
                made: Mapping[str, Mapping[str, bytes]] | None = None) -> Iterator['CocoFolder']:
    """A :class:`CocoFolder` whose files appear in ``output`` at the end; after an error, none do.

    Args:
        output: folder to write.
        folders: where the images of each split are.
        how: ``'link'``: ``output/SPLIT`` is a link to the folder of images; ``'copy'``: a copy of
            the images; ``'none'``: it is not made.
        made: images by name that are in no folder yet, by split; ``output/SPLIT`` of such a split
            is made in any case.

    Raises:
        FileExistsError: ``output`` is a file, or ``output/SPLIT`` exists and is something else.
    """
    output = Path(output)
    if output.exists() and not output.is_dir():
        raise FileExistsError(f"'{output}' is a file: give a folder to write to")
    made = made or {}
    placed = [split for split, folder in folders.items() if split in made or _must_place(
        folder, output / split, how)]
    for split in placed:
        if is_link(output / split) or (output / split).exists():
            raise FileExistsError(f"'{output / split}' exists: remove it, or give --images none")
    anchor = next(p for p in (output, *Path(os.path.abspath(output)).parents) if p.is_dir())
    with scratch_folder(anchor, output.name) as scratch:
        yield CocoFolder(scratch, placed, how, made)
        (output / 'annotations').mkdir(parents=True, exist_ok=True)
        for split in placed:
            (scratch / split).rename(output / split)
        for split in folders:
            (scratch / f'{split}.json').replace(output / 'annotations' / f'{split}.json')


class CocoFolder:
    """What :func:`coco_folder` gives."""

    def __init__(self, scratch: Path, placed: list[str], how: str,
                 made: Mapping[str, Mapping[str, bytes]]) -> None:
        self._scratch, self._placed, self._how, self._made = scratch, placed, how, made

    def annotation_file(self, split: str) -> Path:
        """The name under which to write the annotations of a split."""
        return self._scratch / f'{split}.json'

    def place(self, split: str, folder: Path, files: list[Path]) -> None:
        """Make ``output/SPLIT`` of the files, all below ``folder``, if it is to be made."""
        if split not in self._placed:
            return
        target = self._scratch / split
        if self._how != 'copy' and split not in self._made:
            link(folder, target)
            return
        put = shutil.copyfile if self._how == 'copy' else link
        target.mkdir()
        for file in progress(files, f'images of {split}'):
            place = target / file.relative_to(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            put(file, place)
        for name, content in self._made.get(split, {}).items():
            (target / name).write_bytes(content)


def _must_place(folder: Path, target: Path, how: str) -> bool:
    return how != 'none' and target.resolve() != folder.resolve()
