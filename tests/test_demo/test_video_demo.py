"""The video demo: frames in, pictures and lines of predictions out, damage counted."""

import json
import os
import re
import signal
import sys

import cv2
import numpy as np
import pytest

from expalign.apis.films.outputs import FilmOutputs
from tests.helpers.film_servers import http_stream
from tests.helpers.films import described, write_film
from tests.helpers.mini_model import CONFIG, write_mini_weights

DEMO = 'demo/video_demo.py'
FRAMES, BROKEN = 6, 3


@pytest.fixture
def film(tmp_path):
    """Six frames of motion JPEG, the fourth damaged."""
    path = tmp_path / 'film.avi'
    image = cv2.imread('demo/data/mini/val2017/000000404484.jpg')
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 5, image.shape[1::-1])
    for _ in range(FRAMES):
        writer.write(image)
    writer.release()
    content = bytearray(path.read_bytes())
    start = [match.start() for match in re.finditer(b'\xff\xd8\xff', bytes(content))][BROKEN]
    content[start:start + 400] = bytes(400)
    path.write_bytes(content)
    return path


@pytest.fixture(scope='module')
def weights(tmp_path_factory, run_at_root):
    return write_mini_weights(tmp_path_factory.mktemp('weights') / 'mini.pth')


@pytest.fixture
def search(run_script, weights):
    """Run the demo with the small model, for two words of which every frame has boxes."""
    def run(film, *flags):
        run_script(DEMO, film, CONFIG, '--weights', weights, '--device', 'cpu', '--texts',
                   'a dog . a tv', '--pred-score-thr', 0.1, '--top-k', 20, *flags)
    return run


def read_lines(path):
    return [json.loads(line) for line in path.read_text(encoding='utf-8').splitlines()]


def test_whole_run(search, film, tmp_path, capsys):
    out = tmp_path / 'out'
    search(film, '--out-dir', out, '--batch-size', 2, '--explain', 4)
    lines = read_lines(out / 'film.jsonl')
    assert [line['frame'] for line in lines] == list(range(FRAMES - 1))
    assert [line['time'] for line in lines] == [0.0, 0.2, 0.4, 0.8, 1.0]
    assert {(line['film'], line['image'], line['schema']) for line in lines} == {
        (str(film), None, 'expalign.detections')}
    assert {found['prompt'] for found in lines[0]['detections']} == {'a dog', 'a tv'}
    first, last = ([found['score'] for found in line['detections']] for line in (
        lines[0], lines[-1]))
    np.testing.assert_allclose(first, last, atol=0.01)
    told = described(out / 'film.mp4')
    assert (told['codecs'], told['size']) == (['h264'], (320, 240))
    np.testing.assert_allclose(told['times'], [0.0, 0.2, 0.4, 0.8, 1.0], atol=1e-3)
    assert told['seconds'] == pytest.approx(1.2, abs=0.01)
    assert {path.name for path in (out / 'explain').iterdir()} == {
        f'film_00000{frame}.{suffix}' for frame in (0, 4) for suffix in ('png', 'npz')}
    printed, bar = capsys.readouterr()
    assert '5 frames searched; 5 frames read, 1 could not be decoded. Written:' in printed
    assert {path.name for path in out.iterdir()} == {'film.mp4', 'film.jsonl', 'explain'}
    assert 'frame/s]' in bar and '/6' in bar


def test_every_third_frame_with_sound_and_tracks(search, tmp_path, capsys):
    pytest.importorskip('trackers', reason='needs the extra "track"')
    source = write_film(tmp_path / 'a.b.mkv', frames=12, size=(64, 48), sound='libopus')
    search(source, '--out', tmp_path / 'out.webm', '--every', 3, '--track', '--batch-size', 3)
    lines = read_lines(tmp_path / 'out.jsonl')
    assert [line['frame'] for line in lines] == [0, 3, 6, 9]
    tracks = [{found['track'] for found in line['detections']} for line in lines]
    assert tracks[0] == {None} and tracks[1] & tracks[3] - {None}
    told = described(tmp_path / 'out.webm')
    assert told['codecs'] == ['vp9', 'opus']
    assert told['seconds'] == pytest.approx(1.2, abs=0.1)
    assert ('4 frames searched; 12 frames read, 0 could not be decoded; its sound (opus) is copied'
            in capsys.readouterr().out)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_keeps_what_was_found(search, tmp_path, monkeypatch, capsys, number):
    write, before = FilmOutputs.write, signal.getsignal(signal.SIGINT)

    def write_and_interrupt(self, found):
        write(self, found)
        if found.frame.frame == 2:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(FilmOutputs, 'write', write_and_interrupt)
    with pytest.raises(SystemExit) as error:
        search(write_film(tmp_path / 'a.mp4', frames=30, sound='aac'), '--out-dir', tmp_path / 'o')
    assert error.value.code == 130 and signal.getsignal(signal.SIGINT) is before
    assert len(read_lines(tmp_path / 'o' / 'a.jsonl')) == 3
    told = described(tmp_path / 'o' / 'a.mp4')
    assert len(told['times']) == 3 and told['seconds'] == pytest.approx(0.4, abs=0.11)
    assert '3 frames searched, stopped at 0.4 s' in capsys.readouterr().out


