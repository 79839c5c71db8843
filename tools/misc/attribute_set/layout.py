"""The files of the attribute set, in LVIS's layout.

``train/``, ``test/``: images. ``annotations/train.json``, ``test.json``: the prompts are the
categories; an image says by its annotations what is true, and by ``neg_category_ids`` what is not;
of other prompts nothing is known. A training picture has ``LISTS`` image records, one for each list
of prompts. A test record has ``asked``: rows of ``category_id``, ``split``, and ``rival`` (an id or
None), see :mod:`.prompts`. ``parts/`` has what makes a set resumable.
"""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from expalign.utils import finished_file
from expalign.utils.progress import counted

from .photos import Photographs, usable_nouns
from .prompts import Asked, test_prompts, training_prompts
from .scene import Scene, make_scene
from .words import HELD_NOUNS, SHAPES, UNASKED

SPLITS = ('train', 'test')
LISTS = 2  # of prompts, a training picture
PART = 200  # pictures
KINDS = {'photograph': 0.4, 'mixed': 0.3, 'shapes': 0.3}
QUALITY = 92


@dataclass(frozen=True)
class Settings:
    """What a set is made from.

    Attributes:
        train_ann, train_images, test_ann, test_images: COCO file and folder of photographs.
        train, test: how many pictures.
        side: of a photograph, in pixels.
        seed: of everything.
    """

    train_ann: str
    train_images: str
    test_ann: str
    test_images: str
    train: int = 6000
    test: int = 1000
    side: int = 384
    seed: int = 0

    def photographs(self, split: str) -> Photographs:
        """Those that pictures of a split are made on."""
        return Photographs(getattr(self, f'{split}_ann'), getattr(self, f'{split}_images'),
                           self.side)


def make_set(folder: Path, settings: Settings, workers: int = 1) -> dict[str, int]:
    """Write what is not there yet; the number of pictures, prompts and boxes by split.

    A set may be made larger later: a picture depends on its number, not on how many there are.

    Raises:
        ValueError: the folder has a set of other settings.
    """
    _keep_settings(folder / 'settings.json', settings)
    sources = [settings.photographs(split) for split in SPLITS]
    nouns = [noun for noun in (*usable_nouns(sources), *SHAPES) if noun not in UNASKED]
    todo = [(folder, settings, split, first, nouns) for split in SPLITS
            for first in range(0, getattr(settings, split), PART)
            if not _part(folder, settings, split, first).is_file()]
    total = settings.train + settings.test
    missing = sum(len(_pictures(settings, split, first)) for _, _, split, first, _ in todo)
    with ProcessPoolExecutor(workers) as pool, counted(
            'pictures', total, 'picture', total - missing) as advance:
        for count in pool.map(write_part, todo):
            advance(count)
    counts = {}
    for split in SPLITS:
        content = join(_records(folder, settings, split))
        with finished_file(folder / 'annotations' / f'{split}.json') as file:
            file.write_text(json.dumps(content, separators=(',', ':')), encoding='utf-8')
        counts.update({
            f'{split} pictures': len({image['file_name'] for image in content['images']}),
            f'{split} prompts': len(content['categories']),
            f'{split} boxes': len(content['annotations'])})
    return counts


def _keep_settings(path: Path, settings: Settings) -> None:
    wanted = {key: value for key, value in asdict(settings).items() if key not in SPLITS}
    if path.is_file():
        if json.loads(path.read_text(encoding='utf-8')) != wanted:
            raise ValueError(f'{path} is of other settings: give another folder, or remove it')
        return
    with finished_file(path) as file:
        file.write_text(json.dumps(wanted), encoding='utf-8')


def _pictures(settings: Settings, split: str, first: int) -> range:
    """The numbers of a part's pictures."""
    return range(first, min(first + PART, getattr(settings, split)))


def _part(folder: Path, settings: Settings, split: str, first: int) -> Path:
    last = _pictures(settings, split, first).stop
    return folder / 'parts' / f'{split}-{first:06d}-{last:06d}.json'


def _records(folder: Path, settings: Settings, split: str) -> Iterator[dict]:
    for first in range(0, getattr(settings, split), PART):
        yield from json.loads(_part(folder, settings, split, first).read_text(encoding='utf-8'))


_opened: dict[tuple[Settings, str], Photographs] = {}


