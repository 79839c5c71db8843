"""LVIS v1's annotation files in the form that COCO's have."""

from ..formats.lvis_names import clean_lvis_names
from .named_coco import NamedCategoryCOCO


class LVISCOCO(NamedCategoryCOCO):
    """An LVIS file with cleaned category names, and file names from ``coco_url``.

    Raises:
        ValueError: an image has neither ``coco_url`` nor ``file_name``.
    """

    def __init__(self, annotation_file: str) -> None:
        super().__init__(annotation_file)
        categories = self.dataset['categories']
        names = clean_lvis_names([category['name'] for category in categories])
        for category, name in zip(categories, names, strict=True):
            category['name'] = name
        for image in self.dataset['images']:
            image['file_name'] = self._file_name(image)

    def _file_name(self, image: dict) -> str:
        """The last folder and the name, as in ``train2017/000000391895.jpg``."""
        address = image.get('coco_url', image.get('file_name'))
        if not isinstance(address, str):
            raise ValueError(f"annotation file '{self.annotation_file}', image "
                             f"{image.get('id')!r}: neither 'coco_url' nor 'file_name'")
        return '/'.join(address.split('/')[-2:])
