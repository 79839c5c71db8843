"""Files of results, and pictures that a format cannot hold."""

import cv2
import numpy as np
import pytest

from expalign.apis.result_files import picture_file, result_files
from expalign.apis.text_search import check_photograph
from expalign.utils.picture_files import write_picture


def test_names(tmp_path):
    for image, name in (('a/b.jpg', 'b.jpg'), ('b.PNG', 'b.PNG'), ('b.pgm', 'b.jpg'),
                        ('b', 'b.jpg'), ('a.b.jfif', 'a.b.jpg'),
                        ('http://host/b.jpg?size=3', 'b.jpg'),
                        ('http://host/b?size=3:4|"5".6', 'b_size=3_4__5_.jpg'),
                        (np.zeros(3), '00000007.jpg'), (None, '00000007.jpg')):
        assert picture_file(tmp_path, image, 7) == tmp_path / 'vis' / name
    names = {path.relative_to(tmp_path).as_posix() for path in result_files(tmp_path, 'a.b.jpg')}
    assert names == {'vis/a.b.jpg', 'vis/a.b.png', 'preds/a.b.json', 'explain/a.b.png',
                     'explain/a.b.npz'}


def test_a_picture_too_large_for_its_format(tmp_path):
    """WebP has 16,383 pixels a side."""
    picture = np.zeros((2, 16_400, 3), np.uint8)
    picture[..., 0] = 200  # red
    written = write_picture(tmp_path / 'a.webp', picture)
    assert written == tmp_path / 'a.png'
    assert cv2.imread(str(written))[0, 0].tolist() == [0, 0, 200]
    assert [path.name for path in tmp_path.iterdir()] == ['a.png']


def test_results_of_the_short_demos(tmp_path):
    photograph = tmp_path / 'detections.jpg'
    write_picture(photograph, np.zeros((9, 9, 3), np.uint8))
    assert check_photograph(photograph, tmp_path / 'out') == photograph
    with pytest.raises(ValueError, match=r"detections\.jpg' is the file to read"):
        check_photograph(photograph, tmp_path)
