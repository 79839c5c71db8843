"""Checkpoints that appear complete or not at all."""

from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from expalign.utils.finished_file import finished_file

WHOLE_FILES = dict(backend='expalign.WholeFileBackend')


class WholeFileBackend(LocalBackend):
    """mmengine's local files, except that a file is written beside its name and then renamed.

    A run that is killed while it saves leaves the older file of that name as it was.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes to a file; folders on the way are made."""
        with finished_file(filepath) as temporary:
            temporary.write_bytes(obj)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        """Write text to a file; folders on the way are made."""
        self.put(obj.encode(encoding), filepath)


register_backend(WHOLE_FILES['backend'], WholeFileBackend, force=True)
