"""What is read of an upload: photographs, and nothing that takes all memory or time."""

import io
import os
import struct
import time
import zlib

import numpy as np
import PIL.Image
import pytest

from expalign.apis.web.photographs import MAX_SCANS, PhotographError, decode, read_file


def encoded(kind='PNG', size=(30, 20), mode='RGB', **options):
    PIL.Image.new(mode, size).save(buffer := io.BytesIO(), kind, **options)
    return buffer.getvalue()


def png(width, height, *chunks):
    """A PNG whose header states a size, with chunks of its own behind."""
    header = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    parts = [(b'IHDR', header), *chunks, (b'IDAT', zlib.compress(b'')), (b'IEND', b'')]
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))
        for name, data in parts)


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP'])
def test_photographs(kind):
    assert decode(encoded(kind)).shape == (20, 30, 3)


def test_modes_and_orientation():
    for mode in ('L', 'P', 'RGBA', '1', 'I;16', 'LA'):
        pixels = decode(encoded(mode=mode))
        assert pixels.shape == (20, 30, 3) and pixels.dtype == np.uint8
    assert decode(encoded('JPEG', mode='CMYK')).shape == (20, 30, 3)
    exif = PIL.Image.Exif()
    exif[274] = 6  # the camera was turned by 90 degrees
    assert decode(encoded('JPEG', exif=exif)).shape == (30, 20, 3)


@pytest.mark.parametrize(('content', 'message'), [
    (b'', 'is empty'), (b'no image', 'cannot be read'),
    (b'<svg xmlns="http://www.w3.org/2000/svg"/>', 'cannot be read'),
    (encoded('GIF', mode='P'), 'is a GIF image'), (encoded('TIFF'), 'is a TIFF image'),
    (encoded('BMP'), 'is a BMP image'), (encoded('PNG')[:50], 'cannot be read'),
    (encoded('JPEG')[:300], 'cannot be read'), (encoded('WEBP')[:40], 'cannot be read'),
    (b'%PDF-1.4\n' + encoded('PNG'), 'cannot be read'), (b'P6 9 9 255 ' + bytes(300), 'cannot be'),
    (png(100_000, 100_000), 'has too many pixels; 25 million are the limit'),
    (png(5001, 5000), 'has 5001 x 5000 pixels'), (png(0, 5), 'cannot be read'),
    (png(2**31 - 1, 1), 'too many pixels'),
    (encoded('JPEG') + b'\xff\xda' * (MAX_SCANS + 1), 'takes too long to read')])
def test_what_is_no_photograph(content, message):
    with pytest.raises(PhotographError, match=message):
        decode(content)


def test_compressed_texts_in_a_png():
    """100 MB of zeros in 100 kB."""
    text = b'Comment\0\0' + zlib.compress(bytes(100 * 2**20))
    started = time.monotonic()
    with pytest.raises(PhotographError, match='cannot be read as an image'):
        decode(png(30, 20, (b'zTXt', text)))
    assert time.monotonic() - started < 5


def test_a_page_behind_a_photograph():
    """Of a file that is two things the photograph is read."""
    assert decode(encoded('PNG') + b'<script>alert(1)</script>').shape == (20, 30, 3)


def test_files(tmp_path, monkeypatch):
    (tmp_path / 'a.png').write_bytes(encoded())
    assert read_file(tmp_path / 'a.png') == encoded()
    (tmp_path / 'link.png').symlink_to(tmp_path / 'a.png')
    os.mkfifo(tmp_path / 'pipe.png')
    for path in ('link.png', 'pipe.png', 'absent.png', '.', '/dev/zero', 'a\0'):
        with pytest.raises(PhotographError):
            read_file(f'{tmp_path}/{path}' if path[0] != '/' else path)
    monkeypatch.setenv('EXPALIGN_WEB_PHOTOGRAPH_BYTES', '50')
    with pytest.raises(PhotographError, match='bytes; 50 are the limit'):
        read_file(tmp_path / 'a.png')