def test_a_second_ctrl_c_drops_it(search, tmp_path, monkeypatch, capsys):
    def interrupt_twice(self, found):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(FilmOutputs, 'write', interrupt_twice)
    with pytest.raises(SystemExit) as error:
        search(write_film(tmp_path / 'a.mp4'), '--out-dir', tmp_path / 'o')
    assert error.value.code == 130
    assert 'stopped; nothing is written' in capsys.readouterr().err
    assert list((tmp_path / 'o').iterdir()) == []


def test_a_stream_for_some_seconds(search, tmp_path, capsys):
    content = write_film(tmp_path / 'a.ts', frames=20, g='5', tune='zerolatency').read_bytes()
    with http_stream([content], 'video/mp2t', connections=1) as address:
        search(address, '--out', tmp_path / 'out.mp4', '--seconds', 0.5, '--reconnect', 0)
    lines = read_lines(tmp_path / 'out.jsonl')
    assert 0 < len(lines) <= 5 and lines[0]['frame'] == 0
    assert len(described(tmp_path / 'out.mp4')['times']) == len(lines)
    assert f'{len(lines)} frames searched' in capsys.readouterr().out


def test_refuses_to_write_over_the_film(run_script, film, capsys):
    whole = film.read_bytes()
    renamed = film.rename(film.with_suffix('.mp4'))
    (film.parent / 'link.mp4').symlink_to(renamed)
    for name in ('film.mp4', 'link.mp4'):
        with pytest.raises(SystemExit) as error:
            run_script(DEMO, film.parent / name, CONFIG, '--texts', 'a dog', '--out-dir',
                       film.parent)
        assert error.value.code == 2
        assert f"{name}' is the file to read" in capsys.readouterr().err
    assert renamed.read_bytes() == whole


def test_an_error_leaves_nothing(run_script, film, tmp_path, monkeypatch):
    weights, out = write_mini_weights(tmp_path / 'mini.pth'), tmp_path / 'out'
    out.mkdir()
    (out / 'film.mp4').write_text('of an earlier run')

    def fail(*args, **kwargs):
        raise OSError('No space left on device')
    monkeypatch.setattr(json, 'dumps', fail)
    with pytest.raises(SystemExit) as error:
        run_script(DEMO, film, CONFIG, '--weights', weights, '--device', 'cpu', '--texts', 'a dog',
                   '--out-dir', out)
    assert error.value.code == 2
    assert [path.name for path in out.iterdir()] == ['film.mp4']
    assert (out / 'film.mp4').read_text() == 'of an earlier run'


def test_masks_of_every_frame(run_script, film, tmp_path):
    config = 'configs/mini/expalign_mini-seg.py'
    weights = write_mini_weights(tmp_path / 'seg.pth', config)
    out = tmp_path / 'out'
    run_script(DEMO, film, config, '--weights', weights, '--device', 'cpu', '--texts', 'a dog',
               '--out-dir', out, '--pred-score-thr', 0, '--top-k', 20)
    for line in (out / 'film.jsonl').read_text().splitlines():
        found = json.loads(line)['detections']
        assert found and all(entry['mask']['size'] == [240, 320] for entry in found)
    frame = cv2.VideoCapture(str(out / 'film.mp4')).read()[1].astype(int)
    image = cv2.imread('demo/data/mini/val2017/000000404484.jpg')
    assert abs(frame - cv2.resize(image, (320, 240))).mean() > 5


@pytest.mark.parametrize(('flags', 'message'), [
    (['absent.mp4'], 'video absent.mp4 does not exist'),
    (['README.md'], 'cannot read video README.md'),
    (['absent.mp4', '--explain', '0'], '0 is no whole number of 1 or more'),
    (['absent.mp4', '--every', '0'], '--every: 0 is no whole number of 1 or more'),
    (['absent.mp4', '--seconds', 'x'], '--seconds: x is no number of seconds, 0 or more'),
    (['absent.mp4', '--out', 'a.avi'], 'a.avi: a film is written as .mp4 (H.264), .webm (VP9) or'),
    (['absent.mp4', '--out-dir', 'a.webm'], '--out-dir a.webm is a folder; the name of a film'),
    (['absent.mp4', '--out', 'a.mp4', '--out-dir', 'b'], '--out names the film and with it the'),
    (['99'], 'camera 99 cannot be opened'),
    (['rtsp://127.0.0.1:9/'], 'cannot read video rtsp://127.0.0.1:9/: connection refused'),
])
def test_refuses_before_any_work(run_script, capsys, flags, message):
    with pytest.raises(SystemExit) as error:
        run_script(DEMO, *flags, '--texts', 'a cat')
    assert error.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(('package', 'flags', 'message'), [
    ('av', [], 'films and streams need the package av: pip install av'),
    ('trackers', ['--track'], 'tracking needs the package trackers: pip install "expalign[track]"'),
])
def test_packages_that_are_not_there(run_script, film, capsys, monkeypatch, package, flags,
                                     message):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SystemExit) as error:
        run_script(DEMO, film, *flags, '--texts', 'a cat')
    assert error.value.code == 2
    assert message in capsys.readouterr().err
