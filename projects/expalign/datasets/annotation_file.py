"""Checks of an annotation file: that it exists, and that it is in COCO format."""

import os

from mmengine.fileio import exists


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
    start = '' if os.path.isabs(path) or '://' in path else f' (from the folder {os.getcwd()})'
    raise FileNotFoundError(
        f"annotation file '{path}' not found{start}: check {key} in the config")


def check_coco_format(content: object, path: str) -> None:
    """Raise ``ValueError`` if ``content``, read from ``path``, lacks a part of COCO's format."""
    if not isinstance(content, dict):
        raise ValueError(
            f"annotation file '{path}' is not in COCO format: it holds a {type(content).__name__}")
    missing = [key for key in ('images', 'annotations', 'categories') if key not in content]
    if missing:
        raise ValueError(
            f"annotation file '{path}' is not in COCO format: it has no {', '.join(missing)}")
