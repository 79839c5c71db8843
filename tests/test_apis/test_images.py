"""What inputs stand for, and videos with damaged frames."""

import os
import re
import weakref
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import PIL.Image
import pytest

from expalign.apis import images
from expalign.apis.films.decoding import rate_of
from expalign.apis.images import ImageStream
from expalign.apis.video import VideoFrames
from expalign.datasets.bad_samples import BadImage
from tests.helpers.films import write_film

FRAMES, SIZE = 12, (64, 48)


@pytest.fixture
def log(monkeypatch):
    """Lines that go to the log."""
    lines = []
    monkeypatch.setattr(images, '_log', lambda line, *args, **kwargs: lines.append(line))
    return lines


@pytest.fixture
def folder(tmp_path):
    for name in ('b.jpg', 'a.PNG', 'notes.md'):
        (tmp_path / name).write_bytes(b'')
    return tmp_path


@pytest.fixture
def video(tmp_path):
    """Motion JPEG, frame i grey of value 20 i."""
    path = tmp_path / 'film.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10, SIZE)
    for index in range(FRAMES):
        writer.write(np.full((*SIZE[::-1], 3), 20 * index, np.uint8))
    writer.release()
    return path


class Frame(np.ndarray):
    """An array by identity, which a set can hold."""

    __hash__ = object.__hash__
    __eq__ = object.__eq__


def damage(path, indices):
    content = bytearray(path.read_bytes())
    starts = [match.start() for match in re.finditer(b'\xff\xd8\xff', bytes(content))]
    assert len(starts) == FRAMES
    for index in indices:
        content[starts[index]:starts[index] + 200] = bytes(200)
    path.write_bytes(content)


def test_folder_pattern_list(folder, log):
    paths = [str(folder / 'a.PNG'), str(folder / 'b.jpg')]
    assert list(ImageStream(str(folder))) == paths
    assert log == [f'{folder}: 1 of 3 files are no images and are left out']
    assert list(ImageStream(folder / '*.jpg')) == paths[1:]
    array = np.zeros((4, 5, 3), np.uint8)
    mixed = list(ImageStream([folder / 'b.jpg', array, 'https://example.org/a b.jpg']))
    assert mixed[0] == paths[1]
    assert mixed[1] is array
    assert mixed[2] == 'https://example.org/a b.jpg'


def test_folders_with_signs_of_patterns_in_their_names(tmp_path):
    folder = tmp_path / 'run [1]' / 'b*d'
    folder.mkdir(parents=True)
    for name in ('a[1].jpg', 'b.jpg'):
        (folder / name).write_bytes(b'')
    assert list(ImageStream(folder / '*.jpg')) == [str(folder / 'a[1].jpg'), str(folder / 'b.jpg')]
    assert list(ImageStream(tmp_path / 'run [1]/**/b.*')) == [str(folder / 'b.jpg')]
    assert list(ImageStream(folder / 'a[1].jpg')) == [str(folder / 'a[1].jpg')]


@pytest.mark.parametrize(('inputs', 'error', 'message'), [
    ('absent.jpg', FileNotFoundError, 'the input absent.jpg does not exist'),
    ('absent/*.jpg', FileNotFoundError, r'no file fits the pattern absent/\*.jpg'),
    ([], ValueError, 'the list of inputs is empty'),
    ([3], TypeError, 'input 0 is a int'),
    ([np.zeros((4, 5), np.uint8)], ValueError, r'input 0: .* got \(4, 5\) of uint8'),
    (np.zeros((4, 5, 3)), ValueError, r'input 0: .* of float64'),
    ('ftp://host/a.jpg', ValueError, "ftp://host/a.jpg is of a kind that is not read: 'ftp'"),
    ('s3://bucket/a.jpg', ValueError, 's3://bucket/a.jpg cannot be read: Please install'),
])
def test_wrong_inputs(inputs, error, message):
    with pytest.raises(error, match=message):
        ImageStream(inputs)


