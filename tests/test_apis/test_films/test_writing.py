"""Films that are written: as browsers play them, with the times and the sound of the film."""

import math
from fractions import Fraction

import av
import numpy as np
import pytest

from expalign.apis.films.writer import KINDS, FilmWriter, check_film_name
from expalign.apis.video import VideoFrames
from tests.helpers.films import described, picture, write_film

CODECS = {'.mp4': 'h264', '.mkv': 'h264', '.webm': 'vp9'}


def copied(source, target, every=1, seconds=math.inf):
    """Write the frames of a film again; what the writer says of it."""
    film = VideoFrames(source)
    writer = FilmWriter(target, KINDS[target.suffix], film.size, film.fps / every, film.aspect,
                        str(source))
    for frame in film.frames():
        if frame.time >= seconds:
            break
        if frame.index % every == 0:
            writer.write(frame.pixels[..., ::-1], frame.time)
    writer.close(min(film.end, seconds), whole=seconds == math.inf)
    return writer.summary()


@pytest.mark.parametrize('suffix', KINDS)
def test_what_browsers_play(tmp_path, suffix):
    copied(write_film(tmp_path / 'a.mkv', 'ffv1', 20), target := tmp_path / f'b{suffix}')
    told = described(target)
    assert told['codecs'] == [CODECS[suffix]]
    np.testing.assert_allclose(told['times'], np.arange(20) / 10, atol=0.002)
    assert told['seconds'] == pytest.approx(2.0, abs=0.01)
    film = VideoFrames(target)
    for index, frame in enumerate(film):
        np.testing.assert_allclose(frame[30:, 40:].mean((0, 1)), 3 * [10 * index], atol=4)
        np.testing.assert_allclose(frame[4:12, 4:12].mean((0, 1)), (0, 0, 255), atol=12)
    if suffix == '.mp4':  # its index is in front, so that it plays while it is fetched
        content = target.read_bytes()
        assert content.index(b'moov') < content.index(b'mdat')


@pytest.mark.parametrize('suffix', KINDS)
@pytest.mark.parametrize('times', [[0, 0.1, 0.15, 2, 2.05, 5], [0, 30, 60], [0.5, 0.6, 4]])
def test_times_of_a_variable_rate(tmp_path, suffix, times):
    source = write_film(tmp_path / 'a.mp4', times=times, bf='0')
    copied(source, target := tmp_path / f'b{suffix}')
    told, wanted = described(target), described(source)
    np.testing.assert_allclose(told['times'], np.subtract(times, times[0]), atol=0.002)
    assert told['seconds'] == pytest.approx(VideoFrames(source).length, abs=0.1)
    assert told['seconds'] == pytest.approx(wanted['seconds'], abs=0.1)


@pytest.mark.parametrize('suffix', KINDS)
def test_every_third_frame_keeps_the_length(tmp_path, suffix):
    copied(write_film(tmp_path / 'a.mp4', frames=20), target := tmp_path / f'b{suffix}', every=3)
    told = described(target)
    np.testing.assert_allclose(told['times'], np.arange(0, 20, 3) / 10, atol=0.002)
    assert told['seconds'] == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize('suffix', KINDS)
@pytest.mark.parametrize('size', [(33, 17), (32, 17), (1, 1), (2, 2)])
def test_odd_sizes(tmp_path, suffix, size):
    """An odd side of H.264 gets its last row or column twice: pixels keep their places."""
    writer = FilmWriter(tmp_path / 'a', KINDS[suffix], size, 10)
    for index in range(3):
        writer.write(picture(index, size), index / 10)
    writer.close(0.3)
    even = tuple(side + side % 2 if suffix != '.webm' else side for side in size)
    told = described(tmp_path / 'a')
    assert (told['size'], len(told['times'])) == (even, 3)


