"""Generated data in the formats and folders of the public sets: a few small images of each.

``PublicData(root)`` writes ``root/data`` as docs/reproduce.md asks for it, before any converter
has run. Objects are coloured rectangles, named by what every set calls them.
"""

import json
from pathlib import Path

import cv2
import numpy as np
from mmdet.datasets import CocoDataset, LVISV1Dataset, Objects365V1Dataset

from expalign.datasets.odinw_sets import ODINW_TABLES

WIDTH, HEIGHT = 160, 120
BOXES = ((10, 20, 60, 80), (90, 30, 50, 60))  # x, y, width, height
COLORS = ((40, 40, 220), (220, 60, 40))  # BGR
CAPTION = 'A red dog and a small blue chair .'
SPANS = ([[0, 9]], [[14, 32]])
PHRASES = ('left dog', 'right chair')
REFERRING = {'refcoco': ('val', 'testA', 'testB'), 'refcoco+': ('val', 'testA', 'testB'),
             'refcocog': ('val', 'test')}
ODINW_SETS = ('CottontailRabbits', 'pothole', 'Raccoon')


class PublicData:
    """Writes the sets.

    Args:
        root: folder that gets the folder ``data``.
        images: of each training set.
    """

    def __init__(self, root: Path, images: int = 2) -> None:
        self.data, self.count = root / 'data', images

    def write(self) -> None:
        """All sets that the recipes train on and are evaluated on."""
        self.objects365()
        self.flickr30k()
        self.gqa()
        self.coco()
        self.refcoco()
        self.lvis()
        self.odinw()

    def objects365(self) -> None:
        """Objects365 v1: 365 categories in an order of their own, one with a blank at its end."""
        names = list(reversed(Objects365V1Dataset.METAINFO['classes']))
        files = [f'obj365_train_{i:012d}.jpg' for i in range(self.count)]
        self._coco_file('Objects365v1/annotations/objects365_train.json', 'Objects365v1/train',
                        files, names, ('dog', 'chair'), masks=False)

    def flickr30k(self) -> None:
        """Flickr30k Entities, MDETR's "separateGT" files."""
        for start, split in ((0, 'train'), (100, 'val'), (200, 'test')):
            files = [f'{1000092795 + start + i}.jpg' for i in range(self.count)]
            self._mdetr_file(f'flickr/annotations/final_flickr_separateGT_{split}.json',
                             'flickr/images', files, dataset_name='flickr')

    def gqa(self) -> None:
        """GQA, MDETR's "mixed, no COCO" file, and Visual Genome's list: one image is COCO's."""
        files = [f'{2000 + i}.jpg' for i in range(self.count)]
        self._mdetr_file('mixed_grounding/annotations/final_mixed_train_no_coco.json',
                         'mixed_grounding/gqa/images', files, data_source='gqa')
        self._json('mixed_grounding/annotations/image_data.json', [
            dict(image_id=i, coco_id=500 if i == 0 else None) for i in range(self.count)])

    def coco(self) -> None:
        """COCO 2017, both parts."""
        names = CocoDataset.METAINFO['classes']
        for start, split in ((10, 'train'), (500, 'val')):
            files = [f'{start + i:012d}.jpg' for i in range(self.count)]
            self._coco_file(f'coco/annotations/instances_{split}2017.json',
                            f'coco/{split}2017', files, names, ('dog', 'chair'), masks=True,
                            first=start)

    def refcoco(self) -> None:
        """RefCOCO, RefCOCO+ and RefCOCOg: MDETR's files, on images of COCO train2014."""
        for name, splits in REFERRING.items():
            for start, split in enumerate(('train', *splits)):
                files = [f'COCO_train2014_{1000 * (start + 1) + i:012d}.jpg'
                         for i in range(self.count)]
                self._mdetr_file(f'refcoco/finetune_{name}_{split}.json', 'coco/train2014',
                                 files, referring=True, dataset_name=name)

    def lvis(self) -> None:
        """LVIS v1 val: images of COCO val2017, but for one of train2017; 1,203 categories."""
        names = LVISV1Dataset.METAINFO['classes']
        ids = {'dog': names.index('dog') + 1, 'chair': names.index('chair') + 1}
        numbers = [('val', 500 + i) for i in range(self.count)] + [('train', 10)]
        images = [dict(
            self._image(number), coco_url='http://images.cocodataset.org/'
            f'{split}2017/{number:012d}.jpg', neg_category_ids=[1, 2],
            not_exhaustive_category_ids=[], license=1) for split, number in numbers]
        annotations = [
            dict(self._annotation(2 * i + j + 1, image['id'], ids[word], j, masks=True))
            for i, image in enumerate(images) for j, word in enumerate(('dog', 'chair'))]
        categories = [dict(id=i, name=name, synonyms=[name], frequency='rcf'[i % 3],
                           synset=f'{name}.n.01', image_count=1, instance_count=1)
                      for i, name in enumerate(names, 1)]
        self._json('lvis/lvis_v1_val.json', dict(
            images=images, annotations=annotations, categories=categories, info={}, licenses=[]))

    def odinw(self) -> None:
        """Three sets of ODinW13 in their official folders."""
        rows = {row.name: row for row in ODINW_TABLES['odinw13']}
        for name in ODINW_SETS:
            row = rows[name]
            files = [f'{name}_{i}.jpg' for i in range(2)]
            self._coco_file(f'odinw/{row.root}{row.ann_file}', f'odinw/{row.root}{row.images}',
                            files, row.classes, (row.classes[0], row.classes[-1]), masks=False)

    def _coco_file(self, path: str, folder: str, files: list[str], names, words: tuple[str, str],
                   masks: bool, first: int = 1) -> None:
        ids = {name.strip(): i for i, name in enumerate(names, 1)}
        images = [dict(self._image(first + i), file_name=file) for i, file in enumerate(files)]
        annotations = [self._annotation(2 * i + j + 1, image['id'], ids[word.strip()], j, masks)
                       for i, image in enumerate(images) for j, word in enumerate(words)]
        categories = [dict(id=i, name=name, supercategory='thing')
                      for i, name in enumerate(names, 1)]
        self._json(path, dict(images=images, annotations=annotations, categories=categories))
        self._write_images(folder, files)

    def _mdetr_file(self, path: str, folder: str, files: list[str], referring: bool = False,
                    **more) -> None:
        """One caption an image, or in referring data one for each object."""
        images, annotations = [], []
        for place, file in enumerate(files):
            for j in range(2) if referring else (None,):
                number = len(images)
                caption = CAPTION if j is None else PHRASES[j]
                images.append(dict(
                    self._image(number), file_name=file, caption=caption, original_img_id=place,
                    **more))
                for k in (0, 1) if j is None else (j,):
                    spans = [[0, len(caption)]] if referring else SPANS[k]
                    annotations.append(dict(
                        self._annotation(len(annotations), number, 1, k, masks=False),
                        tokens_positive=spans))
        self._json(path, dict(images=images, annotations=annotations,
                              categories=[dict(id=1, name='object')], info={}, licenses=[]))
        self._write_images(folder, files)

    @staticmethod
    def _image(number: int) -> dict:
        return dict(id=number, height=HEIGHT, width=WIDTH)

    @staticmethod
    def _annotation(number: int, image: int, category: int, place: int, masks: bool) -> dict:
        x, y, width, height = BOXES[place]
        outline = [x, y, x + width, y, x + width, y + height, x, y + height]
        found = dict(id=number, image_id=image, category_id=category, iscrowd=0,
                     bbox=[float(v) for v in BOXES[place]], area=float(width * height))
        return dict(found, segmentation=[[float(v) for v in outline]]) if masks else found

    def _json(self, path: str, content: object) -> None:
        path = self.data / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))

    def _write_images(self, folder: str, files: list[str]) -> None:
        folder = self.data / folder
        folder.mkdir(parents=True, exist_ok=True)
        for number, name in enumerate(files):
            generator = np.random.default_rng(number)
            image = generator.integers(90, 130, (HEIGHT, WIDTH, 3), dtype=np.uint8)
            for (x, y, width, height), color in zip(BOXES, COLORS, strict=True):
                image[y:y + height, x:x + width] = color
            assert cv2.imwrite(str(folder / name), image)
