"""A sample whose image is drawn when it is first asked for."""

from .canvas import Canvas


def _drawn_first(name: str):
    """dict's method of the name, before which the image is drawn."""
    method = getattr(dict, name)

    def call(self, *args):
        self.draw()
        return method(self, *args)

    return call


def _drawn_for_img(name: str):
    """dict's method of the name for one key, before which the image is drawn if it is meant."""
    method = getattr(dict, name)

    def call(self, key, *args):
        if key == 'img':
            self.draw()
        return method(self, key, *args)

    return call


class PendingImage(dict):
    """A sample with a mosaic that is not drawn yet.

    For everyone else it is a dict with the drawn image under ``img``. A transform that can do with
    the parts takes :meth:`canvas` instead.

    Args:
        sample: the other keys; ``img`` is replaced.
        canvas: the mosaic.
    """

    def __init__(self, sample: dict, canvas: Canvas) -> None:
        super().__init__(sample)
        super().__setitem__('img', canvas)

    def canvas(self) -> Canvas | None:
        """The mosaic, if nobody has asked for the image, nor replaced it."""
        image = super().get('img')
        return image if isinstance(image, Canvas) else None

    def draw(self) -> None:
        """Draw the image, if it is not yet."""
        canvas = self.canvas()
        if canvas is not None:
            super().__setitem__('img', canvas.draw())

    def __reduce__(self) -> tuple:
        return dict, (dict(self),)  # to other processes, and copied

    __getitem__, get = _drawn_for_img('__getitem__'), _drawn_for_img('get')
    pop, setdefault = _drawn_for_img('pop'), _drawn_for_img('setdefault')
    # `dict(sample)` and `{**sample}` read past the methods of a class that has dict's __iter__.
    __iter__, __or__, __eq__ = map(_drawn_first, ('__iter__', '__or__', '__eq__'))
    copy, items, values, popitem = map(_drawn_first, ('copy', 'items', 'values', 'popitem'))
    __hash__ = None
