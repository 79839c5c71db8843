"""Whether pictures can be shown in a window."""

import os
import sys


def check_screen() -> None:
    """Refuse to show pictures where nobody would see them: mmengine waits for a key for ever.

    Raises:
        RuntimeError: there is no display, or matplotlib draws to files alone.
    """
    remote = sys.platform.startswith('linux') and not (
        os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY'))
    if remote or not _draws_windows():
        raise RuntimeError('pictures cannot be shown in a window: this machine has no display, or '
                           'matplotlib has no toolkit for windows; leave --show (show=True) out')


def _draws_windows() -> bool:
    from matplotlib import pyplot
    try:
        figure = pyplot.figure()
    except Exception:  # each toolkit has errors of its own for a display that does not answer
        return False
    pyplot.close(figure)
    return figure.canvas.required_interactive_framework is not None
