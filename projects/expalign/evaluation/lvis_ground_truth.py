"""The ground truth of LVIS, in the form in which evaluation reads it.

LVIS is federated: an image says which classes it has (its annotations), which it surely has not
(``neg_category_ids``) and of which not every instance is annotated
(``not_exhaustive_category_ids``). Of the other classes nothing is known in that image, and
detections of them count neither as hits nor as false alarms.
"""

import logging
import os
from collections import defaultdict
from weakref import WeakValueDictionary

import numpy as np
from lvis import LVIS

from expalign.datasets.annotation_file import check_annotation_file
from expalign.datasets.formats.coco import complete_annotation
from expalign.datasets.formats.coco_layout import (
    annotations_by_image,
    check_layout,
    complete_size,
    sortable_by_id,
)
from expalign.datasets.formats.fields import identifier
from expalign.datasets.formats.problems import AnnotationProblems
from expalign.datasets.formats.text_file import read_json

from .ground_truth_masks import read_masks

IMAGE_KEYS = ('neg_category_ids', 'not_exhaustive_category_ids')


class InMemoryLVIS(LVIS):
    """``lvis.LVIS`` from a dict instead of a file."""

    def __init__(self, dataset: dict) -> None:
        self.logger = logging.getLogger('lvis.lvis')
        self.dataset = dataset
        self._create_index()


class LVISGroundTruth:
    """Annotation file of LVIS (v0.5 or v1), indexed by image and by class.

    Images and categories are numbered in the order of their ids, as the official evaluator does.
    Ids of annotations are numbered anew from 1 (evaluators take 0 for "no match"), and an absent
    ``area`` is that of the box.

    Args:
        ann_file: path of the file.
        backend_args: mmengine's file backend; local files by default.

    Attributes:
        api: the official ``lvis.LVIS`` object.
        image_ids: sorted ids; the position is the image's number.
        category_ids: sorted ids; the position is the category's number.
        image_numbers: image id to number.
        category_numbers: category id to number.
        annotations: category number to its annotations.
        maskless: ids of the annotations without a mask, once :meth:`read_masks` was called.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not in LVIS format, or has an annotation that cannot be evaluated.
    """

    def __init__(self, ann_file: str, backend_args: dict | None = None) -> None:
        check_annotation_file(ann_file, "'ann_file' of the evaluator", backend_args)
        content = read_json(ann_file, backend_args, 'annotation file')
        check_layout(content, ann_file)
        problems = AnnotationProblems(ann_file, strict=True)
        images = sortable_by_id(content['images'], 'image', problems)
        annotations_by_image(content, images, problems)
        for image in images.values():
            complete_size(image, f"annotation file '{ann_file}', image {image['id']!r}")
        sortable_by_id(content['categories'], 'category', problems)
        for number, annotation in enumerate(content['annotations'], start=1):
            complete_annotation(
                annotation, f"annotation file '{ann_file}', image {annotation.get('image_id')!r}, "
                            f"annotation {annotation.get('id')!r}")
            annotation['id'] = number
        _check_lvis_format(content, ann_file)
        self.ann_file = ann_file
        self.maskless: set[int] | None = None
        self.api = InMemoryLVIS(content)
        self.image_ids = sorted(self.api.get_img_ids())
        self.category_ids = sorted(self.api.get_cat_ids())
        self.image_numbers = {key: number for number, key in enumerate(self.image_ids)}
        self.category_numbers = {key: number for number, key in enumerate(self.category_ids)}
        self.annotations: dict[int, list[dict]] = defaultdict(list)
        for annotation in self.api.dataset['annotations']:
            self.annotations[self.category_numbers[annotation['category_id']]].append(annotation)

    def read_masks(self) -> None:
        """Check every mask and find the instances without one; see :func:`read_masks`."""
        if self.maskless is None:
            self.maskless = read_masks(
                self.api.dataset['annotations'], self.api.imgs, self.ann_file)

    @property
    def categories(self) -> list[dict]:
        """The categories by number."""
        return self.api.load_cats(self.category_ids)

    def countable(self, image_id: int) -> np.ndarray:
        """(categories) bool: those of which a detection in the image counts."""
        counts = np.zeros(len(self.category_ids), dtype=bool)
        present = {a['category_id'] for a in self.api.img_ann_map.get(image_id, ())}
        absent = self.api.imgs[image_id]['neg_category_ids']
        counts[[self.category_numbers[key] for key in present.union(absent)]] = True
        return counts


_shared: WeakValueDictionary[tuple, LVISGroundTruth] = WeakValueDictionary()


def shared_ground_truth(ann_file: str, backend_args: dict | None = None) -> LVISGroundTruth:
    """One object for all metrics of a run that read the same file; nobody may change it."""
    changed = os.stat(ann_file).st_mtime_ns if os.path.exists(ann_file) else None
    key = str(ann_file), changed, repr(backend_args)
    truth = _shared.get(key)
    if truth is None:
        truth = _shared[key] = LVISGroundTruth(ann_file, backend_args)
    return truth


def _check_lvis_format(content: dict, path: str) -> None:
    for image in content['images']:
        for key in IMAGE_KEYS:
            if not isinstance(image.get(key), list) or None in map(identifier, image[key]):
                raise ValueError(f"annotation file '{path}' is not in LVIS format: image "
                                 f'{image.get("id")} has no {key!r}, a list of ids')
    known = {category['id'] for category in content['categories']}
    for image in content['images']:
        strange = set(image['neg_category_ids']) - known
        if strange:
            raise ValueError(f"annotation file '{path}', image {image.get('id')}: "
                             f"'neg_category_ids' has {min(strange)}, which is no category of it")
    for annotation in content['annotations']:
        if annotation['category_id'] not in known:
            raise ValueError(f"annotation file '{path}', annotation {annotation.get('id')} of "
                             f"image {annotation.get('image_id')}: {annotation['category_id']} is "
                             'no category of it')
        if annotation.get('ignore') or annotation.get('iscrowd'):
            raise ValueError(f"annotation file '{path}' is not in LVIS format: annotation "
                             f"{annotation.get('id')} is marked 'ignore' or 'iscrowd', which LVIS "
                             'does not have')
    for category in content['categories']:
        if category.get('frequency') not in ('r', 'c', 'f'):
            raise ValueError(f"annotation file '{path}' is not in LVIS format: category "
                             f"{category.get('name')!r} has the 'frequency' "
                             f"{category.get('frequency')!r}, not 'r', 'c' or 'f'")
