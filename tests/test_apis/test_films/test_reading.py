"""Films that are read: every container and codec, their times, what is damaged in them."""

import os
import random
import struct
from fractions import Fraction

import av
import numpy as np
import PIL.Image
import pytest

from expalign.apis.films.writer import KINDS, FilmWriter
from expalign.apis.video import VideoFrames
from expalign.limits import LimitExceeded
from tests.helpers.films import SIZE, picture, write_film

FRAMES = 10


def corner_and_greys(frames, tolerance=6):
    """Frames are BGR with red at the top left, and tell their numbers."""
    for frame in frames:
        assert frame.pixels.dtype == np.uint8
        np.testing.assert_allclose(frame.pixels[-4:, -4:].mean(), 10 * frame.index, atol=tolerance)
        np.testing.assert_allclose(frame.pixels[4, 4], (0, 0, 255), atol=30)


@pytest.mark.parametrize(('name', 'codec', 'pixels', 'told'), [
    ('a.mp4', 'libx264', 'yuv420p', 'h264'), ('a.mkv', 'libx264', 'yuv444p', 'h264'),
    ('ten_bits.mp4', 'libx265', 'yuv420p10le', 'hevc'), ('a.webm', 'libvpx-vp9', 'yuv420p', 'vp9'),
    ('a.webm', 'libvpx', 'yuv420p', 'vp8'), ('a.mkv', 'libsvtav1', 'yuv420p', 'av1'),
    ('alpha.mov', 'prores_ks', 'yuva444p10le', 'prores'), ('alpha.mov', 'png', 'rgba', 'png'),
    ('a.avi', 'mjpeg', 'yuvj420p', 'mjpeg'), ('a.avi', 'mpeg4', 'yuv420p', 'mpeg4'),
    ('a.avi', 'rawvideo', 'bgr24', 'rawvideo'), ('a.ts', 'libx264', 'yuv420p', 'h264'),
    ('a.wmv', 'wmv2', 'yuv420p', 'wmv2'), ('a.flv', 'flv', 'yuv420p', 'flv'),
    ('a.apng', 'apng', 'rgb24', 'apng'),
])
def test_codecs(tmp_path, name, codec, pixels, told):
    options = {'x265-params': 'log-level=none'} if codec == 'libx265' else {}
    film = VideoFrames(write_film(tmp_path / name, codec, pixels=pixels, **options))
    assert (film.codec, film.size, film.fps) == (told, SIZE, 10)
    frames = list(film.frames())
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(FRAMES) / 10, atol=0.002)
    corner_and_greys(frames)
    assert film.summary() == '10 frames read, 0 could not be decoded'
    assert film.complete


@pytest.mark.parametrize(('name', 'codec', 'pixels'), [
    ('odd.mkv', 'libx264', 'yuv444p'), ('odd.webm', 'libvpx-vp9', 'yuv420p'),
    ('grey.mkv', 'ffv1', 'gray')])
def test_odd_sizes_and_grey(tmp_path, name, codec, pixels):
    film = VideoFrames(write_film(tmp_path / name, codec, 3, (33, 17), pixels=pixels))
    assert film.size == (33, 17)
    assert [frame.pixels.shape for frame in film.frames()] == 3 * [(17, 33, 3)]


def test_times_of_a_variable_rate(tmp_path):
    times = [0, 0.1, 0.15, 2, 2.05, 5]
    film = VideoFrames(write_film(tmp_path / 'a.mkv', times=times))
    frames = list(film.frames())
    np.testing.assert_allclose([frame.time for frame in frames], times, atol=0.001)
    corner_and_greys(frames)
    assert film.complete


def test_times_begin_at_zero_and_never_go_back(tmp_path):
    """Joined recordings go back in time; the second one follows the first."""
    one, two = (write_film(tmp_path / f'{name}.ts', fps=10).read_bytes() for name in 'ab')
    joined = tmp_path / 'joined.ts'
    joined.write_bytes(one + two)
    times = [frame.time for frame in VideoFrames(joined).frames()]
    assert times[0] == 0 and len(times) >= 2 * FRAMES - 1
    assert (np.diff(times) > 0).all()


