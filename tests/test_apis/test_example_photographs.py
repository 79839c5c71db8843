"""Boxes in photographs that show what is meant: what is taken, and what is refused by name."""

import cv2
import numpy as np
import pytest

from expalign.apis.example_arguments import sort_examples
from expalign.apis.example_photographs import read_examples


@pytest.fixture
def photo(tmp_path):
    path = str(tmp_path / 'photo.png')
    cv2.imwrite(path, np.zeros((40, 60, 3), np.uint8))
    return path


def test_boxes_are_put_together_by_photograph(photo):
    array = np.zeros((20, 20, 3), np.uint8)
    names, (first, second) = read_examples({
        ' mug': [(photo, (1, 2, 30, 40)), (array, [[0, 0, 5, 5], [1, 1, 6, 6]])],
        'jug': [(photo, np.array([5, 5, 20, 30]))]})
    assert names == ['mug', 'jug']
    assert first.image == photo and second.image is array
    assert first.boxes.tolist() == [[1, 2, 30, 40], [5, 5, 20, 30]]
    assert first.labels.tolist() == [0, 1] and second.labels.tolist() == [0, 0]


@pytest.mark.parametrize(('examples', 'message'), [
    ({'mug': []}, "'mug' has no example"),
    ({}, 'no prompt'),
    ({' ': [('PHOTO', (1, 1, 2, 2))]}, 'only white space'),
    ({'mug': [('PHOTO', (1, 1, 2, 2))], 'Mug': [('PHOTO', (1, 1, 2, 2))]}, 'are equal'),
    ({'mug': [('PHOTO', (9, 1, 2, 2))]}, r"the box \(9, 1, 2, 2\) of 'mug' has no area"),
    ({'mug': [('PHOTO', (1, 1, 2))]}, r"a box of 'mug' is x1, y1, x2, y2 in pixels, got \(1, 1, 2"),
    ({'mug': [('PHOTO', (1, 1, 2, float('nan')))]}, "a box of 'mug' is"),
    ({'mug': [('PHOTO', [])]}, "a box of 'mug' is"),
    ({'mug': [('FOLDER', (1, 1, 2, 2))]}, "'mug' is a box in one photograph"),
])
def test_what_is_no_example_is_named(photo, tmp_path, examples, message):
    cv2.imwrite(str(tmp_path / 'other.png'), np.zeros((9, 9, 3), np.uint8))
    places = dict(PHOTO=photo, FOLDER=str(tmp_path))
    examples = {name: [(places[image], box) for image, box in pairs]
                for name, pairs in examples.items()}
    with pytest.raises(ValueError, match=message):
        read_examples(examples)


def test_other_forms_are_named(photo):
    for examples, message in (
            ([photo], 'examples are a dict'),
            ({'mug': photo}, "the examples of 'mug' are a list of pairs"),
            ({'mug': [photo]}, "an example of 'mug' is a pair")):
        with pytest.raises(TypeError, match=message):
            read_examples(examples)
    with pytest.raises(FileNotFoundError, match='gone.jpg does not exist'):
        read_examples({'mug': [('gone.jpg', (1, 1, 2, 2))]})


@pytest.mark.parametrize('box', [(60, 0, 80, 20), (-20, -20, 0.5, 30), (0, 40, 60, 90),
                                 (20, 8, 900, 30)])
def test_a_box_outside_of_its_photograph_is_named(photo, box):
    _, (photograph,) = read_examples({'mug': [(photo, box)]})
    with pytest.raises(ValueError, match=r'is not inside of the photograph .*photo.png, which has '
                                         '60 x 40 pixels'):
        photograph.check_inside((40, 60))
    # Partly outside is how people draw.
    read_examples({'mug': [(photo, (-5, -5, 30, 99))]})[1][0].check_inside((40, 60, 3))


def test_a_command_line_names_boxes_and_files(photo, tmp_path):
    file = tmp_path / 'mine.safetensors'
    file.touch()
    boxes, files = sort_examples([
        f'my mug={photo}:1,2,30,40', f'my mug={photo}: 5, 6.5,20,30', f'jug={photo}:0,0,9,9',
        str(file)])
    assert files == [file]
    assert boxes == {'my mug': [(photo, (1, 2, 30, 40)), (photo, (5, 6.5, 20, 30))],
                     'jug': [(photo, (0, 0, 9, 9))]}
    # A drive's colon, and an equals sign in a file's name.
    other = tmp_path / 'a=b:c.png'
    other.write_bytes(b'')
    assert sort_examples([f'x={other}:0,0,1,1'])[0] == {'x': [(str(other), (0, 0, 1, 1))]}


@pytest.mark.parametrize(('text', 'error', 'message'), [
    ('mug', ValueError, 'neither a file of prompts nor NAME=PHOTO'),
    ('mug=PHOTO', ValueError, 'neither'), ('mug=PHOTO:1,2,3', ValueError, 'neither'),
    ('=PHOTO:1,2,3,4', ValueError, 'has no name'),
    ('mug=gone.jpg:1,2,3,4', FileNotFoundError, 'gone.jpg of the example'),
    ('gone.safetensors', FileNotFoundError, 'gone.safetensors does not exist')])
def test_what_a_command_line_cannot_mean_is_named(photo, text, error, message):
    with pytest.raises(error, match=message):
        sort_examples([text.replace('PHOTO', photo)])
