"""LVIS metric against the official evaluator, on generated predictions."""

import json

import pytest
import torch
from mmengine.registry import METRICS, DefaultScope

from expalign.evaluation import LVISMetric
from tests.helpers.generated_lvis import (
    class_names,
    lvis_content,
    official_scores,
    predictions,
    write_lvis,
)

REPORTED = ('AP', 'APr', 'APc', 'APf', 'AP50', 'AP75', 'APs', 'APm', 'APl')


@pytest.fixture(scope='module')
def ann_file(tmp_path_factory) -> str:
    return write_lvis(tmp_path_factory.mktemp('lvis') / 'lvis_v1_tiny.json')


@pytest.fixture(scope='module')
def content() -> dict:
    return lvis_content()


@pytest.fixture
def log(monkeypatch) -> list[str]:
    """The lines that the metric logs."""
    lines = []
    for module in ('metrics.lvis_metric', 'prediction_checks'):
        monkeypatch.setattr(f'expalign.evaluation.{module}.print_log',
                            lambda line, *_, **__: lines.append(line))
    return lines


def make_metric(ann_file, content, **kwargs) -> LVISMetric:
    metric = LVISMetric(ann_file, **kwargs)
    metric.dataset_meta = dict(classes=class_names(content))
    return metric


def evaluate(ann_file, content, samples, **kwargs) -> dict:
    metric = make_metric(ann_file, content, **kwargs)
    for start in range(0, len(samples), 2):
        metric.process({}, samples[start:start + 2])
    return metric.evaluate(len(samples))


def assert_parity(ann_file, content, samples, iou_type, protocol, **limits):
    ours = evaluate(ann_file, content, samples, metric=iou_type, protocol=protocol, **limits)
    theirs = official_scores(ann_file, content, samples, iou_type, protocol, **limits)
    for name in REPORTED:
        value = ours[f'lvis/{iou_type}_{protocol}_{name}']
        assert value == pytest.approx(theirs[name], abs=1e-6), name
    return ours


@pytest.mark.parametrize('iou_type', ['bbox', 'segm'])
@pytest.mark.parametrize(('protocol', 'limits'), [
    ('fixed', {}), ('fixed', dict(per_class=7)), ('standard', {}),
    ('standard', dict(per_image=11))])
@pytest.mark.parametrize('seed', [0, 1])
def test_the_official_numbers(ann_file, content, iou_type, protocol, limits, seed):
    samples = predictions(content, seed)
    scores = assert_parity(ann_file, content, samples, iou_type, protocol, **limits)
    assert 0.02 < scores[f'lvis/{iou_type}_{protocol}_AP'] < 0.95


@pytest.mark.real_data
@pytest.mark.parametrize('iou_type', ['bbox', 'segm'])
@pytest.mark.parametrize('protocol', ['fixed', 'standard'])
@pytest.mark.parametrize('seed', [0, 1, 2])
def test_the_official_numbers_on_lvis_itself(real_data, iou_type, protocol, seed):
    path = str(real_data / 'lvis' / 'lvis_v0.5_val_100.json')
    with open(path) as file:
        content = json.load(file)
    samples = predictions(content, seed, extra=60, masks=iou_type == 'segm')
    limits = {} if seed else dict(per_class=4) if protocol == 'fixed' else dict(per_image=20)
    scores = assert_parity(path, content, samples, iou_type, protocol, **limits)
    assert 0.02 < scores[f'lvis/{iou_type}_{protocol}_AP'] < 0.95


@pytest.mark.real_data
def test_perfect_predictions_score_one_on_lvis_itself(real_data):
    path = str(real_data / 'lvis' / 'lvis_v0.5_val_100.json')
    with open(path) as file:
        content = json.load(file)
    check_perfect(path, content)


def test_perfect_predictions_score_one(ann_file, content):
    check_perfect(ann_file, content)


def check_perfect(ann_file, content):
    samples = predictions(content, noise=0)
    for protocol in ('fixed', 'standard'):
        scores = evaluate(
            ann_file, content, samples, metric=['bbox', 'segm'], protocol=protocol)
        assert len(scores) == 2 * len(REPORTED)
        for name, value in scores.items():
            assert value == pytest.approx(1, abs=1e-12), name


def test_no_prediction_scores_zero(ann_file, content):
    samples = predictions(content)
    for sample in samples:
        sample['pred_instances'] = {
            key: value[:0] for key, value in sample['pred_instances'].items()}
    scores = evaluate(ann_file, content, samples, metric=['bbox', 'segm'])
    assert set(scores.values()) == {0.0}


