"""A user's data as the recipes read it: checked, cleaned, split, with one list of classes."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.config import ConfigDict

from expalign.data_tools.checks.check import SourceCheck
from expalign.data_tools.checks.sources import sources_of_split
from expalign.datasets.formats.text_file import read_json
from expalign.structures.exclusive_boxes import box_iou
from expalign.structures.known_classes import KnownClasses
from expalign.utils import finished_file, scratch_folder
from expalign.utils.links import is_link, link

from .splitting import SEED, SHARE, split_images

SAME_PLACE = 0.7  # IoU: two boxes of one thing
RARELY = 0.01  # share of boxes that may lie on one of another class where classes exclude others

Split = tuple[str, str]  # annotation file in COCO's layout, folder of images


@dataclass(frozen=True)
class Prepared:
    """A folder that the recipes take as ``data``.

    Attributes:
        folder: with ``annotations/{train,val}.json``, ``train`` and ``val``.
        classes: names, in the order of the labels.
        images: number of them, by split.
        boxes: number of boxes of each class, by split.
        masks: whether there are outlines to train and to measure masks by.
        exclusive: whether a thing is of one class alone; see :func:`classes_exclude`.
        how_split: where the validation images come from, in words.
        report: of the check, in lines.
        problems: that it found.
    """

    folder: Path
    classes: tuple[str, ...]
    images: dict[str, int]
    boxes: dict[str, list[int]]
    masks: bool
    exclusive: bool
    how_split: str
    report: str
    problems: int


def prepare(
    splits: Mapping[str, Split], classes: tuple[str, ...], folder: str | Path,
    share: float = SHARE, seed: int = SEED,
) -> Prepared:
    """Check a data set as ``expalign check`` does, and write what is in order.

    What the check calls a problem is left out or repaired as with its ``--fix-to``, and is in the
    report. Images stay where they are; ``folder`` gets links to their folders.

    Args:
        splits: ``'train'`` and perhaps ``'val'`` and ``'test'``.
        classes: names in the order of the labels; each file has them as categories.
        folder: to write.
        share, seed: of the validation images where there is no split for them, see
            :func:`~.splitting.split_images`.

    Raises:
        ValueError: there is nothing to train on or to validate with, or two classes have one name
            up to case and white space.
    """
    folder = Path(folder)
    KnownClasses(classes)  # of names that are one prompt a model could not tell classes apart
    parts, how = _parts(splits)
    reports, problems, contents = [], 0, {}
    digests: dict[bytes, str] = {}
    with scratch_folder(folder.parent, folder.name) as scratch:
        # Validation first: an image that both have stays there.
        for name in sorted(parts, reverse=True):
            contents[name], check = _checked(name, parts[name], classes, digests, scratch)
            reports.append(check.findings.report())
            problems += sum(check.findings.problems.values())
    if 'val' not in contents:
        contents, how = _split(contents['train'], share, seed)
        parts = dict(train=parts['train'], val=parts['train'])
    for name, content in contents.items():
        if not content['annotations']:
            purpose = 'train on' if name == 'train' else 'validate with'
            raise ValueError(f'none of the images to {purpose} has a box of one of the classes, '
                             f'{", ".join(classes[:8])}, that is in order:\n{reports[-1]}')
        with finished_file(folder / 'annotations' / f'{name}.json') as path:
            path.write_text(json.dumps(content), encoding='utf-8')
        _link(folder / name, Path(parts[name][1]))
    return Prepared(
        folder, classes, {name: len(content['images']) for name, content in contents.items()},
        {name: _box_counts(content, len(classes)) for name, content in contents.items()},
        all(_has_outlines(content) for content in contents.values()),
        classes_exclude(contents['train']), how, '\n\n'.join(reports), problems)


def _parts(splits: Mapping[str, Split]) -> tuple[dict[str, Split], str]:
    """Training and, if there is some, validation part, and what is said about it."""
    if 'train' not in splits:
        raise ValueError(f'there is no training part, only {", ".join(splits)}')
    if 'val' in splits:
        return dict(train=splits['train'], val=splits['val']), 'the validation part of the data'
    if 'test' in splits:
        return dict(train=splits['train'], val=splits['test']), (
            'the test part of the data, which has no validation part')
    return dict(train=splits['train']), ''


def _checked(name: str, part: Split, classes: tuple[str, ...], digests: dict[bytes, str],
             scratch: Path) -> tuple[dict, SourceCheck]:
    """What is in order of a part, in COCO's layout with ids of its own, and the check."""
    dataset = dict(type='expalign.TextCocoDataset', ann_file=part[0],
                   data_prefix=dict(img=str(Path(part[1])) + '/'), metainfo=dict(classes=classes),
                   filter_cfg=dict(filter_empty_gt=False))
    cfg = ConfigDict({f'{name}_dataloader': dict(dataset=dict(dataset, pipeline=[]))})
    (source,) = sources_of_split(cfg, name)
    check = SourceCheck(source, name, digests)
    check.run()
    check.write(str(scratch / f'{name}.json'))
    content = read_json(str(scratch / f'{name}.json'), None, 'annotation file')
    return _renumbered(content, classes), check