def test_images_of_a_folder_can_be_left_out(folder, log):
    error = BadImage('broken')
    stream = ImageStream([folder, 'https://example.org/c.jpg'])
    with pytest.raises(BadImage):
        stream.leave_out('https://example.org/c.jpg', error)
    with pytest.raises(BadImage):
        stream.leave_out(np.zeros((4, 5, 3), np.uint8), error)
    stream.leave_out(str(folder / 'b.jpg'), error)
    del log[:]
    stream.report_left_out()
    assert log == ['1 of 3 images could not be read and are left out: b.jpg. broken']
    alone = ImageStream(folder)
    for image in alone:
        alone.leave_out(image, error)
    with pytest.raises(BadImage, match='2 of 2 images could not be read'):
        alone.report_left_out()


def test_folder_without_images(tmp_path):
    (tmp_path / 'notes.md').write_text('')
    with pytest.raises(ValueError, match=f'{tmp_path} has no image .* among its 1 files'):
        ImageStream(tmp_path)


def test_results_of_one_name_are_refused(folder):
    (folder / 'sub').mkdir()
    (folder / 'sub' / 'b.png').write_bytes(b'')
    stream = ImageStream([folder / 'b.jpg', folder / 'sub'])
    with pytest.raises(ValueError, match=r'b\.jpg and .*sub/b\.png have one name'):
        stream.check_results(folder)
    ImageStream([folder / 'b.jpg', folder / 'b.jpg']).check_results(folder)


def test_names_that_differ_by_case(tmp_path, monkeypatch):
    """Their results are one file where systems do not tell them apart."""
    for name in ('x/A.jpg', 'y/a.png'):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b'')
    stream = ImageStream([tmp_path / 'x', tmp_path / 'y'])
    monkeypatch.setattr(images, 'FOLDS_CASE', False)
    stream.check_results(tmp_path / 'out')
    monkeypatch.setattr(images, 'FOLDS_CASE', True)
    with pytest.raises(ValueError, match=r'A\.jpg and .*a\.png have one name'):
        stream.check_results(tmp_path / 'out')


@pytest.mark.parametrize('name', [
    'vis/b.jpg', 'vis/b.png', 'preds/b.json', 'explain/b.png', 'explain/b.npz'])
@pytest.mark.parametrize('link', [Path.symlink_to, Path.hardlink_to])
def test_results_do_not_replace_what_is_read(folder, name, link):
    (folder / name).parent.mkdir()
    link(folder / name, folder / 'a.PNG')
    stream = ImageStream(folder)
    with pytest.raises(ValueError, match=rf"{name}' is the file to read, '.*a\.PNG', and would be"):
        stream.check_results(folder)
    stream = ImageStream(folder / 'b.jpg')
    stream.check_results(folder)
    with pytest.raises(ValueError, match=rf"{name}' is the file to read, '.*a\.PNG'"):
        stream.check_results(folder, folder / 'a.PNG')


def test_video_frames(video):
    frames = VideoFrames(video)
    assert (len(frames), frames.fps, frames.size) == (FRAMES, 10, SIZE)
    means = [frame.mean() for frame in frames]
    np.testing.assert_allclose(means, 20 * np.arange(FRAMES), atol=2)
    assert frames.broken == 0
    stream = ImageStream(video)
    assert len(stream) == FRAMES == len(list(stream))


def test_a_length_is_an_estimate(tmp_path, log):
    """A film of a variable rate may end with a long frame; long before the end is said."""
    path = write_film(tmp_path / 'film.mp4', times=[0, 0.1, 0.2, 1.1])
    for stated, cut_off in ((2.0, False), (10.0, True)):
        stream = ImageStream(path)
        frames = stream.sources[0]
        frames.length = stated
        assert len(list(stream)) == 4
        assert (frames.read, frames.broken, frames.cut_off) == (4, 0, cut_off)
    assert log == [f'{path}: 4 frames read, 0 could not be decoded; the file states 10.0 s and its '
                   'last frame is at 1.1 s: it may be cut off']


