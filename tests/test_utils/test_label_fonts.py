"""Letters of labels: every one is drawn, or said."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from expalign.utils import label_fonts
from expalign.utils.label_fonts import LabelFont


@pytest.fixture
def only_dejavu(monkeypatch):
    """No other font than the one that matplotlib has."""
    def forget():
        for kept in (label_fonts._fonts, label_fonts._font_of, label_fonts._say_once):
            kept.cache_clear()
    files = [path for path in label_fonts._font_files() if path.name == 'DejaVuSans.ttf'][:1]
    monkeypatch.setattr(label_fonts, '_font_files', lambda: files)
    forget()
    yield
    forget()


def ink(text):
    picture = Image.new('L', (400, 40))
    LabelFont(15).draw(ImageDraw.Draw(picture), (5, 20), text, 'white')
    return np.asarray(picture)


def test_letters_that_a_font_has(only_dejavu, recwarn):
    for text in ('a cat 0.95', 'Жλעé', '😀'):
        drawn = ink(text)
        assert drawn.any() and LabelFont(15).length(text) > 0
        assert drawn.any(0).nonzero()[0].min() >= 5
        assert drawn.any(0).nonzero()[0].max() <= 6 + LabelFont(15).length(text)
    assert not recwarn.list
    np.testing.assert_array_equal(ink('cafe\u0301'), ink('caf\u00e9'))


def test_letters_that_no_font_has_are_said_once(only_dejavu):
    with pytest.warns(UserWarning, match='no font here has all letters') as said:
        np.testing.assert_array_equal(ink('猫 🐈'), ink('\\u732b :cat:'))
        ink('犬')
    assert len(said) == 1
    np.testing.assert_array_equal(ink('😀\ufe0f'), ink('😀'))


def test_sizes_are_fixed():
    from expalign.utils.labelled_boxes import draw_labelled_boxes
    rows = []
    for size in ((300, 400), (1200, 1600)):
        grey = np.full((*size, 3), 90, np.uint8)
        drawn = draw_labelled_boxes(grey, np.array([[50, 60, 250, 200]]), ['Name'], [0])
        rows.append((drawn != 90).any(-1)[:, 60].nonzero()[0].min())
    assert rows[0] == rows[1]