@pytest.mark.parametrize(('encoder', 'source', 'suffix', 'codecs', 'said'), [
    ('aac', 'a.mp4', '.mp4', ['h264', 'aac'], 'its sound (aac) is copied'),
    ('libopus', 'a.mkv', '.webm', ['vp9', 'opus'], 'its sound (opus) is copied'),
    ('libopus', 'a.mkv', '.mp4', ['h264', 'opus'], 'its sound (opus) is copied'),
    ('aac', 'a.ts', '.mp4', ['h264', 'aac'], 'its sound (aac) is copied'),
    ('pcm_s16le', 'a.mkv', '.mkv', ['h264', 'pcm_s16le'], 'its sound (pcm_s16le) is copied'),
    ('aac', 'a.mp4', '.webm', ['vp9'],
     'its sound (aac) is left out, which such a file cannot hold: .mkv can'),
    ('pcm_s16le', 'a.mkv', '.mp4', ['h264'],
     'its sound (pcm_s16le) is left out, which such a file cannot hold: .mkv can'),
])
def test_sound(tmp_path, encoder, source, suffix, codecs, said):
    source = write_film(tmp_path / source, frames=20, sound=encoder)
    target = tmp_path / f'b{suffix}'
    assert copied(source, target) == said
    told, before = described(target), described(source)
    assert told['codecs'] == codecs
    assert told['seconds'] == pytest.approx(before['seconds'], abs=0.1)
    if 'copied' in said and source.suffix != '.ts':  # whose pieces have heads of their own
        assert told['sound'] == before['sound'] > 0


def test_damaged_sound_is_left_out(tmp_path):
    """Browsers end a film at the first piece of sound that cannot be decoded."""
    source = write_film(tmp_path / 'a.mp4', frames=30, sound='aac')
    with av.open(str(source)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(audio=0) if packet.size]
    content = bytearray(source.read_bytes())
    for place, size in packets[20:25]:
        content[place:place + size] = b'\xff' * size
    source.write_bytes(content)
    said = copied(source, tmp_path / 'b.mp4')
    assert said == 'its sound (aac) is copied, 5 pieces of it are damaged and left out'
    with av.open(str(tmp_path / 'b.mp4')) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) > 48_000
        assert container.duration / 1e6 == pytest.approx(3.0, abs=0.1)


def test_sound_ends_where_the_search_was_stopped(tmp_path):
    source = write_film(tmp_path / 'a.mp4', frames=30, sound='aac')
    copied(source, tmp_path / 'b.mp4', seconds=1.0)
    assert described(tmp_path / 'b.mp4')['seconds'] == pytest.approx(1.0, abs=0.05)


def test_frames_of_another_size(tmp_path):
    writer = FilmWriter(tmp_path / 'a', KINDS['.mp4'], (64, 48), 10)
    for index, size in enumerate([(64, 48), (32, 24), (128, 96)]):
        writer.write(picture(index, size), index / 10)
    writer.close(0.3)
    assert writer.summary() == '2 frames of another size are scaled'
    assert [frame.shape for frame in VideoFrames(tmp_path / 'a')] == 3 * [(48, 64, 3)]


def test_pixels_that_are_not_square(tmp_path):
    writer = FilmWriter(tmp_path / 'a', KINDS['.mp4'], (64, 48), 10, Fraction(4, 3))
    writer.write(picture(0), 0)
    writer.close(0.1)
    assert VideoFrames(tmp_path / 'a').aspect == Fraction(4, 3)


@pytest.mark.parametrize('name', ['a.avi', 'a.jpg', 'a', 'mp4', 'a.MP3'])
def test_names_that_say_no_kind(name):
    with pytest.raises(ValueError, match=rf'{name}: a film is written as \.mp4 \(H\.264\), \.webm'):
        check_film_name(name)


def test_what_cannot_be_written(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match='frames of 20000 x 10 are larger than'):
        FilmWriter(tmp_path / 'a', KINDS['.mp4'], (20_000, 10), 10)
    kind = KINDS['.mp4']._replace(encoders=('nothing',))
    with pytest.raises(OSError, match='none of the encoders nothing'):
        FilmWriter(tmp_path / 'a', kind, (32, 32), 10)
    writer = FilmWriter(tmp_path / 'absent' / 'a', KINDS['.mp4'], (32, 32), 10)
    writer.write(picture(0, (32, 32)), 0)
    with pytest.raises(OSError, match=r'cannot write .*absent.*: no such file'):
        writer.close(0.1)
