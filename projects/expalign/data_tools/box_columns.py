"""Which column of a table of boxes is what, by the names that people give them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from expalign.utils.shown import shown

from .coordinates import number_of
from .labelled import BadLabel

# The first that there is counts.
IMAGE = ('filename', 'imagefilename', 'file', 'fname', 'imagename', 'imgname', 'image', 'img',
         'imagepath', 'imgpath', 'filepath', 'path', 'imageid', 'imgid', 'photo', 'imageurl')
LABEL = ('classname', 'labelname', 'categoryname', 'class', 'label', 'category', 'labels', 'name',
         'object', 'objectclass', 'objectname', 'species', 'type', 'cls', 'tag', 'classid',
         'categoryid', 'labelid')
LEFT, TOP = ('xmin', 'x1', 'left', 'xtl', 'bboxxmin', 'boxxmin', 'xleft', 'minx', 'bboxx1'), (
    'ymin', 'y1', 'top', 'ytl', 'bboxymin', 'boxymin', 'ytop', 'miny', 'bboxy1')
RIGHT, BOTTOM = ('xmax', 'x2', 'right', 'xbr', 'bboxxmax', 'boxxmax', 'xright', 'maxx', 'bboxx2'), (
    'ymax', 'y2', 'bottom', 'ybr', 'bboxymax', 'boxymax', 'ybottom', 'maxy', 'bboxy2')
X, Y = ('x', 'bboxx', 'boxx', 'colx', 'bboxleft'), ('y', 'bboxy', 'boxy', 'rowy', 'bboxtop')
WIDE, HIGH = ('w', 'bboxwidth', 'bboxw', 'boxwidth', 'boxw', 'width'), (
    'h', 'bboxheight', 'bboxh', 'boxheight', 'boxh', 'height')
MIDDLE_X, MIDDLE_Y = ('xcenter', 'xcentre', 'centerx', 'centrex', 'cx', 'xc'), (
    'ycenter', 'ycentre', 'centery', 'centrey', 'cy', 'yc')
IMAGE_WIDTH = ('imagewidth', 'imgwidth', 'imagew', 'imgw', 'width')
IMAGE_HEIGHT = ('imageheight', 'imgheight', 'imageh', 'imgh', 'height')
BOX = ('bbox', 'box', 'boundingbox')
SPLIT = ('split', 'subset', 'partition', 'set', 'usage')
GROUP = ('isgroupof', 'iscrowd', 'crowd')

Box = tuple[float, float, float, float]
FORMS: dict[str, Callable[[float, float, float, float], Box]] = {
    'x1, y1, x2, y2': lambda a, b, c, d: (a, b, c, d),
    'x, y, width, height': lambda a, b, c, d: (a, b, a + c, b + d),
    'centre x, centre y, width, height':
        lambda a, b, c, d: (a - c / 2, b - d / 2, a + c / 2, b + d / 2)}
CORNERS, SIDES, CENTRE = FORMS


@dataclass
class BoxColumns:
    """Columns by what they hold.

    Args:
        image: the name of the image.
        box: four columns, or one that has four numbers.
        form: how the four numbers are meant, a key of :data:`FORMS`.
        label: the class.
        size: width and height of the image.
        split: train, val or test.
        group: whether the box is around several.
    """

    image: str | int
    box: tuple[str | int, ...]
    form: str
    label: str | int | None = None
    size: tuple[str | int, str | int] | None = None
    split: str | int | None = None
    group: str | int | None = None

    def used(self) -> set[str | int | None]:
        """All columns that are read."""
        return {self.image, *self.box, self.label, *(self.size or ()), self.split, self.group}

    def numbers(self, row: dict) -> list[float] | None:
        """The four numbers of a row; None where it has none: an image without an object.

        Raises:
            BadLabel: they are something else.
        """
        texts = [row.get(column, '') for column in self.box]
        if len(texts) == 1:
            texts = [text for text in re.split(r'[\s,;]+', texts[0].strip('[](){} ')) if text]
        if not any(texts):
            return None
        values = [number_of(text) for text in texts]
        if len(values) != 4 or None in values:
            raise BadLabel(f'the box must be four numbers ({self.form}), got '
                           f'{shown(", ".join(texts))}')
        return values


def find_columns(header: Sequence[str]) -> BoxColumns | None:
    """The columns of a table of boxes; None where the header is that of another table."""
    plain = {re.sub(r'[^a-z0-9]', '', name.lower()): name for name in reversed(header)}

    def first(names: Sequence[str], without: Sequence[str | None] = ()) -> str | None:
        return next((plain[name] for name in names
                     if name in plain and plain[name] not in without), None)

    image = first(IMAGE)
    if image is None:
        return None
    if 'x0' in plain and 'y0' in plain:
        corners = tuple(plain.get(name) for name in ('x0', 'y0', 'x1', 'y1'))
    else:
        corners = first(LEFT), first(TOP), first(RIGHT), first(BOTTOM)
    sides = first(WIDE), first(HIGH)
    middle, place = (first(MIDDLE_X), first(MIDDLE_Y)), (first(X) or first(LEFT),
                                                         first(Y) or first(TOP))
    box, form = corners, CORNERS
    if None in corners:
        box, form = (*middle, *sides), CENTRE
    if None in box:
        box, form = (*place, *sides), SIDES
    if None in box and first(BOX):
        box = (first(BOX),)
    if None in box:
        return None
    size = first(IMAGE_WIDTH, box), first(IMAGE_HEIGHT, box)
    return BoxColumns(image, box, form, first(LABEL, (image,)), None if None in size else size,
                      first(SPLIT), first(GROUP))


def likely_form(stated: str, rows: Sequence[Sequence[float]],
                sizes: Sequence[tuple[float, float] | None]) -> str:
    """The form of x, y, width and height: their centre where only that lies in the images.

    Args:
        stated: the form that the columns' names say.
        rows: the four numbers of each box.
        sizes: (width, height) of each one's image, or None.
    """
    if stated != SIDES or fits(SIDES, rows, sizes) or not fits(CENTRE, rows, sizes):
        return stated
    return CENTRE


def fits(form: str, rows: Sequence[Sequence[float]],
         sizes: Sequence[tuple[float, float] | None]) -> bool:
    """Whether all boxes have an area and lie inside of their images when read in a form."""
    for values, size in zip(rows, sizes, strict=True):
        left, top, right, bottom = FORMS[form](*values)
        border = 0.002 * max(size) if size else 0
        if right <= left or bottom <= top or min(left, top) < -max(border, 1e-6):
            return False
        if size and (right > size[0] + border or bottom > size[1] + border):
            return False
    return True


def guess_columns(rows: Sequence[dict], is_image: Callable[[str], bool],
                  size_of: Callable[[str], tuple[int, int] | None]) -> BoxColumns:
    """The columns of a table without a header, by what is in them.

    Args:
        rows: values by position, some of the table.
        is_image: whether a text names an image of the data set.
        size_of: (width, height) of the image of a name.

    Raises:
        BadLabel: it is not clear what is what.
    """
    count = max(map(len, rows))
    filled = {i: [row[i] for row in rows if row.get(i)] for i in range(count)}
    numeric = [i for i in range(count)
               if filled[i] and all(number_of(value) is not None for value in filled[i])]
    texts = [i for i in range(count) if filled[i] and i not in numeric]
    image = next((i for i in texts if all(map(is_image, filled[i][:20]))), None)
    if image is None:
        raise BadLabel('no column has names of images that are there')
    others = [i for i in texts if i != image]
    boxed = [row for row in rows if all(row.get(i) for i in numeric)]
    sizes = [size_of(row.get(image, '')) for row in boxed]
    size = next(((i, i + 1) for i in numeric if i + 1 in numeric and boxed and all(
        known == (number_of(row[i]), number_of(row[i + 1]))
        for known, row in zip(sizes, boxed, strict=True))), None)
    box = [i for i in numeric if i not in (size or ())]
    if len(others) > 1 or len(box) != 4:
        raise BadLabel(f'there are {len(others)} columns of text beside the image and {len(box)} '
                       'of numbers; expected a class and the four numbers of a box')
    values = [[number_of(row[i]) for i in box] for row in boxed]
    scale = sizes if max((v for row in values for v in row), default=0) > 1 else [(1, 1)] * len(
        boxed)
    forms = [form for form in (CORNERS, SIDES) if fits(form, values, scale)]
    if len(forms) != 1:
        raise BadLabel('it is not clear whether the numbers are x1, y1, x2, y2 or x, y, width, '
                       'height')
    return BoxColumns(image, tuple(box), forms[0], others[0] if others else None, size)
