"""Cameras and streams over the loop-back: times, breaks, what comes too fast, how they end."""

import threading
import time

import cv2
import numpy as np
import pytest

from expalign.apis.films import live
from expalign.apis.films.live import Camera, LiveFrames
from expalign.apis.films.sources import name_of, open_source
from expalign.apis.video import VideoFrames
from tests.helpers.film_servers import http_stream, jpeg, photographs, rtsp_stream
from tests.helpers.films import SIZE, picture, write_film

FRAMES = 10


@pytest.fixture(scope='module')
def transport(tmp_path_factory):
    """A transport stream of ten frames in pieces."""
    return write_film(tmp_path_factory.mktemp('live') / 'a.ts', g='5', tune='zerolatency')


def pieces(path):
    content = path.read_bytes()
    return [content[start:start + 7 * 188] for start in range(0, len(content), 7 * 188)]


def greys(frames):
    return [round(frame.pixels[-4:, -4:].mean() / 10) for frame in frames]


def test_a_stream_without_an_end(transport):
    with http_stream(pieces(transport), 'video/mp2t', 0.01) as address:
        film = open_source(address, patience=0.2)
        assert isinstance(film, LiveFrames) and film.live and len(film) == 0
        frames = list(film.frames())
    assert (film.codec, film.size, film.fps) == ('h264', SIZE, 10)
    assert greys(frames) == list(range(FRAMES))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(FRAMES) / 10, atol=1e-3)
    assert film.end == pytest.approx(1.0)
    assert film.summary() == '10 frames read, 0 could not be decoded'


def test_a_line_that_breaks_is_taken_up_again(transport):
    with http_stream(pieces(transport), 'video/mp2t', 0.01, connections=2) as address:
        film = open_source(address, patience=1.0)
        frames = list(film.frames())
    assert greys(frames) == 2 * list(range(FRAMES))
    assert film.summary().endswith('the line broke and was taken up again 1 times')
    times = [frame.time for frame in frames]
    assert (np.diff(times) > 0).all() and times[FRAMES] >= 0.99
    assert [frame.index for frame in frames] == list(range(2 * FRAMES))


def test_photographs_have_the_times_at_which_they_arrive():
    parts = photographs([jpeg(picture(index)) for index in range(6)])
    with http_stream(parts, 'multipart/x-mixed-replace; boundary=b', 0.1) as address:
        film = open_source(address, patience=0.1)
        frames = list(film.frames())
    assert film.codec == 'mjpeg' and greys(frames)[-1] == 5
    assert 0.2 < frames[-1].time < 3


def test_rtsp(transport):
    with rtsp_stream(transport) as address:
        film = open_source(address, patience=0.1)
        frames = list(film.frames())
    # The last one is whole only when the next one begins.
    assert isinstance(film, LiveFrames) and greys(frames) == list(range(FRAMES - 1))
    np.testing.assert_allclose(
        [frame.time for frame in frames], np.arange(FRAMES - 1) / 10, atol=1e-3)


@pytest.mark.parametrize('name', ['a.mp4', 'a.ts'])
def test_the_address_of_a_film_is_a_film(tmp_path, name):
    """It has a size: all frames are searched, however long that takes."""
    content = write_film(tmp_path / name, g='5').read_bytes()
    with http_stream([content], 'video/any', connections=9, length=len(content)) as address:
        film = open_source(address)
        assert isinstance(film, VideoFrames)
        assert greys(film.frames()) == list(range(FRAMES))


def test_what_comes_too_fast_is_left_out_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(live, 'KEPT', 3)
    monkeypatch.setattr(live.LiveFrames, '_reconnect', lambda self: False)
    path = write_film(tmp_path / 'a.ts', frames=20, g='5', tune='zerolatency')
    with http_stream(pieces(path), 'video/mp2t') as address:
        film = LiveFrames(address)
        frames = []
        for frame in film.frames():
            frames.append(frame)
            film._thread.join()  # all others arrive while this one is searched
    assert greys(frames)[-3:] == [17, 18, 19]
    assert len(frames) + film.missed <= 20 and film.missed > 10
    assert f'{film.missed} came faster than they could be searched' in film.summary()
    assert not film.complete


def test_it_ends_when_it_is_told_to(transport):
    with http_stream(pieces(transport), 'video/mp2t', 0.05, connections=1000) as address:
        film = LiveFrames(address, patience=60)
        threading.Timer(0.3, film.stop).start()
        start = time.monotonic()
        list(film.frames())
        assert time.monotonic() - start < 3
        assert not film._thread.is_alive()


@pytest.mark.parametrize(('source', 'message'), [
    ('http://127.0.0.1:9/a', 'cannot read video http://127.0.0.1:9/a: connection refused'),
    ('rtsp://127.0.0.1:9/a', 'cannot read video rtsp://127.0.0.1:9/a: connection refused'),
    ('foo://camera', 'cannot read video foo://camera: protocol not found'),
    ('77', 'camera 77 cannot be opened: it is not there'),
    ('/dev/video77', 'camera 77 cannot be opened: it is not there'),
    ('rtsp://me:secret@127.0.0.1:9/a', 'cannot read video rtsp://127.0.0.1:9/a: connection'),
])
def test_what_cannot_be_opened(source, message, capfd):
    with pytest.raises(OSError, match=message):
        open_source(source)
    assert capfd.readouterr() == ('', '')


class Capture:
    """A camera that is pulled out after some frames."""

    left: list[int] = []

    def __init__(self, number):
        self.number, self.frames = number, self.left.pop() if self.left else 0

    def isOpened(self):  # noqa: N802
        return self.frames > 0

    def get(self, _):
        return 30.0

    def read(self):
        self.frames -= 1
        time.sleep(0.02)
        return (True, np.full((48, 64, 3), 7, np.uint8)) if self.frames >= 0 else (False, None)

    def release(self):
        pass


def test_a_camera(tmp_path, monkeypatch):
    monkeypatch.setattr(cv2, 'VideoCapture', Capture)
    monkeypatch.setattr(Capture, 'left', [3, 4])
    monkeypatch.chdir(tmp_path)
    film = open_source('0', patience=0.2)
    frames = list(film.frames())
    assert film.fps == 30 and film.size == SIZE
    assert film.breaks == 1 and 4 <= len(frames) <= 7
    assert (np.diff([frame.time for frame in frames]) > 0).all()
    monkeypatch.setattr(Capture, 'left', [1])
    assert next(iter(Camera('0'))).pixels.mean() == 7
    write_film(tmp_path / 'a.mp4').rename('0')  # a file of this name comes first
    assert isinstance(open_source('0'), VideoFrames)


@pytest.mark.parametrize(('source', 'name'), [
    ('films/holiday.b.mp4', 'holiday.b'), ('0', 'camera0'), ('/dev/video2', 'camera2'),
    ('rtsp://user:word@cam.lan/yard?x=1', 'cam.lan_yard'),
    ('http://cam:8080/a/b.ts', 'cam_8080_a_b'), ('udp://@', 'stream'),
    ('http://a/' + 'x' * 300, 'x' * 80)])
def test_names_of_results(source, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert name_of(source) == name
