"""What a file is, in a few words, where it is not what its name or place claims."""

import os
import stat
from pathlib import Path

HEAD = 512  # bytes
MAGIC = (
    (b'version https://git-lfs', "a Git LFS pointer, not the file itself: fetch it with 'git lfs "
                                 "pull'"),
    (b'\x89PNG\r\n', 'a PNG image'),
    (b'\xff\xd8\xff', 'a JPEG image'),
    (b'GIF8', 'a GIF image'),
    (b'BM', 'a BMP image'),
    (b'II*\0', 'a TIFF image'),
    (b'MM\0*', 'a TIFF image'),
    (b'%PDF-', 'a PDF file'),
    (b'PK\x03\x04', 'a ZIP archive (which .pth, .npz and .docx files are too)'),
    (b'\x1f\x8b', 'a file compressed with gzip'),
    (b'BZh', 'a file compressed with bzip2'),
    (b'\xfd7zXZ', 'a file compressed with xz'),
    (b'\x28\xb5\x2f\xfd', 'a file compressed with zstd'),
    (b'\x89HDF', 'an HDF5 file'),
    (b'\x93NUMPY', 'an array of NumPy (.npy)'),
    (b'\x7fELF', 'a program'),
    (b'SQLite format 3', 'an SQLite data base'),
    (b'\xff\xfe', 'text in UTF-16'),
    (b'\xfe\xff', 'text in UTF-16'),
)
SPECIAL = (
    (stat.S_ISDIR, 'a folder'),
    (stat.S_ISFIFO, 'a pipe (FIFO), not a file'),
    (stat.S_ISSOCK, 'a socket, not a file'),
    (stat.S_ISCHR, 'a device, not a file'),
    (stat.S_ISBLK, 'a device, not a file'),
)


def special_kind(path: str | Path) -> str | None:
    """What ``path`` is if it is no regular file: a folder, a pipe, a device, a socket; else None.

    Such files may never end, or never begin. Links are followed; what does not exist is None.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):  # ValueError: a zero byte in the path
        return None
    return next((kind for test, kind in SPECIAL if test(mode)), None)


def describe_file(path: str | Path) -> str:
    """What a file is, such as ``'an HTML page (a failed download?)'``, by its first bytes.

    Never raises: of what cannot be read it says so.
    """
    kind = special_kind(path)
    if kind is not None:
        return kind
    try:
        with open(path, 'rb') as file:
            head, size = file.read(HEAD), os.fstat(file.fileno()).st_size
    except (OSError, ValueError) as error:
        return f'not readable ({getattr(error, "strerror", None) or error})'
    return describe_content(head, size)


def describe_content(head: bytes, size: int | None = None) -> str:
    """What a file is that starts with ``head`` and has ``size`` bytes (by default: of ``head``)."""
    size = len(head) if size is None else size
    if not size:
        return 'an empty file'
    if not head.strip(b'\0'):
        return 'a file of zero bytes (a torn write?)'
    if head[:4] == b'RIFF':
        return 'a WebP image' if head[8:12] == b'WEBP' else 'a RIFF file (audio or film)'
    if head[4:8] == b'ftyp':
        return 'an AVIF, HEIC or MP4 file'
    for start, kind in MAGIC:
        if head.startswith(start):
            return kind
    if head[:1] == b'\x80' and head[1:2] in b'\x02\x03\x04\x05':
        return 'a pickle of Python'
    if head[8:9] == b'{' and int.from_bytes(head[:8], 'little') < size:
        return 'a safetensors file'
    return _text(head, size)


def _text(head: bytes, size: int) -> str:
    try:
        text = head.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # not just a letter that the end of the head cuts
            return f'binary data ({size:,} bytes)'
        text = head[:error.start].decode('utf-8-sig')
    text = text.strip()
    if any(ord(letter) < 32 and letter not in '\t\n\r\f' for letter in text):
        return f'binary data ({size:,} bytes)'
    if text[:200].lower().startswith(('<!doctype html', '<html', '<head')):
        return 'an HTML page (a failed download, or a login page?)'
    if text.startswith('<'):
        return 'an XML file'
    if text[:1] in ('{', '['):
        return 'a JSON file'
    shown = text[:40] + ('...' if len(text) > 40 else '')
    return f'a text file that starts with {shown!r}'


def is_address(name: str | Path) -> bool:
    """Whether a name is an address, as in ``s3://bucket/a.jpg``, and no path."""
    return '://' in str(name)
