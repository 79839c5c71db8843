"""Small files of text, refused in one line where they are something else."""

import os
from pathlib import Path

from expalign.limits import Limit
from expalign.utils.file_kinds import describe_content, special_kind


def read_text(path: str | Path, limit: Limit) -> str:
    """The content of a text file in UTF-8, without a byte order mark.

    Args:
        path: the file.
        limit: of its bytes.

    Raises:
        FileNotFoundError: it does not exist.
        ValueError: it is a pipe, a device or a folder, larger than ``limit``, or no text in UTF-8;
            the message has the file and the line.
    """
    kind = special_kind(path)
    if kind is not None:
        raise ValueError(f"'{path}' is {kind}")
    limit.check(os.stat(path).st_size, f"'{path}'")
    content = Path(path).read_bytes()
    try:
        text = content.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        text, place, what = None, error.start, f'byte {content[error.start]:#04x} is not UTF-8'
    else:
        place, what = text.find('\0'), 'a zero byte'
        if place < 0:
            return text
    line = (content if text is None else text.encode()).count(b'\n', 0, place) + 1
    kind = describe_content(content[:512], len(content))
    raise ValueError(
        f"'{path}', line {line}: {what}; the file is {kind}. Save it as text in UTF-8")
