"""Pictures are not shown where nobody sees them."""

import pytest

from expalign.utils.screen import check_screen


@pytest.mark.parametrize('display', ['', ':0'])
def test_no_screen_is_one_line(monkeypatch, display):
    """The second has a display, and a matplotlib that draws to files (see tests/conftest.py)."""
    monkeypatch.setenv('DISPLAY', display)
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    with pytest.raises(RuntimeError, match=r'cannot be shown in a window: .* leave --show'):
        check_screen()