def test_a_film_of_a_frame_in_ten_seconds_is_whole(tmp_path):
    frames = VideoFrames(write_film(tmp_path / 'film.mp4', times=[0, 10, 20]))
    assert len(list(frames)) == 3
    frames.length = 30.0
    assert not frames.cut_off
    frames.length = 45.0
    assert frames.cut_off


def test_a_film_without_a_frame_is_an_error_that_names_its_codec(video):
    damage(video, range(FRAMES))
    with pytest.raises(OSError, match=r'no frame of video .*film\.avi can be .* codec is mjpeg'):
        ImageStream(video)


def test_impossible_rates():
    for stated in (None, 0, 1000):
        assert rate_of(SimpleNamespace(average_rate=stated, guessed_rate=stated)) == 25
    assert rate_of(SimpleNamespace(average_rate=None, guessed_rate=Fraction(30000, 1001))) < 30


def test_damaged_frames_are_counted_and_left_out(video, log):
    damage(video, (4, 5, 9))
    stream = ImageStream([video])
    means = [frame.mean() for frame in stream]
    good = np.delete(np.arange(FRAMES), (4, 5, 9))
    np.testing.assert_allclose(means, 20 * good, atol=2)
    assert stream.sources[0].broken == 3
    assert log == [f'{video}: 9 frames read, 3 could not be decoded']


@pytest.mark.parametrize(('stated', 'broken'), [(3, 0), (10**9, 10**9 - FRAMES)])
def test_a_wrong_number_of_frames(video, stated, broken):
    """Those beyond it are read; those that are not there are counted, and nobody waits for them."""
    content = bytearray(video.read_bytes())
    place = content.index(b'vids') + 32  # dwLength of AVISTREAMHEADER
    assert int.from_bytes(content[place:place + 4], 'little') == FRAMES
    content[place:place + 4] = stated.to_bytes(4, 'little')
    video.write_bytes(content)
    frames = VideoFrames(video)
    assert frames.num_frames == stated
    assert len(list(frames)) == FRAMES
    assert frames.broken == broken


def test_a_video_is_never_in_memory(video, mini_inferencer):
    """However long it is: of its frames one batch is alive, and one that is being read."""
    alive = weakref.WeakSet()

    class Watched(VideoFrames):
        def __iter__(self):
            for frame in super().__iter__():
                holder = frame.view(Frame)
                alive.add(holder)
                yield holder

    counts = [len(alive) for _ in mini_inferencer.stream(Watched(video), 'cat', batch_size=3)]
    assert len(counts) == FRAMES
    assert max(counts) <= 4


def test_a_video_as_input(video, mini_inferencer):
    damage(video, (4,))
    found = mini_inferencer(str(video), texts='cat', batch_size=4)['predictions']
    assert len(found) == FRAMES - 1


def test_no_video(tmp_path):
    path = tmp_path / 'film.mp4'
    with pytest.raises(FileNotFoundError, match=r'film\.mp4 does not exist'):
        VideoFrames(path)
    path.write_bytes(b'no video')
    with pytest.raises(OSError, match=r'cannot read video .*film\.mp4'):
        VideoFrames(path)


def test_special_files_of_a_folder_are_no_images(tmp_path):
    os.mkfifo(tmp_path / 'pipe.jpg')
    os.symlink('/dev/zero', tmp_path / 'zero.jpg')
    with pytest.raises(ValueError, match='the folder .* has no image'):
        ImageStream(str(tmp_path))
    PIL.Image.new('RGB', (9, 9)).save(tmp_path / 'a.avif')
    assert ImageStream(str(tmp_path)).sources == [str(tmp_path / 'a.avif')]
    with pytest.raises(ValueError, match=r'the input .*pipe.jpg is a pipe \(FIFO\), not a file'):
        ImageStream(str(tmp_path / 'pipe.jpg'))