@pytest.mark.parametrize(('matrix', 'turn'), [
    ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
    ((-1, 0, 0, -1), lambda image: image[::-1, ::-1]),
    ((0, -1, 1, 0), np.rot90),
    ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
    ((1, 0, 0, -1), lambda image: image[::-1]),
    ((0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),
])
def test_films_are_upright(tmp_path, matrix, turn):
    """As telephones write them: lying frames and a matrix that turns them."""
    path = write_film(tmp_path / 'a.mp4', frames=2)
    (lying, _) = VideoFrames(path)
    content = path.read_bytes()
    start = content.index(b'tkhd') + 4 + 40  # the matrix of version 0: 16.16 and 2.30 numbers
    a, b, c, d = (value << 16 for value in matrix)
    path.write_bytes(content[:start] + struct.pack('>9i', a, b, 0, c, d, 0, 0, 0, 1 << 30)
                     + content[start + 36:])
    film = VideoFrames(path)
    expected = turn(lying)
    assert film.size == expected.shape[1::-1]
    np.testing.assert_array_equal(next(iter(film)), expected)


def test_pixels_that_are_not_square(tmp_path):
    """Their form is kept for what is written; turned films have it turned."""
    path = write_film(tmp_path / 'a.mp4', frames=2, aspect='4/3')
    assert VideoFrames(path).aspect == Fraction(4, 3)


def test_animations(tmp_path):
    """GIF and WebP, each frame for its own time."""
    images = [PIL.Image.fromarray(picture(index)) for index in range(4)]
    durations = [100, 500, 100, 700]
    for name in ('a.gif', 'a.webp'):
        images[0].save(tmp_path / name, save_all=True, append_images=images[1:],
                       duration=durations)
        film = VideoFrames(tmp_path / name)
        frames = list(film.frames())
        np.testing.assert_allclose([frame.time for frame in frames], [0, 0.1, 0.6, 0.7], atol=1e-6)
        np.testing.assert_allclose(film.end, 1.4, atol=1e-6)
        corner_and_greys(frames)
        assert film.complete


def test_a_still_image_is_a_film_of_one_frame(tmp_path):
    PIL.Image.fromarray(picture(5)).save(tmp_path / 'a.png')
    assert len(list(VideoFrames(tmp_path / 'a.png').frames())) == 1
    one = VideoFrames(write_film(tmp_path / 'one.mp4', frames=1))
    assert [frame.time for frame in one.frames()] == [0.0]
    assert (one.end, one.complete) == (0.1, True)


@pytest.mark.parametrize('name', ['100%03d.mp4', 'a:b.mp4', '-a.mp4', 'pipe:.mp4'])
def test_letters_of_names_mean_nothing(tmp_path, name):
    assert len(list(VideoFrames(write_film(tmp_path / 'a.mp4').rename(tmp_path / name)))) == FRAMES


@pytest.mark.parametrize('name', ['a.mkv', 'a.mp4', 'a.avi'])
def test_a_title_that_is_no_unicode(tmp_path, name):
    path = write_film(tmp_path / name, title='caf_', sound='aac')
    assert b'caf_' in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(b'caf_', b'caf\xe9'))
    assert len(list(VideoFrames(path).frames())) == FRAMES
    target = tmp_path / 'b.mkv'
    writer = FilmWriter(target, KINDS['.mkv'], SIZE, 10, sound_of=str(path))
    writer.write(picture(0), 0)
    writer.close(1.0)
    assert writer.summary().startswith('its sound (aac')


def damaged(path, seed=0, size=300):
    """Random bytes in the middle of the frames."""
    content, chance = bytearray(path.read_bytes()), random.Random(seed)
    start = content.find(b'mdat') if path.suffix == '.mp4' else 0
    end = content.find(b'moov') if path.suffix == '.mp4' else len(content)
    middle = (start + end) // 2
    content[middle:middle + size] = chance.randbytes(size)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize('name', ['a.mp4', 'a.mkv', 'a.ts', 'a.webm'])
