"""ODinW's metric on hand-made predictions: every set by its own truth, means, what is missing."""

import json
import logging

import pytest
import torch
from mmengine.registry import METRICS

from expalign.datasets.odinw_sets import ODINW
from expalign.evaluation import ODinWMetric
from tests.helpers.annotations import coco_content, write_json
from tests.helpers.grounded import evaluate, grounded_sample

ROWS = {row.name: row for row in ODINW}
BOX = (10, 10, 50, 50)


def annotations_of(folder, row):
    """Two images; image i has one object of class i (or of the only class) at BOX."""
    images = [dict(id=i, file_name=f'{row.name}_{i}.jpg') for i in range(2)]
    annotations = [
        dict(image_id=i, category_id=10 * (1 + i % len(row.classes)), bbox=[10, 10, 40, 40],
             area=1600) for i in range(2)]
    return str(write_json(
        folder / f'{row.name}.json', coco_content(images, annotations, list(row.classes))))


def meta_of(folder, names, table='odinw13', missing=()):
    rows = [ROWS[name] for name in names]
    return dict(
        table=table, missing=missing,
        sets=[dict(row=row, ann_file=annotations_of(folder, row), images=2) for row in rows])


def samples_of(name, right=True):
    """Predictions with every label at BOX, the right one on top or at the bottom."""
    count = len(ROWS[name].classes)
    out = []
    for i in range(2):
        scores = dict.fromkeys(range(count), .2)
        scores[i % count] = .9
        box = BOX if right else (60, 60, 70, 70)
        out.append(grounded_sample(
            ROWS[name].texts(), [], [(label, score, box) for label, score in scores.items()],
            img_id=i, source=name))
    return out


def run(meta, samples):
    metric = ODinWMetric()
    metric.dataset_meta = meta
    return evaluate(metric, samples)


def test_each_set_is_judged_by_its_own_annotations(tmp_path):
    # Image ids and labels are the same in both sets.
    names = ['Raccoon', 'Packages']
    samples = [sample for pair in zip(
        samples_of('Raccoon'), samples_of('Packages', right=False), strict=True) for sample in pair]
    assert run(meta_of(tmp_path, names), samples) == {
        'odinw/Raccoon_AP': 1.0, 'odinw/Packages_AP': 0.0, 'odinw/Raccoon_AP50': 1.0,
        'odinw/Packages_AP50': 0.0, 'odinw/mean_2_of_13': 0.5}


def test_both_means_of_the_full_benchmark(tmp_path):
    samples = [sample for row in ODINW for sample in samples_of(row.name, right=row.in_odinw13)]
    report = run(meta_of(tmp_path, list(ROWS), table='odinw35'), samples)
    assert report['odinw/mean13'] == 1.0
    assert report['odinw/mean35'] == pytest.approx(13 / 35)
    assert sum(name.endswith('_AP') for name in report) == 35


def test_the_log_names_split_size_and_missing_sets(tmp_path, caplog):
    meta = meta_of(tmp_path, ['Raccoon'], missing=('pothole', 'pistols'))
    with caplog.at_level(logging.INFO):
        from mmengine.logging import MMLogger
        logger = MMLogger.get_instance('odinw_test')
        logger.addHandler(caplog.handler)
        run(meta, samples_of('Raccoon'))
    assert '| Raccoon | valid | 2 | 1.000 | 1.000 |' in caplog.text
    assert '| mean over 1 of 13 sets of ODinW13 | | | 1.0000 | 1.0000 |' in caplog.text
    assert 'missing on disk: pothole, pistols' in caplog.text


def test_names_that_differ_by_white_space_stay_apart(tmp_path):
    row = ROWS['boggleBoards']
    o, o_blank = (row.classes.index(name) for name in ('o', 'o '))
    meta = meta_of(tmp_path, ['boggleBoards'], table='odinw35')
    path = meta['sets'][0]['ann_file']
    with open(path) as file:
        content = json.load(file)
    for annotation in content['annotations']:
        annotation['category_id'] = content['categories'][o]['id']
    with open(path, 'w') as file:
        json.dump(content, file)
    for label, ap in ((o, 1.0), (o_blank, 0.0)):
        samples = [grounded_sample(row.texts(), [], [(label, .9, BOX)], img_id=i,
                                   source='boggleBoards') for i in range(2)]
        assert run(meta, samples)['odinw/boggleBoards_AP'] == ap


def test_a_set_without_predictions_scores_zero(tmp_path):
    samples = samples_of('Raccoon')
    for sample in samples:
        sample['pred_instances'] = {
            key: torch.as_tensor(value)[:0] for key, value in sample['pred_instances'].items()}
    assert run(meta_of(tmp_path, ['Raccoon']), samples)['odinw/Raccoon_AP'] == 0.0


def test_clear_errors(tmp_path):
    with pytest.raises(ValueError, match="evaluates the data set 'expalign.ODinWDataset' only"):
        ODinWMetric().dataset_meta = dict(classes=('cat',))
    meta = meta_of(tmp_path, ['Raccoon', 'pistols'])
    with pytest.raises(ValueError, match="must pack the meta key 'source'"):
        run(meta, [{key: value for key, value in samples_of('Raccoon')[0].items()
                    if key != 'source'}])
    with pytest.raises(ValueError, match='no image of the set pistols was tested'):
        run(meta, samples_of('Raccoon'))


def test_it_is_registered():
    assert isinstance(METRICS.build(dict(type='expalign.ODinWMetric')), ODinWMetric)
