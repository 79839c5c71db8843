"""What a conversion of 200,000 annotations keeps in memory, against the file as Python objects."""

import json
import random
import tracemalloc

import pytest

from expalign.data_tools import grouping
from expalign.data_tools.coco_to_odvg import convert_coco
from expalign.data_tools.grouping import images_with_annotations
from expalign.utils.tally import Tally
from tests.helpers.annotations import write_json

IMAGES, ANNOTATIONS = 20_000, 200_000


def write_large_file(path):
    """Images in order, annotations in none, each with an outline of five points."""
    generator = random.Random(0)
    with open(path, 'w') as file:
        file.write('{"categories":[{"id":1,"name":"cat"}],"images":[')
        for i in range(IMAGES):
            image = {'id': i, 'file_name': f'{i:012d}.jpg', 'width': 640, 'height': 480}
            file.write((',' if i else '') + json.dumps(image))
        file.write('],"annotations":[')
        for i in range(ANNOTATIONS):
            x, y = generator.random() * 400, generator.random() * 300
            annotation = {
                'id': i, 'image_id': generator.randrange(IMAGES), 'category_id': 1,
                'bbox': [x, y, 100.5, 90.25], 'area': 9000.0, 'iscrowd': 0,
                'segmentation': [[x + generator.random() * 90 for _ in range(10)]]}
            file.write((',' if i else '') + json.dumps(annotation))
        file.write(']}')


def peak_of(call):
    """The largest size of what Python allocates during a call, MB."""
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return peak


@pytest.mark.slow
def test_peak_of_a_large_file(tmp_path, capsys):
    source = tmp_path / 'large.json'
    write_large_file(source)
    converted = peak_of(lambda: convert_coco(
        source, tmp_path / 'out.jsonl', tmp_path / 'names.json'))
    loaded = peak_of(lambda: json.loads(source.read_bytes()))
    with capsys.disabled():
        print(f'\n{source.stat().st_size / 1e6:.0f} MB: converted with {converted:.0f} MB, '
              f'loaded with {loaded:.0f} MB')
    assert converted < 0.1 * loaded
    assert (tmp_path / 'out.jsonl').read_bytes().count(b'\n') == IMAGES


def test_parts_keep_the_order_and_every_annotation(tmp_path, monkeypatch):
    monkeypatch.setattr(grouping, 'IMAGES_PER_PART', 2)
    monkeypatch.setattr(grouping, 'MAX_PARTS', 3)  # so that a part has ceil(7 / 3) = 3 images
    content = {'annotations': [{'id': i, 'image_id': 9 - i % 7} for i in range(40)],
               'images': [{'id': 9 - i} for i in range(7)]}
    source = write_json(tmp_path / 'a.json', content)
    pairs = list(images_with_annotations(source, Tally()))
    assert [image['id'] for image, _ in pairs] == [9, 8, 7, 6, 5, 4, 3]
    assert [[a['id'] for a in annotations] for _, annotations in pairs] == [
        list(range(i, 40, 7)) for i in range(7)]