def test_dense_masks_and_masks_as_text_are_the_same(ann_file, content):
    import numpy as np
    import pycocotools.mask as coco_mask
    samples = predictions(content)
    expected = evaluate(ann_file, content, samples, metric='segm')
    for form in ('text', 'dense'):
        for sample in samples:
            pred = sample['pred_instances']
            rles = pred['masks']
            if form == 'text':
                pred['masks'] = [dict(rle, counts=rle['counts'].decode()) for rle in rles]
            else:
                pred['masks'] = torch.from_numpy(np.stack([
                    coco_mask.decode(rle).astype(bool) for rle in rles])
                    if rles else np.zeros((0, 120, 160), dtype=bool))
        assert evaluate(ann_file, content, samples, metric='segm') == expected


def test_fixed_ap_has_no_limit_per_image(ann_file, content):
    """400 sure false alarms of an unknown class push nothing out of the fixed protocol."""
    samples = predictions(content, noise=0)
    for sample, image in zip(samples, content['images'], strict=True):
        pred, known = sample['pred_instances'], {
            a['category_id'] for a in content['annotations'] if a['image_id'] == image['id']}
        known.update(image['neg_category_ids'])
        names = class_names(content)
        unknown = next(names.index(c['name']) for c in content['categories']
                       if c['id'] not in known)
        pred['bboxes'] = torch.cat([pred['bboxes'], torch.tensor([[0., 0., 9., 9.]] * 400)])
        pred['scores'] = torch.cat([pred['scores'], torch.full((400,), 2.)])
        pred['labels'] = torch.cat([pred['labels'], torch.full((400,), unknown)])
    fixed = evaluate(ann_file, content, samples)
    standard = evaluate(ann_file, content, samples, protocol='standard')
    assert fixed['lvis/bbox_fixed_AP'] == pytest.approx(1, abs=1e-12)
    assert standard['lvis/bbox_standard_AP'] == 0


@pytest.mark.parametrize(('protocol', 'limit'), [('fixed', -1), ('standard', 300)])
def test_exported_files_are_official_result_files(ann_file, content, tmp_path, protocol, limit):
    from lvis import LVIS, LVISEval, LVISResults
    prefix = tmp_path / 'new' / 'run'
    samples = predictions(content)
    kwargs = dict(metric=['bbox', 'segm'], protocol=protocol, outfile_prefix=str(prefix))
    scores = evaluate(ann_file, content, samples, **kwargs)
    assert evaluate(ann_file, content, samples, format_only=True, **kwargs) == {}
    for iou_type in ('bbox', 'segm'):
        path = f'{prefix}.lvis_{protocol}.{iou_type}.json'
        truth = LVIS(ann_file)
        results = LVISResults(truth, path, max_dets=limit)
        assert len(results.anns) == sum(len(s['pred_instances']['scores']) for s in samples)
        evaluator = LVISEval(truth, results, iou_type)
        evaluator.params.max_dets = limit
        evaluator.run()
        for name in REPORTED:
            assert scores[f'lvis/{iou_type}_{protocol}_{name}'] == pytest.approx(
                evaluator.results[name], abs=1e-6)


def test_the_printed_line_names_the_protocol(ann_file, content, log):
    samples = predictions(content)
    scores = evaluate(ann_file, content, samples, split='minival')
    assert log[0].startswith(
        'LVIS minival, boxes, fixed AP (10,000 detections per class, no limit per image): AP '
        f'{scores["lvis/bbox_fixed_AP"]:.4f}, APr {scores["lvis/bbox_fixed_APr"]:.4f}, APc ')
    evaluate(ann_file, content, samples, protocol='standard', metric='segm')
    assert log[1].startswith('LVIS lvis_v1_tiny, masks, standard AP (300 detections per image, '
                             'no limit per class): AP ')


def test_an_image_that_comes_twice_counts_once(ann_file, content):
    samples = predictions(content)
    metric = make_metric(ann_file, content)
    metric.process({}, samples + samples[:3])
    assert metric.evaluate(len(samples)) == evaluate(ann_file, content, samples)


def test_a_part_of_the_results_has_no_score(ann_file, content):
    metric = make_metric(ann_file, content)
    metric.process({}, predictions(content)[:-1])
    with pytest.raises(RuntimeError, match='results of 11 images, the data set has 12'):
        metric.evaluate(12)


def test_part_of_the_images_is_scored_on_the_whole_file(ann_file, content, log):
    samples = predictions(content, noise=0)[:6]
    scores = evaluate(ann_file, content, samples)
    expected = official_scores(ann_file, content, samples, 'bbox', 'fixed')
    assert scores['lvis/bbox_fixed_AP'] == pytest.approx(expected['AP'], abs=1e-12)
    ids = ', '.join(str(image['id']) for image in reversed(content['images'][6:11]))
    assert log[0].startswith(f'LVISMetric: 6 of 12 images of {ann_file} were not tested and count '
                             'as without detections (ids ')
    assert len(ids.split(', ')) == 5 and log[0].endswith(', ...)')