def _renumbered(content: dict, classes: tuple[str, ...]) -> dict:
    """The content with categories in the order of the classes and ids from 1."""
    labels = {category['id']: classes.index(category['name'].strip()) + 1
              for category in content['categories'] if category['name'].strip() in classes}
    images = {image['id']: dict(image, id=number)
              for number, image in enumerate(content['images'], 1)}
    annotations = [
        dict(annotation, category_id=labels[annotation['category_id']],
             image_id=images[annotation['image_id']]['id'])
        for annotation in content['annotations']
        if annotation['category_id'] in labels and annotation['image_id'] in images]
    return dict(
        images=list(images.values()),
        annotations=[dict(annotation, id=n) for n, annotation in enumerate(annotations, 1)],
        categories=[dict(id=n, name=name) for n, name in enumerate(classes, 1)])


def _split(content: dict, share: float, seed: int) -> tuple[dict[str, dict], str]:
    labels: dict[int, list[int]] = {image['id']: [] for image in content['images']}
    for annotation in content['annotations']:
        labels[annotation['image_id']].append(annotation['category_id'])
    chosen = split_images([image['file_name'] for image in content['images']],
                          list(labels.values()), share, seed)
    ids = {content['images'][place]['id'] for place in chosen}
    parts = {}
    for name, own in (('train', labels.keys() - ids), ('val', ids)):
        parts[name] = dict(
            images=[image for image in content['images'] if image['id'] in own],
            annotations=[a for a in content['annotations'] if a['image_id'] in own],
            categories=content['categories'])
    return parts, (f'drawn by seed {seed} from all {len(labels)} so that as many classes as can be '
                   'are validated and all are trained')


def _link(place: Path, folder: Path) -> None:
    """Make ``place`` lead to ``folder``; an older link is replaced."""
    if is_link(place):
        place.unlink()
    place.parent.mkdir(parents=True, exist_ok=True)
    link(folder, place)


def _box_counts(content: dict, num_classes: int) -> list[int]:
    counts = Counter(a['category_id'] for a in content['annotations'] if not a.get('iscrowd'))
    return [counts[label + 1] for label in range(num_classes)]


def _has_outlines(content: dict) -> bool:
    return any(a.get('segmentation') and not a.get('iscrowd') for a in content['annotations'])


def classes_exclude(content: dict) -> bool:
    """Whether classes exclude one another: boxes of different ones (almost) never share a place.

    That is, of those that lie on another box by an IoU of 0.7 and more, boxes on one of another
    class are at most one in a hundred of all. With one class it makes no difference: False.
    """
    if len(content['categories']) < 2:
        return False
    boxes: dict[int, list] = {}
    for annotation in content['annotations']:
        boxes.setdefault(annotation['image_id'], []).append(annotation)
    shared = total = 0
    for found in boxes.values():
        corners = np.array([(x, y, x + w, y + h) for x, y, w, h in (a['bbox'] for a in found)])
        labels = np.array([a['category_id'] for a in found])
        other = labels[:, None] != labels[None]
        shared += int(((box_iou(corners, corners) >= SAME_PLACE) & other).any(1).sum())
        total += len(found)
    return shared <= RARELY * total
