"""Converters on files with one small fault: a result, or one error with the file's name.

Every mutation is seeded by its number, which the assertion shows.
"""

import json
import random
import time

import pytest

from expalign.data_tools.coco_to_odvg import convert_coco
from expalign.data_tools.grounding_to_odvg import convert_mdetr
from expalign.data_tools.lvis_to_odvg import convert_lvis
from expalign.data_tools.sam_source import boxed_images, write_with_masks
from expalign.data_tools.yolo_layout import read_layout
from expalign.data_tools.yolo_to_coco import convert_yolo
from expalign.utils.tally import Tally
from tests.helpers.annotations import coco_content, write_yolo_folder
from tests.helpers.file_mutations import mutate_bytes, mutate_value

SECONDS = 10
MASK = {'size': [80, 100], 'counts': 'PPW7'}
ODVG = [
    {'filename': 'a.jpg', 'height': 80, 'width': 100, 'detection': {'instances': [
        {'bbox': [5, 5, 40, 50], 'label': 0, 'category': 'cat'},
        {'bbox': [5, 5, 40, 50], 'label': 0, 'mask': [[0, 0, 9, 0, 9, 9]], 'iscrowd': 1}]}},
    {'filename': 'b.jpg', 'height': 80, 'width': 100, 'grounding': {'caption': 'a cat', 'regions': [
        {'bbox': [5, 5, 40, 50], 'phrase': 'cat', 'tokens_positive': [[2, 5]]},
        {'bbox': [[5, 5, 40, 50], [1, 1, 9, 9]], 'phrase': 'cat', 'mask': [MASK, None]}]}}]


def coco():
    image = {'height': 80, 'width': 100, 'caption': 'a cat',
             'coco_url': 'http://x.org/val2017/1.jpg', 'neg_category_ids': [20],
             'not_exhaustive_category_ids': []}
    return coco_content(
        [{'id': 1, 'file_name': '1.jpg', **image}, {'id': 2, 'file_name': '2.jpg', **image}],
        [{'id': i, 'image_id': 1 + i % 2, 'category_id': 10, 'bbox': [5, 5, 30, 40], 'area': 9,
          'iscrowd': 0, 'tokens_positive': [[2, 5]], 'segmentation': mask}
         for i, mask in enumerate(([[0, 0, 9, 0, 9, 9]], [], MASK))], ['cat', 'dog'])


def coco_converters(path, folder):
    return [lambda: convert_coco(path, folder / 'a.jsonl', folder / 'a.json'),
            lambda: convert_lvis(path, folder / 'b.jsonl', folder / 'b.json'),
            lambda: convert_mdetr(path, folder / 'c.jsonl'),
            lambda: add_masks(path, folder / 'd.json')]


def add_masks(path, output):
    for image in boxed_images(path, Tally()):
        assert len(image.boxes) == len(image.slots)
    write_with_masks(path, output, lambda index, slot: MASK)


def converted(convert, name, number):
    """Whether it converts; the other end is an error for people with the file's name."""
    started = time.process_time()
    try:
        convert()
    except (ValueError, OSError, RuntimeError) as error:
        assert not isinstance(error, UnicodeError | RecursionError | json.JSONDecodeError), number
        assert name in str(error), (number, str(error))
        assert len(str(error)) < 2000, number
        return False
    finally:
        assert time.process_time() - started < SECONDS, number
    return True


def check_coco(tmp_path, number):
    rng, path = random.Random(number), tmp_path / 'source.json'
    content = mutate_value(coco(), rng)
    text = json.dumps(content).encode()
    path.write_bytes(mutate_bytes(text, rng) if rng.random() < 0.3 else text)
    converters = coco_converters(path, tmp_path)
    return [converted(converters[number % len(converters)], 'source.json', number)]


def check_odvg(tmp_path, number):
    rng, path = random.Random(number), tmp_path / 'source.jsonl'
    lines = mutate_value(json.loads(json.dumps(ODVG)), rng)
    text = '\n'.join(map(json.dumps, lines)).encode()
    path.write_bytes(mutate_bytes(text, rng) if rng.random() < 0.3 else text)
    return [converted(lambda: add_masks(path, tmp_path / 'out.jsonl'), 'source.jsonl', number)]


def check_yolo(tmp_path, number):
    rng, root = random.Random(number), tmp_path / 'yolo'
    if not root.exists():
        write_yolo_folder(root)
        (root / 'images/train.txt').write_text('train/0.jpg\n./train/1.jpg\n')
    files = {
        'data.yaml': b'path: .\ntrain: images/train.txt\nval: [images/val]\ntest:\nnc: 2\n'
                     b'names:\n  0: red cup\n  1: blue plate\n',
        'labels/train/0.txt': b'0 0.5 0.5 0.5 0.5\n1 0.1 0.1 0.5 0.1 0.5 0.5\n',
        'images/train.txt': b'train/0.jpg\n./train/1.jpg\n'}
    chosen = rng.choice(list(files))
    for name, content in files.items():
        (root / name).write_bytes(mutate_bytes(content, rng) if name == chosen else content)
    output = tmp_path / str(number)

    def convert():
        convert_yolo(read_layout(root), output)

    whole = converted(convert, str(root), number)
    assert output.exists() == whole, number
    assert not [p for p in tmp_path.iterdir() if p.name.endswith('.partial')], number
    return [whole]


CHECKS = {'coco': check_coco, 'odvg': check_odvg, 'yolo': check_yolo}


def run(check, tmp_path, numbers):
    results = [result for number in numbers for result in check(tmp_path, number)]
    share = sum(results) / len(results)
    assert 0.05 < share < 0.98, share  # the mutations are neither harmless nor all fatal


@pytest.mark.parametrize('kind', CHECKS)
def test_a_few_mutations(tmp_path, kind):
    run(CHECKS[kind], tmp_path, range(100))


@pytest.mark.slow
@pytest.mark.parametrize('kind', CHECKS)
def test_many_mutations(tmp_path, kind):
    run(CHECKS[kind], tmp_path, range(100, 2100))
