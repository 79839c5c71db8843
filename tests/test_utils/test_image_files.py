"""Image files of every format: turned as viewers turn them, refused with a reason."""

import io
import os
import struct

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from expalign.datasets.bad_samples import BadImage
from expalign.datasets.transforms import LoadImageFromFile
from expalign.runtime.preprocess import read_image
from expalign.utils import image_files
from expalign.utils.image_files import (
    ImageHead,
    OtherSize,
    UnreadableImage,
    decode,
    read_content,
    read_head,
)

FORMATS = ('jpg', 'png', 'webp', 'avif', 'tiff')


def photograph(width=64, height=48):
    """Smooth, so that a lossy format changes little, and without any symmetry."""
    noise = np.random.default_rng(0).integers(0, 255, (3, 4, 3), dtype=np.uint8)
    return Image.fromarray(cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR))


def save(path, orientation=None, **kwargs):
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    photograph().save(path, exif=exif, quality=95, **kwargs)
    return path


def head_of(path):
    with open(path, 'rb') as file:
        return read_head(file)


@pytest.mark.parametrize('suffix', FORMATS)
@pytest.mark.parametrize('orientation', range(1, 9))
def test_every_format_is_turned_as_pillow_turns_it(suffix, orientation, tmp_path):
    path = save(tmp_path / f'a.{suffix}', orientation)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert('RGB')).astype(int)
    size = expected.shape[1::-1]
    assert size == ((48, 64) if orientation > 4 else (64, 48))
    loaded = LoadImageFromFile().transform(dict(img_path=str(path)))['img']
    assert loaded.shape == expected.shape
    assert np.abs(loaded[..., ::-1] - expected).mean() < 3  # decoders round differently
    assert (loaded == read_image(path)).all()
    head = head_of(path)
    assert (head.size, head.stored_size, head.orientation) == (size, (64, 48), orientation)
    # Annotated as stored: not turned, where the size tells.
    content = path.read_bytes()
    stored = decode(content, annotated=(64, 48))
    upright = np.asarray(photograph()).astype(int)
    if orientation > 4:
        assert np.abs(stored[..., ::-1] - upright).mean() < 3
    assert (decode(content, annotated=size) == loaded).all()
    with pytest.raises(OtherSize, match=f'it is {size[0]} x {size[1]} pixels'):
        decode(content, annotated=(64, 49))


@pytest.mark.parametrize('suffix, kwargs', [
    ('jpg', {}), ('jpg', dict(progressive=True, comment=b'a tree' * 20)), ('mpo', {})])
def test_a_damaged_head_turns_as_pillow_turns_it(suffix, kwargs, tmp_path):
    """Wherever the orientation still stands, and whatever stands around it."""
    content = save(tmp_path / f'a.{suffix}', 6, **kwargs).read_bytes()
    generator, orientations = np.random.default_rng(0), []
    for _ in range(250):
        damaged = bytearray(content)
        for place in generator.integers(2, 700, 2):
            damaged[place] = generator.integers(256)
        head = read_head(io.BytesIO(damaged))
        expected = image_files._head_by_pillow(io.BytesIO(damaged))
        if head is not None and expected is not None:
            assert head.orientation == expected.orientation
            orientations.append(head.orientation)
    assert len(orientations) > 100 and {1, 6} <= set(orientations)


def test_the_head_of_a_large_jpeg_ends_at_its_pixels():
    """No mark of an orientation among the pixels is looked for."""
    file = io.BytesIO()
    photograph(900, 700).save(file, 'jpeg')
    content = file.getvalue()
    start = content.index(b'\xff\xda')
    with_mark = content[:-2] + b'Exif' + content[-2:]
    for found in (content, with_mark):
        file = io.BytesIO(found)
        assert read_head(file) == ImageHead(900, 700, 1)
        assert file.tell() == start + 4  # behind the marker and its length


