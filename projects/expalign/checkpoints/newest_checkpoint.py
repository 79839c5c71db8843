"""Which checkpoint of a work folder a run goes on from."""

import logging
import os
import re
import zipfile
import zlib
from pathlib import Path

from mmengine.logging import print_log

from expalign.utils.file_kinds import is_address

STEP_FILE = re.compile(r'(?:epoch|iter)_(\d+)\.pth')
# What has no optimizer is not gone on from, and shows that there has been a training.
TRACE_FILE = re.compile(rf'{STEP_FILE.pattern}|best_.+\.pth')
RECORD = 'last_checkpoint'


class NothingToResume(ValueError):
    """A work folder has been trained in, and none of its checkpoints can be used."""


def newest_checkpoint(folder: str | Path) -> str | None:
    """The newest whole checkpoint of a run, or None where there has been none.

    That is the one that ``last_checkpoint`` names, or, where that file is missing or damaged or
    what it names is, the ``epoch_N.pth`` or ``iter_N.pth`` of the largest N beside it that is
    whole. The log says which, and why not another.

    Args:
        folder: the work folder.

    Raises:
        NothingToResume: there are checkpoints or a record of one, and none is whole.
    """
    folder = Path(folder)
    named, complaints = _named(folder)
    if named is not None and is_address(named):  # of an object store, which has its own sums
        return named
    steps = {path: int(match[1]) for parent in _folders(folder, named)
             for path in parent.iterdir() if (match := STEP_FILE.fullmatch(path.name))}
    candidates = sorted(steps, key=steps.get, reverse=True)
    if named is not None:
        candidates = [Path(named), *(path for path in candidates if str(path) != named)]
    for path in candidates:
        damage = what_is_damaged(path)
        if damage is None:
            if complaints:
                print_log(f'{"; ".join(complaints)}: resuming from {path}', 'current',
                          logging.WARNING)
            return str(path)
        complaints.append(f'{path} is damaged ({damage})')
    if complaints:
        raise NothingToResume(
            f'--resume: {"; ".join(complaints)}, and {folder} has no other checkpoint of a '
            'training. Name one (--resume FILE), or start anew in another --work-dir')
    return None


def _named(folder: Path) -> tuple[str | None, list[str]]:
    """The file that ``last_checkpoint`` names, if it is there, and what is wrong."""
    record = folder / RECORD
    if not record.exists():
        found = any(TRACE_FILE.fullmatch(path.name) for path in folder.glob('*.pth'))
        return None, [f'{record} is missing'] if found else []
    try:
        text = record.read_text(encoding='utf-8').strip()
    except (OSError, UnicodeDecodeError) as error:
        return None, [f'{record} cannot be read ({error})']
    if not text or '\0' in text:
        return None, [f'{record} is empty']
    # A folder may have been moved as a whole.
    for path in (text, str(folder / Path(text).name)):
        if is_address(path) or os.path.isfile(path):
            return path, []
    return None, [f'{record} names {text}, which is not there']


def _folders(folder: Path, named: str | None) -> list[Path]:
    """Where checkpoints lie: the work folder and, with ``out_dir`` of the hook, another."""
    folders = {path.resolve(): path for path in (folder, Path(named).parent if named else folder)}
    return [path for path in folders.values() if path.is_dir()]


def flipped_part(path: str | Path) -> str | None:
    """The first part of a checkpoint file that is not what was written; None if all are.

    torch writes a sum of each part and does not read it: it loads flipped bits without a word.
    What is no ZIP archive on this machine has no sums: None.
    """
    try:
        if os.path.isfile(path) and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as file:
                # What unpacks to more than the file is no checkpoint, and is not unpacked here.
                stated = sum(entry.file_size for entry in file.infolist())
                return file.testzip() if stated <= os.path.getsize(path) else None
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, zlib.error) as error:
        return f'(the list of parts: {error})'
    return None


def what_is_damaged(path: str | Path) -> str | None:
    """What is wrong with a checkpoint file of this project; None if nothing. It is read whole."""
    try:
        with zipfile.ZipFile(path):
            part = flipped_part(path)
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError,
            zlib.error) as error:
        return str(error) or type(error).__name__
    return None if part is None else f'the part {part} does not have its sum'
