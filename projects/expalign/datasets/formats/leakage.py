"""Which training images would leak into an evaluation, and are dropped.

Images are matched by what their source itself says about them: a COCO-style file name or URL,
MDETR's ``data_source``, Visual Genome's ``coco_id``. Bare numbers of two sources never are: image
285 of one set has nothing to do with image 285 of another.
"""

import re
from collections.abc import Sequence

from .fields import identifier
from .refs import read_refs
from .text_file import read_json

# Names of 2014's files; of 2017's the number alone, so its folder must be there to tell.
COCO_LINK = re.compile(
    r'COCO_(?:train|val)2014_(\d{12})|(?:^|/)(?:train|val)20(?:14|17)/(\d{12})\.\w+$')
LINK_KEYS = ('file_name', 'coco_url')


def coco_id(image: dict) -> int | None:
    """The id of the COCO train or val image that an entry of ``images`` is, by name or URL."""
    for key in LINK_KEYS:
        found = COCO_LINK.search(str(image.get(key, '')))
        if found:
            return int(found[1] or found[2])
    return None


class CocoLeakage:
    """For Objects365, Flickr30k and GQA: whatever is linked to COCO train or val is dropped.

    Args:
        vg_image_data: Visual Genome's ``image_data.json``, for entries whose ``original_img_id`` is
            Visual Genome's (GQA), not for others.
    """

    def __init__(self, vg_image_data: str | None = None) -> None:
        entries = read_json(vg_image_data) if vg_image_data else []
        if not isinstance(entries, list) or not all(
                isinstance(entry, dict) and identifier(entry.get('image_id')) is not None
                for entry in entries):
            raise ValueError(f"file '{vg_image_data}' is not Visual Genome's image_data.json: a "
                             "list of objects with 'image_id' and 'coco_id' is expected")
        self._in_coco = {
            identifier(entry['image_id']) for entry in entries if entry.get('coco_id') is not None}

    def reason(self, image: dict) -> str | None:
        """Why an entry of ``images`` is dropped; None if it is kept."""
        if coco_id(image) is not None:
            return 'COCO by file name or URL'
        if image.get('data_source') == 'coco':
            return "COCO by 'data_source'"
        original = identifier(image.get('original_img_id'))  # anything else is no key
        if image.get('data_source') != 'flickr' and original in self._in_coco:
            return "COCO by Visual Genome's 'coco_id'"
        return None

    def note(self) -> str:
        """What is to be said about the images that were kept."""
        return ''


class RefCocoLeakage:
    """For RefCOCO, RefCOCO+ and RefCOCOg, whose images all are of COCO train2014.

    Dropped are images of COCO val2017 (which has all of LVIS minival) and images of any val or
    test split of any of the three sets. :meth:`note` has the number of kept images of LVIS val.

    Args:
        coco_val: COCO's ``instances_val2017.json``.
        splits: the files that tell the evaluation splits of all three sets: official
            ``refs(*).p``, or MDETR's ``finetune_*_{val,testA,testB,test}.json``.
        lvis_val: LVIS's ``lvis_v1_val.json``.
    """

    def __init__(self, coco_val: str, splits: Sequence[str], lvis_val: str | None = None) -> None:
        self._coco_val = {image['id'] for image in _images(coco_val)}
        self._evaluated = set().union(*map(evaluated_images, splits))
        self._lvis_val = {image['id'] for image in _images(lvis_val)} if lvis_val else None
        self._kept: set[int] = set()

    def reason(self, image: dict) -> str | None:
        """Why an entry of ``images`` is dropped; None if it is kept.

        Raises:
            ValueError: its file name is not that of a COCO image.
        """
        number = coco_id(image)
        if number is None:
            raise ValueError(
                f"image '{image.get('file_name')}' has no COCO file name: RefCOCO's images are "
                "named 'COCO_train2014_000000000009.jpg'")
        if number in self._coco_val:
            return 'in COCO val2017'
        if number in self._evaluated:
            return 'in a val or test split of RefCOCO/+/g'
        self._kept.add(number)
        return None

    def note(self) -> str:
        """How many of the kept images are images of LVIS val: a result there must say it."""
        if self._lvis_val is None:
            return "overlap with LVIS val not counted: set 'lvis_val'"
        shared = len(self._kept & self._lvis_val)
        return f'{shared} of {len(self._kept)} kept images are in LVIS val'


def evaluated_images(path: str) -> set[int]:
    """The COCO ids of the images of all val and test splits in a file, see `RefCocoLeakage`.

    Raises:
        ValueError: a JSON file whose images have no COCO file names.
    """
    if not str(path).endswith('.json'):
        return {ref['image_id'] for ref in read_refs(path) if ref['split'] != 'train'}
    ids = {coco_id(image) for image in _images(path)}
    if None in ids:
        raise ValueError(f"file '{path}' has images without a COCO file name")
    return ids


def _images(path: str) -> list[dict]:
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get('images'), list):
        raise ValueError(f"file '{path}' has no list 'images'")
    return content['images']


RULES = {'coco': CocoLeakage, 'refcoco': RefCocoLeakage}


def build_leakage(settings: dict | str | None) -> CocoLeakage | RefCocoLeakage | None:
    """A rule from ``dict(type='coco' or 'refcoco', ...)``, from its type alone, or none from None.

    Raises:
        ValueError: another type.
    """
    if settings is None:
        return None
    settings = dict(type=settings) if isinstance(settings, str) else dict(settings)
    kind = settings.pop('type', None)
    if kind not in RULES:
        raise ValueError(f"'leakage' must be of type {' or '.join(map(repr, RULES))}, got {kind!r}")
    return RULES[kind](**settings)
