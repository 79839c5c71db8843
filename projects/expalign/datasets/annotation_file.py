"""The check that an annotation file exists."""

import os

from mmengine.fileio import exists

from expalign.utils.file_kinds import is_address


def check_annotation_file(path: str, key: str, backend_args: dict | None = None) -> None:
    """Raise if ``path`` does not exist.

    Args:
        path: the file, joined with its root.
        key: what set the path in the config, for the message.
        backend_args: mmengine's file backend; local files by default.

    Raises:
        FileNotFoundError: naming the path, the key and, for a relative path, where it starts.
    """
    if path and exists(path, backend_args=backend_args):
        return
    start = '' if os.path.isabs(path) or is_address(path) else f' (from the folder {os.getcwd()})'
    raise FileNotFoundError(
        f"annotation file '{path}' not found{start}: check {key} in the config")