@pytest.mark.parametrize('suffix', [*FORMATS, 'bmp', 'gif', 'ppm', 'jp2'])
def test_heads_and_missing_ends(suffix, tmp_path):
    path = tmp_path / f'a.{suffix}'
    photograph(90, 70).save(path)
    assert head_of(path) == ImageHead(90, 70, 1)
    content = path.read_bytes()
    assert decode(content).shape == decode(content + b'\0' * 100).shape == (70, 90, 3)
    for part in (content[:-2], content[:len(content) // 2], content[:40]):
        with pytest.raises(UnreadableImage, match='damaged, incomplete or not an image'):
            decode(part)


def test_a_whole_tiff_that_opencv_does_not_read(tmp_path):
    photograph(90, 70).convert('F').save(tmp_path / 'a.tif')
    with pytest.raises(UnreadableImage, match='a TIFF image; OpenCV reads those of 8 and 16 bits'):
        decode((tmp_path / 'a.tif').read_bytes())


def claimed(width, height):
    """The head of a PNG file of this size, and hardly more."""
    data = b'IHDR' + struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + struct.pack('>I', 13) + data + b'\0\0\0\0' * 9


def test_bombs_are_refused_by_their_head(monkeypatch):
    with pytest.raises(UnreadableImage, match=(
            'claims to be 100000 x 100000: 10,000,000,000 pixels, more than the limit of '
            '1,073,741,824. .*EXPALIGN_MAX_IMAGE_PIXELS')):
        decode(claimed(100_000, 100_000))
    with pytest.raises(OtherSize):  # before its pixels are asked for
        decode(claimed(30_000, 30_000), annotated=(640, 480))
    buffer = io.BytesIO()
    photograph().save(buffer, 'PNG')
    monkeypatch.setenv('EXPALIGN_MAX_IMAGE_PIXELS', '3000')
    with pytest.raises(UnreadableImage, match='64 x 48: 3,072 pixels, .* limit of 3,000'):
        decode(buffer.getvalue())


def test_more_pixels_than_pillow_opens(tmp_path):
    Image.new('1', (14000, 13000), 1).save(tmp_path / 'tile.png')
    assert head_of(tmp_path / 'tile.png').size == (14000, 13000)


@pytest.mark.parametrize(('content', 'words'), [
    (b'version https://git-lfs.github.com/spec/v1\n', 'it is a Git LFS pointer'),
    (b'<!DOCTYPE html><html>', 'it is an HTML page'),
    (b'hello', "it is a text file that starts with 'hello'"),
])
def test_what_a_file_is_instead(content, words, tmp_path):
    (tmp_path / 'a.jpg').write_bytes(content)
    with pytest.raises(BadImage, match=f"cannot read image '.*a.jpg': .*{words}"):
        LoadImageFromFile().transform(dict(img_path=str(tmp_path / 'a.jpg')))
    with pytest.raises(OSError, match=f"cannot read image '.*a.jpg': .*{words[6:]}"):
        read_image(tmp_path / 'a.jpg')


def test_special_files_are_not_read(tmp_path):
    os.mkfifo(tmp_path / 'pipe.jpg')
    os.symlink('/dev/zero', tmp_path / 'zero.jpg')
    for name, words in (('pipe.jpg', 'it is a pipe'), ('zero.jpg', 'it is a device')):
        for backend_args in (None, dict(backend='local')):
            with pytest.raises(BadImage, match=f"cannot read image '.*{name}': {words}"):
                LoadImageFromFile(backend_args=backend_args).transform(
                    dict(img_path=str(tmp_path / name)))
        with pytest.raises(OSError, match=words):
            read_image(tmp_path / name)


def test_files_of_too_many_bytes(tmp_path, monkeypatch):
    path = tmp_path / 'a.jpg'
    with open(path, 'wb') as file:
        file.truncate(2**40)  # takes no space
    with pytest.raises(UnreadableImage, match='1,099,511,627,776 bytes .*MAX_IMAGE_BYTES'):
        read_content(path)
