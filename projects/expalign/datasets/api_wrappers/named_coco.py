"""COCO annotations whose categories are asked for by name."""

from collections.abc import Sequence

from mmdet.datasets.api_wrappers import COCO

from expalign.datasets.class_names import category_ids_of_classes
from expalign.datasets.formats.coco_layout import (
    annotations_by_image,
    check_layout,
    named_categories,
    sortable_by_id,
)
from expalign.datasets.formats.fields import identifier
from expalign.datasets.formats.problems import AnnotationProblems
from expalign.datasets.formats.text_file import read_json


class NamedCategoryCOCO(COCO):
    """mmdet's ``COCO``, except that :meth:`get_cat_ids` follows the order of the names.

    The ids that mmdet returns come in the file's order and leave out, without a word, names that
    the file does not have; data sets then number their labels by these ids.

    Raises:
        ValueError: the file is not in COCO format; the message has the file and the place in it.
    """

    def __init__(self, annotation_file: str) -> None:
        super().__init__()
        problems = AnnotationProblems(annotation_file, strict=True)
        self.annotation_file = annotation_file
        self.dataset = read_json(annotation_file, what='annotation file')
        check_layout(self.dataset, annotation_file)
        images = sortable_by_id(self.dataset['images'], 'image', problems)
        named_categories(self.dataset, problems)
        annotations_by_image(self.dataset, images, problems)
        self.createIndex()

    def createIndex(self) -> None:
        """Number the annotations from 1, as ids may be absent or occur twice, and index them."""
        for number, annotation in enumerate(self.dataset['annotations'], 1):
            annotation['id'] = number
            annotation['category_id'] = identifier(annotation.get('category_id'))
        super().createIndex()

    def get_cat_ids(self, cat_names: Sequence[str] = (), sup_names: Sequence[str] = (),
                    cat_ids: Sequence[int] = ()) -> list[int]:
        """Return the ids of ``cat_names`` in this order; without names, as mmdet does.

        Raises:
            ValueError: a name that the file does not have, see ``category_ids_of_classes``.
        """
        if not cat_names:
            return super().get_cat_ids(cat_names, sup_names, cat_ids)
        used = {cat_id for cat_id, image_ids in self.cat_img_map.items() if image_ids}
        return category_ids_of_classes(
            cat_names, self.dataset['categories'], self.annotation_file, used)
