"""Links to files and folders, on every system: Windows lets few users make symbolic ones."""

import os
import shutil
from pathlib import Path


def link(target: str | Path, place: str | Path) -> None:
    """Make ``place`` lead to a file or folder.

    Where symbolic links are not allowed a folder gets a junction, and a file a hard link, or a
    copy on another disk.

    Raises:
        OSError: it cannot be made; for a folder the message says what helps.
    """
    target = Path(target).absolute()
    folder = target.is_dir()
    try:
        os.symlink(target, place, target_is_directory=folder)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError) as error:
        if folder:
            _join(target, place, error)
            return
        try:
            os.link(target, place)
        except OSError:
            shutil.copyfile(target, place)


def is_link(path: str | Path) -> bool:
    """Whether a path is a symbolic link or a junction."""
    try:
        os.readlink(path)
    except OSError:
        return False
    return True


def _join(target: Path, place: str | Path, error: Exception) -> None:
    try:
        from _winapi import CreateJunction
    except ImportError:
        raise OSError(f'{place} cannot be made a link to {target} ({error}): copy the folder'
                      ) from error
    CreateJunction(str(target), str(place))
