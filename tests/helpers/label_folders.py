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
