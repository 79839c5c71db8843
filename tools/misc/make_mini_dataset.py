"""Select the photographs of ``demo/data/mini`` from a folder in COCO layout.

    python tools/misc/make_mini_dataset.py SOURCE --output demo/data/mini

SOURCE holds ``train2017/``, ``val2017/`` and ``annotations/instances_{train,val}2017.json`` of COCO
2017, or a part of it. The choice is deterministic: among the photographs whose licence allows
redistribution, those in which the largest share of the objects is big enough to be learnt by a
small detector; for the validation half, objects of classes that the training half has come first.
Image files are copied byte for byte, annotations keep every field, categories are cut down to the
classes that occur and stay in COCO's order.
"""

import argparse
import json
import shutil
from collections import defaultdict
from pathlib import Path

LICENSES = (4, 5, 7)  # CC BY 2.0, CC BY-SA 2.0, no known copyright restrictions
NUM_IMAGES = 24
MAX_INSTANCES = 16
MIN_BOX_SHARE = 0.005  # of the image's area: a box below it counts as too small to be learnt
MAX_TOTAL_BYTES = 8_000_000
SKIPPED = {
    24577: 'a site address is printed on it',
    114174: 'a rendering, not a photograph',
    168974: 'a portrait of a small child',
    216794: 'its one object is half hidden',
}

ATTRIBUTION_HEAD = """\
# Attribution

The photographs in this folder are part of COCO 2017 (Lin et al., "Microsoft COCO: Common Objects
in Context", https://cocodataset.org) and belong to the people who published them on Flickr. Each is
redistributed under the licence in its row. None has been changed: the files are COCO's own, byte
for byte. COCO records the address of a photograph and its licence, not the photographer's name; an
address of the form `http://farmX.staticflickr.com/SERVER/ID_SECRET_z.jpg` belongs to the Flickr
photo page `https://www.flickr.com/photo.gne?id=ID`, which gives it.

The annotations are COCO's (the COCO Consortium, Creative Commons Attribution 4.0,
https://creativecommons.org/licenses/by/4.0/), cut down to these photographs and to the classes that
occur in them by `tools/misc/make_mini_dataset.py`.

| file | photograph | licence |
|---|---|---|
"""


def load_split(source: Path, split: str) -> tuple[dict, dict]:
    """Return the annotation file of ``split`` and its annotations grouped by image id."""
    with open(source / 'annotations' / f'instances_{split}2017.json', encoding='utf-8') as file:
        data = json.load(file)
    by_image = defaultdict(list)
    for annotation in data['annotations']:
        by_image[annotation['image_id']].append(annotation)
    return data, by_image


def learnable_share(image: dict, annotations: list, classes: set | None) -> float:
    """Share of the image's objects that are big enough and, if given, of one of ``classes``."""
    min_area = MIN_BOX_SHARE * image['width'] * image['height']
    good = [
        annotation['bbox'][2] * annotation['bbox'][3] >= min_area
        and (classes is None or annotation['category_id'] in classes)
        for annotation in annotations
    ]
    return sum(good) / len(good)


def select_images(data: dict, by_image: dict, classes: set | None = None) -> list[dict]:
    """Return the ``NUM_IMAGES`` best images, ordered by id."""
    ranked = []
    for image in data['images']:
        annotations = by_image[image['id']]
        usable = (
            image.get('license') in LICENSES
            and image['id'] not in SKIPPED
            and 0 < len(annotations) <= MAX_INSTANCES
            and all(a.get('segmentation') and not a['iscrowd'] for a in annotations))
        if usable:
            share = learnable_share(image, annotations, classes)
            ranked.append((-share, len(annotations), image['id'], image))
    ranked.sort(key=lambda row: row[:3])
    if len(ranked) < NUM_IMAGES:
        raise ValueError(f'only {len(ranked)} images qualify, {NUM_IMAGES} are needed')
    return sorted((row[3] for row in ranked[:NUM_IMAGES]), key=lambda image: image['id'])


def classes_of(images: list, by_image: dict) -> set:
    return {a['category_id'] for image in images for a in by_image[image['id']]}


def write_split(source: Path, output: Path, split: str, data: dict, annotations: list,
                images: list, categories: list) -> None:
    """Copy the images of one split and write its annotation file."""
    folder = output / f'{split}2017'
    folder.mkdir(parents=True)
    for image in images:
        shutil.copyfile(source / folder.name / image['file_name'], folder / image['file_name'])
    used = {image['license'] for image in images}
    content = {
        'info': {
            'description': f'{len(images)} photographs of COCO 2017 {split}, see ATTRIBUTION.md',
            'url': 'https://cocodataset.org',
            'contributor': 'COCO Consortium',
        },
        'licenses': [item for item in data['licenses'] if item['id'] in used],
        'images': images,
        'annotations': annotations,
        'categories': categories,
    }
    path = output / 'annotations' / f'instances_{split}2017.json'
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, separators=(',', ':')) + '\n', encoding='utf-8')


def attribution_rows(split: str, images: list, licenses: list) -> list[str]:
    by_id = {item['id']: item for item in licenses}
    rows = []
    for image in images:
        item = by_id[image['license']]
        rows.append(f'| `{split}2017/{image["file_name"]}` | {image["flickr_url"]} '
                    f'| [{item["name"]}]({item["url"]}) |')
    return rows


def make_mini_dataset(source: Path, output: Path) -> None:
    """Write the data set to ``output``, which must not exist yet."""
    output.mkdir(parents=True)
    splits = {split: load_split(source, split) for split in ('train', 'val')}
    images = {'train': select_images(*splits['train'])}
    classes = classes_of(images['train'], splits['train'][1])
    images['val'] = select_images(*splits['val'], classes=classes)
    classes |= classes_of(images['val'], splits['val'][1])

    rows = []
    for split, (data, by_image) in splits.items():
        categories = [item for item in data['categories'] if item['id'] in classes]
        annotations = [a for image in images[split] for a in by_image[image['id']]]
        write_split(source, output, split, data, annotations, images[split], categories)
        rows += attribution_rows(split, images[split], data['licenses'])
    (output / 'ATTRIBUTION.md').write_text(
        ATTRIBUTION_HEAD + '\n'.join(rows) + '\n', encoding='utf-8')

    total = sum(path.stat().st_size for path in output.rglob('*') if path.is_file())
    if total > MAX_TOTAL_BYTES:
        raise ValueError(f'{output} has {total} bytes, the limit is {MAX_TOTAL_BYTES}')
    print(f'{output}: {len(rows)} photographs, {len(classes)} classes, {total / 1e6:.2f} MB')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('source', type=Path, help='folder in COCO layout')
    parser.add_argument('--output', type=Path, required=True, help='folder to make')
    return parser.parse_args()


if __name__ == '__main__':
    args = parse_args()
    make_mini_dataset(args.source, args.output)
