"""The video demo: frames in, pictures and lines of predictions out, damage counted."""

import json
import re

import cv2
import numpy as np
import pytest

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


def test_whole_run(run_script, film, tmp_path, capsys):
    weights = write_mini_weights(tmp_path / 'mini.pth')
    out = tmp_path / 'out'
    run_script(
        DEMO, film, CONFIG, '--weights', weights, '--device', 'cpu', '--texts', 'a dog . a tv',
        '--out-dir', out, '--batch-size', 2, '--explain', 4, '--pred-score-thr', 0)
    lines = [json.loads(line) for line in (out / 'film.jsonl').read_text().splitlines()]
    assert [line['frame'] for line in lines] == list(range(FRAMES - 1))
    assert {found['prompt'] for found in lines[0]['detections']} == {'a dog', 'a tv'}
    first, last = ([found['score'] for found in line['detections']] for line in (
        lines[0], lines[-1]))
    np.testing.assert_allclose(first, last, atol=0.01)
    video = cv2.VideoCapture(str(out / 'film.mp4'))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == FRAMES - 1
    assert video.get(cv2.CAP_PROP_FPS) == 5
    assert video.read()[1].shape == (240, 320, 3)
    assert {path.name for path in (out / 'explain').iterdir()} == {
        f'film_00000{frame}.{suffix}' for frame in (0, 4) for suffix in ('png', 'npz')}
    printed, bar = capsys.readouterr()
    assert '5 frames searched; 5 frames read, 1 could not be decoded. Written:' in printed
    assert {path.name for path in out.iterdir()} == {'film.mp4', 'film.jsonl', 'explain'}
    assert '6/6' in bar or '5/6' in bar


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
               '--out-dir', out, '--pred-score-thr', 0)
    for line in (out / 'film.jsonl').read_text().splitlines():
        found = json.loads(line)['detections']
        assert found and all(entry['mask']['size'] == [240, 320] for entry in found)
    frame = cv2.VideoCapture(str(out / 'film.mp4')).read()[1].astype(int)
    image = cv2.imread('demo/data/mini/val2017/000000404484.jpg')
    assert abs(frame - cv2.resize(image, (320, 240))).mean() > 5


@pytest.mark.parametrize(('flags', 'message'), [
    (['absent.mp4'], 'video absent.mp4 does not exist'),
    (['README.md'], 'cannot read video README.md'),
    (['absent.mp4', '--explain', '0'], '--explain 0: the number of frames must be 1 or more'),
])
def test_refuses_before_any_work(run_script, capsys, flags, message):
    with pytest.raises(SystemExit) as error:
        run_script(DEMO, *flags, '--texts', 'a cat')
    assert error.value.code == 2
    assert message in capsys.readouterr().err