def write_part(task: tuple[Path, Settings, str, int, list[str]]) -> int:
    """Draw and write some pictures, and what is known of them; how many there are."""
    folder, settings, split, first, nouns = task
    key = settings, split
    if key not in _opened:
        _opened[key] = settings.photographs(split)
    records = []
    pictures = _pictures(settings, split, first)
    for index in pictures:
        name = f'{split}/{index:06d}.jpg'
        scene, lists = draw(_opened[key], settings.seed, split, index, nouns)
        with finished_file(folder / name) as file:
            cv2.imwrite(str(file), scene.image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        records += [describe(scene, asked, name) for asked in lists]
    with finished_file(_part(folder, settings, split, first)) as file:
        file.write_text(json.dumps(records), encoding='utf-8')
    return len(pictures)


def draw(photographs: Photographs, seed: int, split: str, index: int, nouns: Sequence[str]
         ) -> tuple[Scene, list[list[Asked]]]:
    """A picture and its lists of prompts, the same for the same arguments.

    A picture that nothing can be asked of is drawn again.
    """
    training = split == 'train'
    asked_nouns = [noun for noun in nouns if not (training and noun in HELD_NOUNS)]
    for attempt in range(100):
        rng = np.random.default_rng((seed, SPLITS.index(split), index, attempt))
        kind = rng.choice(list(KINDS), p=list(KINDS.values()))
        photograph = None if kind == 'shapes' else photographs.load(
            int(rng.integers(len(photographs))))
        scene = make_scene(rng, photograph, kind != 'photograph', training)
        if any(thing.attribute for thing in scene.things):
            break
    else:
        raise ValueError(f'no object can be painted in 100 photographs for {split} {index}')
    if training:
        return scene, [training_prompts(rng, scene, asked_nouns) for _ in range(LISTS)]
    return scene, [test_prompts(rng, scene, asked_nouns)]


def describe(scene: Scene, asked: Sequence[Asked], name: str) -> dict:
    """A list of prompts of a picture, with words in place of ids."""
    outlines = [outline(thing.mask) for thing in scene.things]
    return dict(
        file_name=name, height=scene.image.shape[0], width=scene.image.shape[1],
        asked=[dict(
            prompt=question.prompt, split=question.split, rival=question.rival,
            objects=[dict(
                box=np.round(scene.things[i].box, 2).tolist(), polygons=outlines[i],
                area=int(scene.things[i].mask.sum())) for i in question.things])
            for question in asked])


def outline(mask: np.ndarray) -> list[list[int]]:
    """Polygons of a mask (H, W) bool, in COCO's form; those of three points or more."""
    contours, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [contour.ravel().tolist() for contour in contours if len(contour) >= 3]


def join(records: Iterator[dict]) -> dict:
    """Records as one file in LVIS's layout."""
    ids: dict[str, int] = {}
    images, annotations = [], []
    for number, record in enumerate(records, 1):
        image = {key: record[key] for key in ('file_name', 'height', 'width')}
        rows = [dict(category_id=ids.setdefault(question['prompt'], len(ids) + 1),
                     split=question['split'],
                     rival=ids.setdefault(question['rival'], len(ids) + 1)
                     if question['rival'] else None) for question in record['asked']]
        for row, question in zip(rows, record['asked'], strict=True):
            annotations += [
                _annotation(thing, len(annotations) + place, number, row['category_id'])
                for place, thing in enumerate(question['objects'], 1)]
        image.update(id=number, not_exhaustive_category_ids=[], neg_category_ids=[
            row['category_id'] for row, question in zip(rows, record['asked'], strict=True)
            if not question['objects']])
        if any(row['split'] for row in rows):
            image['asked'] = rows
        images.append(image)
    seen = {key: set() for key in ids.values()}
    for annotation in annotations:
        seen[annotation['category_id']].add(annotation['image_id'])
    categories = [dict(id=key, name=prompt, synonyms=[prompt], frequency='f',
                       image_count=len(seen[key])) for prompt, key in ids.items()]
    return dict(images=images, annotations=annotations, categories=categories)


def _annotation(thing: dict, number: int, image: int, category: int) -> dict:
    x1, y1, x2, y2 = thing['box']
    row = dict(id=number, image_id=image, category_id=category, area=thing['area'], iscrowd=0,
               bbox=[x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)])
    return row | (dict(segmentation=thing['polygons']) if thing['polygons'] else {})
