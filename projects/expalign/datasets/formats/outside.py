"""File names of annotation files that may lead out of the folder of images."""

from pathlib import PurePosixPath, PureWindowsPath

from expalign.utils.file_kinds import is_address


def outside_reason(name: str) -> str | None:
    """Why ``name`` may lead out of the folder that it is joined with, or None.

    Links inside the folder are its owner's and not looked at; but behind a link ``..`` leads
    anywhere, so it is refused wherever it stands. Paths of both Windows and Unix are understood.
    """
    if '\0' in name:
        return 'has a zero byte'
    if is_address(name):
        return 'is an address'
    windows = PureWindowsPath(name)
    if name.startswith('~') or PurePosixPath(name).is_absolute() or windows.drive or windows.root:
        return 'is an absolute path'
    return "has '..'" if '..' in windows.parts else None
