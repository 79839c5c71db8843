"""False positives of absent prompts on three hand-made images."""

import json

import pytest
from mmengine.registry import METRICS

from expalign.evaluation import AbsentPromptMetric
from tests.helpers.annotations import coco_content, write_json
from tests.helpers.grounded import evaluate, grounded_sample

CLASSES = ('owl', 'dog', 'cat')  # another order than the file's
OWL, DOG, CAT = range(3)
BOX = (0, 0, 10, 10)


@pytest.fixture
def ann_file(tmp_path):
    """Image 1 has a cat, image 2 a crowd of dogs, image 3 nothing."""
    images = [dict(id=i, file_name=f'{i}.jpg') for i in (1, 2, 3)]
    annotations = [dict(image_id=1, category_id=10, bbox=[0, 0, 5, 5], area=25),
                   dict(image_id=2, category_id=20, bbox=[0, 0, 5, 5], area=25, iscrowd=1)]
    return str(write_json(
        tmp_path / 'a.json', coco_content(images, annotations, ['cat', 'dog', 'owl'])))


def samples(*found):
    return [grounded_sample(CLASSES, [], rows, img_id=i) for i, rows in enumerate(found, start=1)]


def metric_for(ann_file, **settings):
    metric = AbsentPromptMetric(ann_file, **settings)
    metric.dataset_meta = dict(classes=CLASSES)
    return metric


def test_counts_by_hand(ann_file):
    scores = evaluate(metric_for(ann_file, score_thrs=(0.3, 0.1)), samples(
        # Two of the dog, which is absent; the cat's second box is wrong, but its prompt is there.
        [(CAT, .9, BOX), (CAT, .8, BOX), (DOG, .5, BOX), (DOG, .2, BOX)],
        [(DOG, .9, BOX), (OWL, .3, BOX)],  # a crowd is present; .3 is not above .3
        []))
    # Absent prompts: 2 + 2 + 3 of three images.
    assert scores == pytest.approx({
        'absent_prompts/per_image@0.1': 3 / 3, 'absent_prompts/per_image@0.3': 1 / 3,
        'absent_prompts/per_100_prompts@0.1': 300 / 7,
        'absent_prompts/per_100_prompts@0.3': 100 / 7,
        'absent_prompts/images@0.1': 2 / 3, 'absent_prompts/images@0.3': 1 / 3})


def test_a_model_that_predicts_nothing_has_no_false_positives(ann_file):
    assert set(evaluate(metric_for(ann_file), samples([], [], [])).values()) == {0.0}


def test_only_what_is_known_to_be_absent_counts(tmp_path):
    images = [dict(id=1, file_name='1.jpg', neg_category_ids=[20]),
              dict(id=2, file_name='2.jpg', neg_category_ids=[])]
    path = str(write_json(
        tmp_path / 'lvis.json', coco_content(images, [], ['cat', 'dog', 'owl'])))
    every = [(label, .9, BOX) for label in range(3)]
    scores = evaluate(
        metric_for(path, absent='neg_category_ids', score_thrs=[0.5]), samples(every, every))
    assert scores == {
        'absent_prompts/per_image@0.5': 0.5, 'absent_prompts/per_100_prompts@0.5': 100.0,
        'absent_prompts/images@0.5': 0.5}


def test_a_file_that_lists_no_absent_categories(ann_file):
    with pytest.raises(ValueError, match="image 1 of .*a.json has no 'neg_category_ids'"):
        metric_for(ann_file, absent='neg_category_ids').process({}, samples([]))


def test_no_prompt_is_absent(tmp_path):
    annotations = [dict(image_id=1, category_id=10, bbox=[0, 0, 5, 5], area=25)]
    path = write_json(
        tmp_path / 'a.json', coco_content([dict(id=1, file_name='')], annotations, ['cat']))
    metric = AbsentPromptMetric(str(path))
    metric.dataset_meta = dict(classes=('cat',))
    with pytest.raises(ValueError, match='no prompt is known to be absent'):
        evaluate(metric, [grounded_sample(['cat'], [], [])])


def test_clear_errors(ann_file):
    with pytest.raises(FileNotFoundError, match="check 'ann_file' of the evaluator"):
        AbsentPromptMetric('/nowhere.json')
    with pytest.raises(ValueError, match="absent must be one of .*, got 'all'"):
        AbsentPromptMetric(ann_file, absent='all')
    with pytest.raises(ValueError, match=r"no category named 'dgo' \(did you mean 'dog'\?\)"):
        AbsentPromptMetric(ann_file).dataset_meta = dict(classes=('dgo',))
    with pytest.raises(ValueError, match='a.json has no image of id 9'):
        metric_for(ann_file).process({}, [grounded_sample(CLASSES, [], [], img_id=9)])


def test_images_that_pad_the_last_batch_of_a_process_count_once(ann_file):
    metric = metric_for(ann_file, score_thrs=[0.5])
    metric.process({}, samples([(DOG, .9, BOX)], []))
    metric.process({}, samples([(DOG, .9, BOX)]))  # image 1 again
    assert metric.evaluate(size=2)['absent_prompts/per_image@0.5'] == 0.5


@pytest.mark.real_data
def test_negative_categories_of_lvis(real_data):
    path = real_data / 'lvis/lvis_v0.5_val_100.json'
    content = json.loads(path.read_text())
    classes = [category['name'] for category in content['categories']][::-1]
    metric = AbsentPromptMetric(str(path), absent='neg_category_ids', score_thrs=[0.5])
    metric.dataset_meta = dict(classes=classes)
    every = [(label, .9, BOX) for label in range(len(classes))]
    negatives = [len(set(image['neg_category_ids'])) for image in content['images']]
    scores = evaluate(metric, [
        grounded_sample(classes, [], every, img_id=image['id']) for image in content['images']])
    assert scores['absent_prompts/per_image@0.5'] == pytest.approx(sum(negatives) / 100)
    assert scores['absent_prompts/per_100_prompts@0.5'] == 100


def test_it_is_registered(ann_file):
    metric = METRICS.build(dict(type='expalign.AbsentPromptMetric', ann_file=ann_file))
    assert metric.absent == 'unannotated'
