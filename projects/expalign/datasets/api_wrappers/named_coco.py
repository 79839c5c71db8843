"""COCO annotations whose categories are asked for by name."""

from collections.abc import Sequence

from mmdet.datasets.api_wrappers import COCO

from ..annotation_file import check_coco_format
from ..class_names import category_ids_of_classes


class NamedCategoryCOCO(COCO):
    """mmdet's ``COCO``, except that :meth:`get_cat_ids` follows the order of the names.

    The ids that mmdet returns come in the file's order and leave out, without a word, names that
    the file does not have; data sets then number their labels by these ids.
    """

    def __init__(self, annotation_file: str) -> None:
        try:
            super().__init__(annotation_file)
        except AssertionError as error:  # pycocotools asserts that the file holds a dict
            raise ValueError(
                f"annotation file '{annotation_file}' is not in COCO format: {error}") from error
        check_coco_format(self.dataset, annotation_file)
        self.annotation_file = annotation_file
        self._check_image_ids()

    def _check_image_ids(self) -> None:
        for image_id, annotations in self.imgToAnns.items():
            if image_id not in self.imgs:
                raise ValueError(
                    f"annotation file '{self.annotation_file}': annotation "
                    f"{annotations[0].get('id')!r} belongs to image {image_id!r}, which the file "
                    'does not have')

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
