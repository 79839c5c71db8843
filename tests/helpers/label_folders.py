"""Small data sets in the formats of label tools: images of 100 x 80 with the box ``BOX``."""

from pathlib import Path

from tests.helpers.annotations import write_image

BOX = (25, 20, 75, 60)
NAMES = ('red cup', 'blue plate')


def voc_object(name: str = NAMES[0], box: tuple = BOX, more: str = '') -> str:
    """An ``<object>``."""
    corners = ''.join(f'<{tag}>{v}</{tag}>' for tag, v in zip(
        ('xmin', 'ymin', 'xmax', 'ymax'), box, strict=True))
    return f'<object><name>{name}</name>{more}<bndbox>{corners}</bndbox></object>'


def voc_file(name: str, objects: str, size: tuple[int, int] | None = (100, 80)) -> str:
    """The text of a file of Pascal VOC's."""
    sides = '' if size is None else (
        f'<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>')
    return (f'<annotation><folder>x</folder><filename>{name}</filename>{sides}{objects}'
            '</annotation>')


def write_text(path: Path, text: str) -> Path:
    """Write text in UTF-8, with the folders on the way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding='utf-8')
    return path


def write_voc_folder(root: Path, images: int = 2) -> Path:
    """XML files beside their images in train and test."""
    for place, split in enumerate(('train', 'test')):
        for i in range(images):
            write_image(root / split / f'{i}.jpg', seed=100 * place + i)
            write_text(root / split / f'{i}.xml', voc_file(f'{i}.jpg', voc_object(NAMES[i % 2])))
    return root


def labelme_content(name: str, shapes: list[dict], **more) -> dict:
    """A file of labelme's; a shape without a kind is a rectangle along ``BOX``."""
    filled = [{'label': NAMES[0], 'points': [BOX[:2], BOX[2:]], 'group_id': None,
               'shape_type': 'rectangle', 'flags': {}, **shape} for shape in shapes]
    return {'version': '5.4.1', 'flags': {}, 'shapes': filled, 'imagePath': name,
            'imageData': None, 'imageHeight': 80, 'imageWidth': 100, **more}


def via_content(names: list[str], regions: list[dict], project: bool = True) -> dict:
    """A project of VIA 2, or its export; regions without a shape are rectangles along ``BOX``."""
    filled = [{'shape_attributes': {'name': 'rect', 'x': 25, 'y': 20, 'width': 50, 'height': 40},
               'region_attributes': {'class': NAMES[0]}, **region} for region in regions]
    entries = {f'{name}1234': {'filename': name, 'size': 1234, 'regions': filled,
                               'file_attributes': {}} for name in names}
    return {'_via_settings': {}, '_via_attributes': {}, '_via_img_metadata': entries} if (
        project) else entries


CVAT_BOX = '<box label="red cup" occluded="0" xtl="25" ytl="20" xbr="75" ybr="60" z_order="0"/>'


def cvat_file(images: str, labels: tuple[str, ...] = NAMES) -> str:
    """A file of CVAT for images 1.1."""
    listed = ''.join(f'<label><name>{name}</name></label>' for name in labels)
    return (f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version><meta>'
            f'<task><labels>{listed}</labels></task></meta>\n{images}\n</annotations>')


def cvat_image(name: str, shapes: str = CVAT_BOX, more: str = '') -> str:
    """An ``<image>``."""
    return f'<image id="0" name="{name}" width="100" height="80" {more}>{shapes}</image>\n'
