"""The result of one image: what shows, its forms, its picture."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pycocotools.mask as coco_mask
import pytest

from expalign.structures.detection_formats import coco_dataset
from expalign.structures.detections import Detections
from expalign.structures.known_classes import KnownClasses

SIZE = (100, 200)
PROMPTS = ['crow', 'black bear', 'giraffe']


def masks():
    """Of four candidates; two in other forms than the rest."""
    full = np.zeros((4, *SIZE), bool)
    full[:, 10:20, 30:50] = True
    full[1, 60:70, 0:5] = True
    rle = coco_mask.encode(np.asfortranarray(full[1].astype(np.uint8)))
    return full, [full[0], rle, full[2], full[3]]


@pytest.fixture(params=[False, True])
def found(request):
    """Candidates in no order: two crows and a bear above the threshold, a giraffe below it."""
    return Detections(
        [[10, 20, 30, 40], [100, 10, 180, 90], [0, 0, 200, 100], [50, 50, 60, 60]],
        [0.7, 0.95, 0.01, 0.3], [0, 1, 2, 0], PROMPTS, SIZE,
        masks=masks()[1] if request.param else None, image=np.full((*SIZE, 3), 90, np.uint8),
        threshold=0.3, model='m')


def test_sequence(found):
    assert len(found) == 3 and found.names == ['black bear', 'crow', 'crow']
    np.testing.assert_array_equal(found.labels, [1, 0, 0])
    np.testing.assert_allclose(found.scores, [0.95, 0.7, 0.3])
    np.testing.assert_allclose(found.best_scores, [0.7, 0.95, 0.01])
    first, *_ = found
    assert first[:4] == ('black bear', pytest.approx(0.95), (100, 10, 180, 90), 1)
    crows = found[found.labels == 0]
    assert len(crows) == 2 and len(found[1:]) == 2 and len(found[[0, 2]]) == 2
    if found.masks is None:
        assert first.mask is None
    else:
        np.testing.assert_array_equal(first.mask, masks()[0][1])
        np.testing.assert_array_equal(np.asarray(crows.masks), masks()[0][[0, 3]])


def test_other_thresholds(found):
    assert len(found.above(0.5)) == 2 and len(found.above(0)) == 4
    assert found.above(0.5).above(0.001).names == ['black bear', 'crow', 'crow', 'giraffe']
    assert found.above([0.5, 0.96, 0.01]).names == ['crow', 'giraffe']
    assert len(found) == 3
    with pytest.raises(ValueError, match='is no number'):
        found.above(1.5)


def test_the_threshold_that_nobody_said():
    boxes, known = [[0, 0, 9, 9]] * 3, KnownClasses(('crow',), (0.5,))
    one = Detections(boxes, [0.6, 0.08, 0.06], [0, 0, 0], ['crow'], SIZE)
    assert one.threshold == 'auto' and one.thresholds == [0.07] and len(one) == 2
    two = Detections(boxes, [0.6, 0.08, 0.09], [0, 1, 1], ['crow', 'bear'], SIZE, known=known)
    assert two.thresholds == [0.5, 0.083] and two.names == ['crow', 'bear']
    assert two.above(0).above('auto').names == two.names
    assert two.to_dict()['threshold'] == [0.5, 0.083] and one.to_dict()['threshold'] == 0.07
    assert str(two.above(0.085)[:0]) == (
        'crow: none above 0.085, best 0.60; bear: none above 0.085, best 0.09')


def test_summary(found):
    assert str(found) == (
        '2 crow, 1 black bear (best 0.95); giraffe: none above 0.3, best 0.01')
    assert str(found.above(0.96)) == (
        'black bear: none above 0.96, best 0.95; crow: none above 0.96, best 0.70; '
        'giraffe: none above 0.96, best 0.01')
    nothing = Detections([], [], [], ['Horse', 'HORSE', *'abcd', 'e'], SIZE, threshold=0.3)
    assert str(nothing) == '6 others: none above 0.3'
    assert str(Detections([[0, 0, 1, 1]], [0.2], [3], list('abcdef'), SIZE, threshold=0.3)) == (
        '6 others: none above 0.3, best 0.20 (d)')
    assert str(Detections([], [], [], ['Horse', 'HORSE'], SIZE)) == 'Horse: none above 0.083'


def test_record(found):
    record = json.loads(found.to_json())
    assert record == found.to_dict()
    assert {key: record[key] for key in record if key != 'detections'} == dict(
        schema='expalign.detections', version=1, image=None, width=200, height=100,
        prompts=PROMPTS, model='m', threshold=0.3, best_scores=[0.7, 0.95, 0.01])
    bear = record['detections'][0]
    mask = bear.pop('mask', None)
    assert bear == dict(prompt='black bear', label=1, score=0.95, box=[100, 10, 180, 90])
    assert (mask is None) == (found.masks is None)
    if mask is not None:
        np.testing.assert_array_equal(coco_mask.decode(mask), masks()[0][1])


def test_coco_and_yolo(found):
    bear, crow, _ = found.to_coco('x', category_ids=[7, 8, 9])
    assert bear['category_id'] == 8 and bear['bbox'] == [100, 10, 80, 80] and bear['score'] == 0.95
    assert crow['category_id'] == 7 and found.to_coco()[0] | dict(image_id='x') == bear | dict(
        category_id=2)
    assert found.to_yolo().splitlines()[:2] == [
        '1 0.700000 0.500000 0.400000 0.800000', '0 0.100000 0.300000 0.100000 0.200000']
    assert found.to_yolo(scores=True).splitlines()[0].endswith(' 0.800000 0.9500')
    nothing = found.above(1)
    assert nothing.to_coco() == [] and nothing.to_yolo() == ''


def test_pandas(found):
    pandas = pytest.importorskip('pandas')
    table = found.to_pandas()
    assert isinstance(table, pandas.DataFrame) and len(table) == 3
    assert table.iloc[0][['prompt', 'score', 'x2']].tolist() == ['black bear', 0.95, 180]


def test_supervision(found):
    pytest.importorskip('supervision')
    result = found.to_supervision()
    np.testing.assert_array_equal(result.xyxy, found.boxes)
    assert list(result.data['class_name']) == found.names
    assert (result.mask is None) == (found.masks is None)
    assert len(found.above(1).to_supervision()) == 0


def test_pictures(found, tmp_path):
    drawn = found.plot()
    assert drawn.shape == (*SIZE, 3) and (drawn != 90).any()
    assert (found.above(1).plot() == 90).all()
    assert cv2.imread(str(found.save(tmp_path / 'a.png'))).shape == (*SIZE, 3)
    assert json.loads(found.save(tmp_path / 'a.json').read_text()) == found.to_dict()
    with pytest.raises(ValueError, match=r'a\.txt: a result is written as \.json or as a picture'):
        found.save(tmp_path / 'a.txt')
    shown = found._repr_html_()
    assert shown.startswith('<img alt="2 crow, 1 black') and 'data:image/jpeg;base64,/9j/' in shown


def test_pictures_of_another_size(found):
    """Boxes and masks are drawn at the same places of a smaller and of a stretched image."""
    for size in ((50, 100), (100, 100)):
        drawn = found.plot(8, np.full((*size, 3), 90, np.uint8))
        assert drawn.shape == (*size, 3)
        x, y = round(100 * size[1] / SIZE[1]), round(50 * size[0] / SIZE[0])
        assert (drawn[y, x - 1:x + 2] != 90).any()  # the bear's left side
        inside = drawn[round(65 * size[0] / SIZE[0]), 60 * size[1] // SIZE[1]]
        assert (inside == 90).all()
        masked = drawn[round(13 * size[0] / SIZE[0]), round(37 * size[1] / SIZE[1])]
        assert (masked != 90).any() == (found.masks is not None)


def test_a_data_set_in_cocos_form(found):
    data = coco_dataset([found, found.above(0.9)], ['a.jpg', 'b.jpg'])
    assert data['images'][1] == dict(id=2, file_name='b.jpg', width=200, height=100)
    assert [(row['id'], row['image_id']) for row in data['annotations']] == [
        (1, 1), (2, 1), (3, 1), (4, 2)]
    assert data['annotations'][0] | dict(segmentation=0) == dict(
        id=1, image_id=1, category_id=2, bbox=[100, 10, 80, 80], area=6400, iscrowd=0, score=0.95,
        segmentation=0)
    assert data['categories'] == [
        dict(id=k, name=name) for k, name in enumerate(PROMPTS, 1)]
    assert coco_dataset([], []) == dict(images=[], annotations=[], categories=[])


def test_an_image_that_was_read_is_not_overwritten(found, tmp_path):
    path = tmp_path / 'photo.jpg'
    cv2.imwrite(str(path), np.full((*SIZE, 3), 90, np.uint8))
    of_file = Detections(found.boxes, found.scores, found.labels, PROMPTS, SIZE, image=str(path))
    with pytest.raises(ValueError, match='photo.jpg.* is the file to read'):
        of_file.save(path)
    assert of_file.plot().shape == (*SIZE, 3)
    bare = Detections([], [], [], PROMPTS, SIZE)
    with pytest.raises(ValueError, match='have no image to draw on'):
        bare.plot()
    assert bare._repr_html_().startswith('<p>')
    with pytest.raises(RuntimeError, match='exported models have none'):
        bare.explain('crow')


def test_needs_no_torch():
    code = ("import sys; from expalign.structures.detections import Detections as D; import numpy;"
            "d = D([[1, 1, 9, 9]], [.9], [0], ['a'], (9, 9), image=numpy.zeros((9, 9, 3), 'u1'))"
            "; d.plot(); d.to_json(); d._repr_html_();"
            "print({'torch', 'mmengine', 'matplotlib'} & set(sys.modules))")
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout == 'set()\n'
