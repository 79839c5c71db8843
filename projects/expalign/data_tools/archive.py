"""Unpacking of a stranger's ZIP archive of labelled images."""

import hashlib
import os
import shutil
import stat
import zipfile
from pathlib import Path

from expalign.datasets.formats.outside import outside_reason
from expalign.limits import UNPACKED_BYTES, UNPACKED_FILES
from expalign.utils import scratch_folder
from expalign.utils.progress import progress
from expalign.utils.shown import shown


def is_archive(path: Path) -> bool:
    """Whether a file is a ZIP archive, by its name."""
    return path.suffix.lower() == '.zip'


def unpack(path: Path, work: Path) -> Path:
    """The folder in ``work`` with the archive's files, made by the first call.

    Raises:
        ValueError: the file is no ZIP archive, is damaged or locked, or an entry leads out of the
            folder or is a link.
        LimitExceeded: it has too many files, or too many bytes when unpacked.
    """
    status = os.stat(path)
    state = hashlib.sha256(f'{path} {status.st_size} {status.st_mtime_ns}'.encode(
        'utf-8', 'surrogateescape')).hexdigest()[:12]
    folder = work / f'{path.stem[:40]}-unpacked-{state}'
    if folder.is_dir():
        return folder
    with scratch_folder(work, folder.name) as scratch:
        target = scratch / 'files'
        target.mkdir()
        try:
            with zipfile.ZipFile(path) as archive:
                _extract(archive, path, target)
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
            raise ValueError(f"'{path}' cannot be unpacked: {error}") from error
        os.rename(target, folder)
    return folder


def _extract(archive: zipfile.ZipFile, path: Path, target: Path) -> None:
    entries = [entry for entry in archive.infolist() if not entry.is_dir()
               and not entry.filename.startswith('__MACOSX/')]
    UNPACKED_FILES.check(len(entries), f"'{path}'")
    UNPACKED_BYTES.check(sum(entry.file_size for entry in entries), f"'{path}'")
    for entry in entries:
        reason = outside_reason(entry.filename)
        if reason is None and stat.S_ISLNK(entry.external_attr >> 16):
            reason = 'is a link'
        if reason is not None:
            raise ValueError(f"'{path}': the entry {shown(entry.filename)} {reason}, and so may "
                             'lead out of the folder')
    for entry in progress(entries, f'unpack {path.name}', unit='file'):
        place = target / entry.filename.replace('\\', '/')
        place.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(entry) as source, open(place, 'wb') as file:
            shutil.copyfileobj(source, file)
