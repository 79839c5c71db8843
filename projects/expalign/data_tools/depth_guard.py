"""A file that refuses JSON with lists or objects too deep inside one another, as it is read.

The streaming reader keeps the path to where it is, so that its memory grows with the square of the
depth: gigabytes for 200 kB of brackets.
"""

import re
from typing import BinaryIO

import numpy as np

from expalign.limits import JSON_DEPTH

STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
REST_OF_STRING = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
NO_BRACKETS = bytes(i for i in range(256) if i not in b'[]{}')
STEPS = np.zeros(256, dtype=np.int64)
STEPS[[*b'[{']], STEPS[[*b']}']] = 1, -1
BOM = b'\xef\xbb\xbf'


class DepthGuard:
    """Reads a file through and checks its depth on the way; a byte order mark is left out.

    Args:
        file: opened for reading bytes.
        where: the file's name, for the message.

    Raises:
        LimitExceeded: from :meth:`read`, where the depth exceeds ``JSON_DEPTH``.
    """

    def __init__(self, file: BinaryIO, where: str) -> None:
        self._file, self._where = file, where
        self._depth = 0
        self._inside = False  # a string that the last part did not end
        self._kept = b''  # half an escape at the end of the last part
        self._start = True

    def read(self, size: int = -1) -> bytes:
        """As of the file."""
        content = self._file.read(size)
        if self._start and content:
            self._start = False
            # Of a size of 0, with which readers ask what read() gives, nothing is known yet.
            content = content.removeprefix(BOM) or self._file.read(size)
        self._check(content)
        return content

    def _check(self, content: bytes) -> None:
        brackets = self._without_strings(self._kept + content).translate(None, NO_BRACKETS)
        if not brackets:
            return
        depths = self._depth + np.cumsum(STEPS[np.frombuffer(brackets, dtype=np.uint8)])
        self._depth = int(depths[-1])
        JSON_DEPTH.check(int(depths.max()), self._where)

    def _without_strings(self, content: bytes) -> bytes:
        """What lies outside of strings; keeps in mind whether the end is inside of one."""
        self._kept = b''
        if self._inside:
            end = REST_OF_STRING.match(content).end()
            self._inside = content[end:end + 1] != b'"'
            if self._inside:
                self._kept = content[end:]
                return b''
            content = content[end + 1:]
        outside, quote, rest = STRING.sub(b'', content).partition(b'"')
        if quote:
            self._inside = True
            self._kept = rest[REST_OF_STRING.match(rest).end():]
        return outside
