"""The ground truth of COCO-style metrics, in the form that their evaluators take for granted.

COCOeval takes the annotation id 0 for "no match", reads ``area`` and ``iscrowd`` of every
annotation and, for masks, a ``segmentation`` of each. Files of other people have ids from 0,
twice or negative, and leave the rest out.
"""

from mmdet.datasets.api_wrappers import COCO

from expalign.datasets.api_wrappers import NamedCategoryCOCO
from expalign.datasets.formats.coco import complete_annotation
from expalign.datasets.formats.coco_layout import complete_size
from expalign.utils.shown import shown

from .ground_truth_masks import ignored_region, read_masks


class CocoGroundTruth(NamedCategoryCOCO):
    """An annotation file for evaluation.

    Ids of annotations are numbered anew from 1. An absent ``area`` is width x height of the box,
    an absent ``iscrowd`` 0. With ``masks`` every segmentation is read before anything is run.

    Args:
        annotation_file: local path.
        masks: whether masks are to be evaluated.
        name: what the file is called in messages; by default its path.

    Attributes:
        maskless: ids of the annotations, crowds aside, that have no mask; empty without ``masks``.

    Raises:
        ValueError: the file is not in COCO format, or an annotation cannot be evaluated (a box
            that is none, an ``area`` that is no number, a damaged mask or one of another size);
            the message has the file, the image and the annotation.
    """

    def __init__(self, annotation_file: str, masks: bool = False, name: str | None = None) -> None:
        self.name = name or annotation_file
        self.maskless: set[int] = set()
        super().__init__(annotation_file)
        if masks:
            self.maskless = read_masks(self.dataset['annotations'], self.imgs, self.name)

    def createIndex(self) -> None:
        """Complete images and annotations, then number and index the annotations."""
        for image in self.dataset['images']:
            complete_size(
                image, f"annotation file '{self.name}', image {shown(image.get('id'))}")
        for annotation in self.dataset['annotations']:
            complete_annotation(
                annotation, f"annotation file '{self.name}', image {annotation.get('image_id')!r}, "
                            f"annotation {annotation.get('id')!r}")
        super().createIndex()

    def for_masks(self) -> COCO:
        """The ground truth of mask AP: an instance without a mask is a region to ignore."""
        view = COCO()
        view.dataset = {**self.dataset, 'annotations': [
            ignored_region(a) if a['id'] in self.maskless else a
            for a in self.dataset['annotations']]}
        view.createIndex()
        return view
