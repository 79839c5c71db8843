"""Folders of labelled photographs as strangers have them, made of the shipped photographs."""

import json
import shutil
from pathlib import Path

MINI = Path(__file__).parents[2] / 'demo' / 'data' / 'mini'
NAMES = ('person', 'car', 'dog', 'cat', 'bottle', 'chair', 'cup')


def photographs(count: int) -> list[tuple[Path, dict, list[tuple[str, list, list]]]]:
    """The first shipped photographs with a thing of :data:`NAMES`, training and validation ones.

    Returns:
        File, entry of the image, and (name, box as x, y, width, height, polygons) of the things.
    """
    found = []
    for split in ('train2017', 'val2017'):
        content = json.loads((MINI / f'annotations/instances_{split}.json').read_text())
        names = {category['id']: category['name'] for category in content['categories']}
        for image in content['images']:
            things = [(names[a['category_id']], a['bbox'], a['segmentation'])
                      for a in content['annotations'] if a['image_id'] == image['id']
                      and names[a['category_id']] in NAMES and not a.get('iscrowd')
                      and isinstance(a['segmentation'], list)]
            if things:
                found.append((MINI / split / image['file_name'], image, things))
    assert len(found) >= count
    return found[:count]


def write_yolo(root: Path, count: int) -> None:
    """Ultralytics' layout with boxes and without a validation part."""
    for file, image, things in photographs(count):
        _copy(file, root / 'images/train')
        rows = [f'{NAMES.index(name)} {(x + w / 2) / image["width"]} '
                f'{(y + h / 2) / image["height"]} {w / image["width"]} {h / image["height"]}'
                for name, (x, y, w, h), _ in things]
        _write(root / 'labels/train' / f'{file.stem}.txt', '\n'.join(rows))
    listed = '\n'.join(f'  {i}: {name}' for i, name in enumerate(NAMES))
    _write(root / 'data.yaml', f'path: .\ntrain: images/train\nnames:\n{listed}')


def write_voc(root: Path, count: int) -> None:
    """LabelImg's layout: an XML file beside each image."""
    for file, image, things in photographs(count):
        _copy(file, root)
        objects = ''.join(
            f'<object><name>{name}</name><bndbox><xmin>{round(x)}</xmin><ymin>{round(y)}</ymin>'
            f'<xmax>{round(x + w)}</xmax><ymax>{round(y + h)}</ymax></bndbox></object>'
            for name, (x, y, w, h), _ in things)
        _write(root / f'{file.stem}.xml', (
            f'<annotation><filename>{file.name}</filename><size><width>{image["width"]}</width>'
            f'<height>{image["height"]}</height><depth>3</depth></size>{objects}</annotation>'))


def write_roboflow(root: Path, count: int) -> None:
    """Roboflow's export of COCO: train and valid, each with its annotations beside the images."""
    found = photographs(count)
    for split, part in (('train', found[count // 4:]), ('valid', found[:count // 4])):
        content = dict(images=[], annotations=[], categories=[
            dict(id=0, name='things', supercategory='none'),
            *(dict(id=i, name=name, supercategory='things') for i, name in enumerate(NAMES, 1))])
        for number, (file, image, things) in enumerate(part):
            _copy(file, root / split)
            content['images'].append(dict(id=number, file_name=file.name, width=image['width'],
                                          height=image['height']))
            content['annotations'] += [
                dict(id=1000 * number + i, image_id=number, category_id=NAMES.index(name) + 1,
                     bbox=box, area=box[2] * box[3], iscrowd=0, segmentation=[])
                for i, (name, box, _) in enumerate(things)]
        _write(root / split / '_annotations.coco.json', json.dumps(content))


def write_labelme(root: Path, count: int) -> None:
    """labelme's layout: outlines, a JSON file beside each image."""
    for file, image, things in photographs(count):
        _copy(file, root)
        shapes = [dict(label=name, shape_type='polygon', group_id=None, flags={},
                       points=[list(point) for point in zip(
                           polygons[0][::2], polygons[0][1::2], strict=True)])
                  for name, _, polygons in things]
        _write(root / f'{file.stem}.json', json.dumps(dict(
            version='5.4.1', flags={}, shapes=shapes, imagePath=file.name, imageData=None,
            imageHeight=image['height'], imageWidth=image['width'])))


WRITERS = dict(yolo=write_yolo, voc=write_voc, roboflow=write_roboflow, labelme=write_labelme)


def _copy(file: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, folder)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + '\n')