@pytest.mark.parametrize('seed', range(3))
def test_damage_in_the_middle_is_told(tmp_path, name, seed):
    codec = 'libvpx-vp9' if name.endswith('webm') else 'libx264'
    path = write_film(tmp_path / name, codec, 40, (160, 128), **(
        {'g': '8'} if codec == 'libx264' else {'lag-in-frames': '0', 'g': '8'}))
    film = VideoFrames(damaged(path, seed, path.stat().st_size // 5))
    frames = list(film.frames())
    assert 0 < len(frames) <= 40
    assert film.complete == (film.summary() == f'{len(frames)} frames read, 0 could not be decoded')
    assert not film.complete


def test_what_is_cut_off(tmp_path):
    whole = write_film(tmp_path / 'a.webm', 'libvpx-vp9', 40, (160, 128))
    whole.write_bytes(whole.read_bytes()[:whole.stat().st_size // 2])
    film = VideoFrames(whole)
    read = len(list(film))
    assert 0 < read < 40
    assert f'{read} frames read, 0 could not be decoded; the file states 4.0 s' in film.summary()
    assert film.cut_off and not film.complete


@pytest.mark.parametrize(('content', 'message'), [
    (b'', 'it is damaged, incomplete or not a video'),
    (b'no video', 'it is damaged, incomplete or not a video'),
    (b'# A page\n' * 200, 'not a video|has no pictures'),
])
def test_no_film(tmp_path, content, message):
    path = tmp_path / 'a.mp4'
    path.write_bytes(content)
    with pytest.raises(OSError, match=rf'cannot read video .*a\.mp4: .*({message})'):
        VideoFrames(path)


def test_special_files(tmp_path):
    os.mkfifo(tmp_path / 'pipe.mp4')
    for path, kind in ((tmp_path, 'a folder'), (tmp_path / 'pipe.mp4', 'a pipe')):
        with pytest.raises(OSError, match=f'cannot read video .*: it is {kind}'):
            VideoFrames(path)


def test_without_its_index_a_film_cannot_be_read(tmp_path):
    path = write_film(tmp_path / 'a.mp4')
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
    with pytest.raises(OSError, match=r'cannot read video .*a\.mp4: it is damaged, incomplete'):
        VideoFrames(path)


def test_no_frame_that_can_be_decoded_names_the_codec(tmp_path):
    path = write_film(tmp_path / 'a.mkv', 'libsvtav1', 3)
    content = bytearray(path.read_bytes())
    start = content.index(b'\x1f\x43\xb6\x75')  # the cluster with the frames
    for place in range(start + 30, len(content) - 60):
        content[place] ^= 0x5a
    path.write_bytes(content)
    with pytest.raises(OSError, match=r'no frame of video .*a\.mkv can be .* its codec is av1'):
        VideoFrames(path)


@pytest.mark.parametrize('name', ['a.mkv', 'a.mp4', 'a.avi', 'a.webm'])
def test_a_film_without_frames(tmp_path, name):
    codec = 'libvpx-vp9' if name == 'a.webm' else 'libx264'
    path = write_film(tmp_path / name, codec, frames=0)
    says = rf'{name}( can be decoded: its codec is|: it has no (frames|pictures))'
    with pytest.raises(OSError, match=says):
        VideoFrames(path)


def test_sound_alone(tmp_path):
    with av.open(str(tmp_path / 'a.m4a'), 'w') as container:
        stream = container.add_stream('aac', rate=48_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), 'fltp', 'mono')
        frame.sample_rate = 48_000
        container.mux(stream.encode(frame) + stream.encode(None))
    with pytest.raises(OSError, match=r'a\.m4a: it has no pictures, sound alone \(aac\)'):
        VideoFrames(tmp_path / 'a.m4a')


def test_a_cover_is_no_film(tmp_path):
    """A record's picture is no stream of pictures."""
    path = tmp_path / 'a.mp4'
    with av.open(str(path), 'w') as container:
        cover = container.add_stream('png', rate=1)
        cover.width, cover.height, cover.pix_fmt = *SIZE, 'rgb24'
        cover.disposition = cover.disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(picture(0), format='rgb24')
        frame.pts = 0
        container.mux(cover.encode(frame))
        container.mux(cover.encode(None))
    with pytest.raises(OSError, match=r'a\.mp4: it has no pictures'):
        VideoFrames(path)


def test_large_frames_are_refused_before_they_take_memory(tmp_path, monkeypatch):
    monkeypatch.setenv('EXPALIGN_MAX_IMAGE_PIXELS', '3000')
    path = write_film(tmp_path / 'a.mp4')
    with pytest.raises(LimitExceeded, match=r'a\.mp4 claims frames of 64 x 48: 3,072 pixels'):
        VideoFrames(path)
