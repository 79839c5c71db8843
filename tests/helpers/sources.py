"""A small data set in every annotation format, with its images: 60 x 40 pixels, two boxes each."""

import json
import pickle
from pathlib import Path

import cv2
import numpy as np

HEIGHT, WIDTH = 40, 60
LEFT, RIGHT = [5, 5, 20, 30], [30, 10, 20, 20]  # x, y, width, height
POLYGONS = [[5, 5, 25, 5, 25, 35, 5, 35]]  # along LEFT
CAPTION = 'A red box and a small blue box.'
RED, BLUE = [[0, 9]], [[14, 30]]
RLE = dict(size=[HEIGHT, WIDTH], counts=[5 * HEIGHT, 10 * HEIGHT, 45 * HEIGHT])


def write_image(path: Path) -> None:
    """A red and a blue rectangle on grey."""
    image = np.full((HEIGHT, WIDTH, 3), 114, dtype=np.uint8)
    for (x, y, width, height), color in ((LEFT, (0, 0, 255)), (RIGHT, (255, 0, 0))):
        image[y:y + height, x:x + width] = color
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def image_entry(number: int, name: str, **more) -> dict:
    """An entry of ``images``."""
    return dict(id=number, file_name=name, height=HEIGHT, width=WIDTH, **more)


def two_annotations(image_id: int, first: int = 1) -> list[dict]:
    """The two boxes of an image in COCO's form, the left one with a mask."""
    return [
        dict(id=first, image_id=image_id, category_id=1, bbox=LEFT, area=600, iscrowd=0,
             segmentation=POLYGONS),
        dict(id=first + 1, image_id=image_id, category_id=2, bbox=RIGHT, area=400, iscrowd=0)]


def write_json(path: Path, content: object) -> str:
    """``content`` as a JSON file; its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return str(path)


def coco_source(folder: Path, num_images: int = 3, suffix: str = 'png') -> dict:
    """A data set in COCO format; the config of a data set."""
    names = [f'coco_{i}.{suffix}' for i in range(num_images)]
    for name in names:
        write_image(folder / name)
    write_json(folder / 'coco.json', dict(
        images=[image_entry(i, name) for i, name in enumerate(names)],
        annotations=[a for i in range(num_images) for a in two_annotations(i, 2 * i + 1)],
        categories=[dict(id=1, name='red box'), dict(id=2, name='blue box'),
                    dict(id=3, name='green box')]))
    return dict(type='expalign.TextCocoDataset', ann_file=str(folder / 'coco.json'),
                data_prefix=dict(img=str(folder)))


def mdetr_source(folder: Path, num_images: int = 4) -> dict:
    """Captions with spans, as in Flickr30k's and GQA's files; the config of a data set."""
    images, annotations = [], []
    for i in range(num_images):
        write_image(folder / f'mdetr_{i}.png')
        images.append(image_entry(i, f'mdetr_{i}.png', caption=CAPTION, original_img_id=i))
        for annotation, spans in zip(two_annotations(i, 2 * i), (RED, BLUE), strict=True):
            annotations.append(annotation | dict(tokens_positive=spans))
    write_json(folder / 'mdetr.json', dict(images=images, annotations=annotations))
    return dict(type='expalign.MDETRGroundingDataset', ann_file=str(folder / 'mdetr.json'),
                data_prefix=dict(img=str(folder)))


def odvg_source(folder: Path) -> dict:
    """A detection line and a grounding line in one file; the config of a data set."""
    x, y, width, height = LEFT
    box = [x, y, x + width, y + height]
    lines = [
        dict(detection=dict(instances=[dict(bbox=box, label=1, category='red box', mask=RLE)])),
        dict(grounding=dict(caption=CAPTION, regions=[
            dict(bbox=box, phrase='A red box', tokens_positive=RED, mask=POLYGONS)]))]
    with open(folder / 'odvg.jsonl', 'w', encoding='utf-8') as file:
        for i, line in enumerate(lines):
            write_image(folder / f'odvg_{i}.png')
            line.update(filename=f'odvg_{i}.png', height=HEIGHT, width=WIDTH)
            file.write(json.dumps(line) + '\n')
    write_json(folder / 'label_map.json', {'0': 'green box', '1': 'red box'})
    return dict(type='expalign.ODVGDataset', data_root=str(folder), ann_file='odvg.jsonl',
                label_map_file='label_map.json', data_prefix=dict(img=''))


def refs_source(folder: Path, splits: tuple[str, ...] = ('train', 'train', 'val')) -> dict:
    """The official form of RefCOCO, an image for each split; the config of a data set."""
    images, annotations, refs = [], [], []
    for i, split in enumerate(splits):
        name = f'COCO_train2014_{i:012d}.png'
        write_image(folder / name)
        images.append(image_entry(i, name))
        annotations += two_annotations(i, 2 * i)
        for side, texts in enumerate((['left box', 'red one'], ['right box'])):
            refs.append(dict(ref_id=2 * i + side, ann_id=2 * i + side, image_id=i, split=split,
                             sentences=[dict(raw=text) for text in texts]))
    write_json(folder / 'instances.json', dict(
        images=images, annotations=annotations, categories=[]))
    (folder / 'refs(unc).p').write_bytes(pickle.dumps(refs, protocol=2))
    return dict(type='expalign.RefsDataset', data_root=str(folder), ann_file='instances.json',
                refs_file='refs(unc).p', data_prefix=dict(img=''))
