"""Whether pictures can be shown in a window."""

import os
import sys

import numpy as np


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


def show_picture(picture: np.ndarray, title: str = '') -> None:
    """Show a picture (H, W, 3) uint8 RGB: in a notebook below the cell, else in a window.

    A window stays until it is closed.

    Raises:
        RuntimeError: see :func:`check_screen`.
    """
    if _in_notebook():
        from IPython.display import display
        from PIL import Image
        display(Image.fromarray(picture))
        return
    check_screen()
    from matplotlib import pyplot
    figure, axis = pyplot.subplots(num=title or None)
    axis.imshow(picture)
    axis.set_axis_off()
    figure.tight_layout()
    pyplot.show(block=True)
    pyplot.close(figure)


def _in_notebook() -> bool:
    """Whether a notebook's kernel runs this; IPython in a terminal is none."""
    shell = sys.modules.get('IPython')
    active = shell.get_ipython() if shell is not None else None
    return active is not None and type(active).__name__ == 'ZMQInteractiveShell'
