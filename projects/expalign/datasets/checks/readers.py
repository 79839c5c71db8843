"""Annotation files as lists of :class:`Entry`, one reader a format, and writers of cleaned ones."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress

from mmengine.fileio import join_path

from expalign.convert.data.coco_writer import coco_writer

from ..annotation_file import check_annotation_file
from ..class_names import names_of_categories
from ..formats.class_text import read_class_text
from ..formats.coco_layout import check_layout
from ..formats.lvis_names import clean_lvis_names
from ..formats.mdetr import PARTS, spanned_phrase
from ..formats.record import clean_phrase, image_size, xyxy
from ..formats.refs import expressions, read_refs, refs_of_splits
from ..formats.text_file import read_json
from ..lvis import LVISV1Dataset
from .entries import Decision, Entry, Item, Prompts
from .findings import Findings


def safe_size(image: dict) -> tuple[int, int] | None:
    """(height, width) of an image entry, or None if it has none that can be."""
    try:
        return image_size(image, '')
    except ValueError:
        return None


class CocoReader:
    """Files in COCO's layout: COCO, Objects365, LVIS, a folder of one's own.

    Args:
        dataset: a ``TextCocoDataset`` that was built with ``lazy_init=True``.
    """

    PARTS = ('images', 'annotations')
    text_kind = 'detection'

    def __init__(self, dataset) -> None:
        self.dataset = dataset
        self.folder = dataset.data_prefix.get('img', '')
        check_annotation_file(
            dataset.ann_file, "'ann_file' and 'data_root' of the dataset", dataset.backend_args)
        self.content = read_json(dataset.ann_file, dataset.backend_args)
        self._check_format()

    def _check_format(self) -> None:
        check_layout(self.content, self.dataset.ann_file)
        names = [category['name'] for category in self.content['categories']]
        if isinstance(self.dataset, LVISV1Dataset):
            names = clean_lvis_names(names)
        self.names = {category['id']: name.strip() for category, name in zip(
            self.content['categories'], names, strict=True)}

    def prompts(self) -> Prompts:
        """The config's classes, or the file's."""
        known = names_of_categories([dict(name=name) for name in self.names.values()])
        classes = self.dataset.metainfo.get('classes') or known
        if self.dataset.class_text_path:
            read_class_text(self.dataset.class_text_path, classes)
        return Prompts(tuple(classes), tuple(name for name in classes if name not in known))

    def entries(self, findings: Findings) -> Iterator[Entry]:
        """All image entries with their annotations."""
        grouped = defaultdict(list)
        for annotation in self.content['annotations']:
            grouped[annotation.get('image_id')].append(annotation)
        seen = set()
        for image in self.content['images']:
            if image['id'] in seen:
                findings.problems.note('image ids that occur twice', image['id'])
                continue
            seen.add(image['id'])
            name = self.file_name(image)
            if not isinstance(name, str):
                findings.problems.note('image entries without a file name', image['id'])
                continue
            items = [self.item(a, image) for a in grouped.pop(image['id'], ())]
            yield Entry(image, name, self.path(name), safe_size(image), items)
        for number, annotations in grouped.items():
            findings.problems.note('annotations whose image is not listed', f'image {number}',
                                   len(annotations))

    def path(self, name: str) -> str:
        """Where an image is."""
        return join_path(self.folder, name) if self.folder else name

    def file_name(self, image: dict) -> str | None:
        """The image's path below the folder of images."""
        if isinstance(self.dataset, LVISV1Dataset) and isinstance(image.get('coco_url'), str):
            return '/'.join(image['coco_url'].split('/')[-2:])
        return image.get('file_name')

    def item(self, annotation: dict, image: dict) -> Item:
        """One annotation."""
        return Item(
            xyxy(annotation.get('bbox')), self.names.get(annotation.get('category_id')),
            annotation.get('segmentation'),
            bool(annotation.get('iscrowd') or annotation.get('ignore')), annotation)

    def write(self, path: str, kept: Iterator[tuple[Entry, list[Decision]]]) -> tuple[int, int]:
        """Write a cleaned file; returns the numbers of images and annotations."""
        extra = {key: value for key, value in self.content.items()
                 if key not in (*self.PARTS, 'categories')}
        with coco_writer(path, self.content.get('categories', ()), **extra) as writer:
            for entry, decisions in kept:
                writer.add_image(entry.raw)
                for item, decision in zip(entry.items, decisions, strict=True):
                    if decision.box is not None:
                        writer.add_annotation(_cleaned(item, decision))
        return writer.num_images, writer.num_annotations


def _cleaned(item: Item, decision: Decision) -> dict:
    annotation = dict(item.key)
    if not decision.keep_mask:
        del annotation['segmentation']
    if decision.box != item.box:
        x1, y1, x2, y2 = decision.box
        annotation['bbox'] = [x1, y1, x2 - x1, y2 - y1]
        if not annotation.get('segmentation'):
            annotation['area'] = (x2 - x1) * (y2 - y1)
    return annotation


class MDETRReader(CocoReader):
    """Grounding files in MDETR's form."""

    text_kind = 'grounding'

    def _check_format(self) -> None:
        check_layout(self.content, self.dataset.ann_file, PARTS, "MDETR's")

    def prompts(self) -> Prompts:
        """Phrases are each image's own."""
        return Prompts(None)

    def item(self, annotation: dict, image: dict) -> Item:
        """One annotation, named by its spans of the caption."""
        caption, phrase = image.get('caption'), None
        with suppress(TypeError, ValueError):  # then without a name, which the check counts
            phrase = caption if self.dataset.whole_caption else spanned_phrase(
                caption, annotation.get('tokens_positive'))
        return Item(xyxy(annotation.get('bbox')), clean_phrase(phrase or '') or None,
                    annotation.get('segmentation'), bool(annotation.get('iscrowd')), annotation)


class RefsReader(CocoReader):
    """Official referring expressions with ``instances.json``."""

    text_kind = 'grounding'

    def prompts(self) -> Prompts:
        """Expressions are each image's own."""
        return Prompts(None)

    def entries(self, findings: Findings) -> Iterator[Entry]:
        """The images that the splits' references name, with the objects that they name."""
        path = self.dataset.refs_file
        check_annotation_file(path, "'refs_file' and 'data_root' of the dataset")
        images = {image['id']: image for image in self.content['images']}
        objects = {a['id']: a for a in self.content['annotations']}
        grouped = defaultdict(list)
        for ref in refs_of_splits(read_refs(path), self.dataset.splits, path):
            grouped[ref['image_id']].append(ref)
        for number, refs in grouped.items():
            if number not in images:
                findings.problems.note('references whose image is not listed', number, len(refs))
                continue
            items = []
            for ref in refs:
                if ref['ann_id'] not in objects:
                    findings.problems.note('references whose object is not listed', ref['ann_id'])
                    continue
                annotation = objects[ref['ann_id']]
                texts = expressions(ref)
                items.append(Item(xyxy(annotation.get('bbox')), texts[0] if texts else None,
                                  annotation.get('segmentation'), key=annotation))
            image = images[number]
            yield Entry(image, image['file_name'], self.path(image['file_name']),
                        safe_size(image), items)

    def write(self, path: str, kept: Iterator[tuple[Entry, list[Decision]]]) -> tuple[int, int]:
        """Not possible: references name their objects by id, and would miss them.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"--fix-to cannot clean the references '{self.dataset.refs_file}': "
                         'convert them with refcoco2odvg.py and clean the result')