@pytest.mark.parametrize(('kwargs', 'message'), [
    (dict(metric='proposal'), "metric must be 'bbox', 'segm' or both, got 'proposal'"),
    (dict(protocol='loose'), "protocol must be 'fixed' or 'standard', got 'loose'"),
    (dict(format_only=True), 'format_only needs an outfile_prefix'),
])
def test_wrong_arguments(ann_file, kwargs, message):
    with pytest.raises(ValueError, match=message):
        LVISMetric(ann_file, **kwargs)


def test_what_cannot_be_evaluated_is_named(ann_file, content):
    metric = make_metric(ann_file, content, metric='segm')
    (sample,) = predictions(content)[:1]
    with pytest.raises(ValueError, match='image id 5 is not in .*lvis_v1_tiny.json'):
        metric.process({}, [dict(sample, img_id=5)])
    without = {k: v for k, v in sample['pred_instances'].items() if k != 'masks'}
    with pytest.raises(ValueError, match="needs masks, the predictions of image 1000 have none"):
        metric.process({}, [dict(sample, pred_instances=without)])
    metric = make_metric(ann_file, content, metric='segm')
    sample['pred_instances']['masks'] = [
        dict(rle, size=[5, 5]) for rle in sample['pred_instances']['masks']]
    with pytest.raises(ValueError, match=r'masks of image 1000 are of height and width \[5, 5\]'):
        metric.process({}, [sample])


def test_classes_that_the_file_lacks(ann_file):
    with pytest.raises(ValueError, match="lvis_v1_tiny.json has no category named 'owl'"):
        LVISMetric(ann_file).dataset_meta = dict(classes=('owl',))
    with pytest.raises(ValueError, match='set dataset_meta'):
        LVISMetric(ann_file).process({}, [])


def test_files_that_are_not_lvis(tmp_path, content):
    path = tmp_path / 'coco.json'
    images = [{k: v for k, v in image.items() if k != 'neg_category_ids'}
              for image in content['images']]
    path.write_text(json.dumps({**content, 'images': images}))
    with pytest.raises(ValueError, match="image 1000 has no 'neg_category_ids'"):
        LVISMetric(str(path))
    path.write_text(json.dumps({
        **content, 'categories': [dict(c, frequency='often') for c in content['categories']]}))
    with pytest.raises(ValueError, match="has the 'frequency' 'often'"):
        LVISMetric(str(path))
    for key in ('ignore', 'iscrowd'):
        annotations = [*content['annotations'][:-1], {**content['annotations'][-1], key: 1}]
        path.write_text(json.dumps({**content, 'annotations': annotations}))
        with pytest.raises(ValueError, match="marked 'ignore' or 'iscrowd'"):
            LVISMetric(str(path))
    annotations = [*content['annotations'][:-1], {**content['annotations'][-1], 'category_id': 77}]
    path.write_text(json.dumps({**content, 'annotations': annotations}))
    with pytest.raises(ValueError, match='of image .*: 77 is no category of it'):
        LVISMetric(str(path))
    images = [*content['images'][:-1], {**content['images'][-1], 'neg_category_ids': [78]}]
    path.write_text(json.dumps({**content, 'images': images}))
    with pytest.raises(ValueError, match="'neg_category_ids' has 78, which is no category"):
        LVISMetric(str(path))
    for value in (None, {}, 3, [[1]], [None]):
        images = [*content['images'][:-1], {**content['images'][-1], 'neg_category_ids': value}]
        path.write_text(json.dumps({**content, 'images': images}))
        with pytest.raises(ValueError, match="has no 'neg_category_ids', a list of ids"):
            LVISMetric(str(path))
    annotations = [*content['annotations'][:-1], {**content['annotations'][-1], 'image_id': 7}]
    path.write_text(json.dumps({**content, 'annotations': annotations}))
    with pytest.raises(ValueError, match='annotation of an image that the file does not have'):
        LVISMetric(str(path))
    with pytest.raises(FileNotFoundError, match="check 'ann_file' of the evaluator"):
        LVISMetric('/nowhere/lvis.json')


def test_it_is_registered(ann_file):
    with DefaultScope.overwrite_default_scope('mmdet'):
        metric = METRICS.build(dict(type='expalign.LVISMetric', ann_file=ann_file))
    assert isinstance(metric, LVISMetric)
