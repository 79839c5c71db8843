"""Predictions saved by tools/test.py, evaluated again and exported for the official tools."""

import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from expalign.registry import MODELS
from expalign.utils.load_config import load_config
from tests.helpers.generated_lvis import class_names, lvis_content, official_scores, predictions

COCO_CONFIG = 'configs/mini/expalign_mini-seg.py'
SMALL = ['test_dataloader.dataset.indices=3', 'log_level=WARNING', 'model.test_cfg.score_thr=0.0',
         'model.test_cfg.max_per_img=20']
LVIS_CONFIG = """
_base_ = '{root}/configs/mini/expalign_mini-seg.py'
data_root = '{folder}'
test_dataloader = dict(dataset=dict(
    type='expalign.LVISV1Dataset', metainfo=dict(classes={classes}), data_root=data_root,
    ann_file='lvis.json', data_prefix=dict(img='')))
test_evaluator = [
    dict(type='expalign.LVISMetric', ann_file=data_root + '/lvis.json',
         protocol=protocol, metric=['bbox', 'segm']) for protocol in ('fixed', 'standard')]
"""


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory) -> Path:
    """The small model as it is built."""
    cfg = load_config(COCO_CONFIG)
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('model') / 'untrained.pth'
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict()), path)
    return path


@pytest.fixture(scope='module')
def content() -> dict:
    return lvis_content(num_images=6)


@pytest.fixture(scope='module')
def lvis_config(repo_root, content, tmp_path_factory) -> Path:
    """A config of a generated data set in LVIS format, with images of noise."""
    folder = tmp_path_factory.mktemp('lvis')
    (folder / 'val2017').mkdir()
    rng = np.random.default_rng(0)
    for image in content['images']:
        noise = rng.integers(255, size=(image['height'], image['width'], 3), dtype=np.uint8)
        cv2.imwrite(str(folder / 'val2017' / image['file_name']), noise)
    (folder / 'lvis.json').write_text(json.dumps(content))
    config = folder / 'config.py'
    classes = [name.replace('_', ' ') for name in class_names(content)]
    config.write_text(LVIS_CONFIG.format(root=repo_root, folder=folder, classes=classes))
    return config


def test_lvis_through_the_tools(run_script, checkpoint, lvis_config, content, tmp_path):
    from lvis import LVIS, LVISResults
    out, prefix = tmp_path / 'results.pkl', tmp_path / 'run'
    run_script('tools/test.py', lvis_config, checkpoint, '--work-dir', tmp_path, '--out', out,
               '--json-prefix', prefix, '--cfg-options', *SMALL[1:])
    scores = run_script('tools/analysis_tools/eval_metric.py', lvis_config, out)
    assert {name for name in scores if name.endswith('_AP')} == {
        f'lvis/{kind}_{protocol}_AP' for kind in ('bbox', 'segm')
        for protocol in ('fixed', 'standard')}
    truth = LVIS(str(lvis_config.parent / 'lvis.json'))
    for protocol in ('fixed', 'standard'):
        for kind, key in (('bbox', 'bbox'), ('segm', 'segmentation')):
            results = LVISResults(truth, f'{prefix}.lvis_{protocol}.{kind}.json', max_dets=-1)
            assert len(results.anns) == 20 * len(content['images'])
            assert all(key in ann for ann in results.anns.values())


def test_known_predictions_score_what_the_official_package_says(
        run_script, lvis_config, content, tmp_path):
    results, samples = tmp_path / 'results.pkl', predictions(content, seed=3)
    results.write_bytes(pickle.dumps(samples))
    scores = run_script('tools/analysis_tools/eval_metric.py', lvis_config, results)
    path = str(lvis_config.parent / 'lvis.json')
    for kind in ('bbox', 'segm'):
        for protocol in ('fixed', 'standard'):
            expected = official_scores(path, content, samples, kind, protocol)
            assert scores[f'lvis/{kind}_{protocol}_AP'] == pytest.approx(
                expected['AP'], abs=1e-6)
            assert expected['AP'] > 0.02


def test_coco_through_the_tools_with_augmentation(run_script, checkpoint, tmp_path):
    from pycocotools.coco import COCO
    out, prefix = tmp_path / 'results.pkl', tmp_path / 'run'
    run_script('tools/test.py', COCO_CONFIG, checkpoint, '--work-dir', tmp_path, '--out', out,
               '--tta', '--json-prefix', prefix, '--cfg-options', *SMALL)
    scores = run_script('tools/analysis_tools/eval_metric.py', COCO_CONFIG, out,
                        '--cfg-options', *SMALL)
    assert {'coco/bbox_mAP', 'coco/segm_mAP'} <= set(scores)
    images = pickle.loads(out.read_bytes())
    assert len(images) == 3
    truth = COCO('demo/data/mini/annotations/instances_val2017.json')
    found = [len(image['pred_instances']['scores']) for image in images]
    assert all(0 < count <= 20 for count in found)  # max_per_img of the config
    for kind in ('bbox', 'segm'):
        loaded = truth.loadRes(f'{prefix}.{kind}.json')
        assert len(loaded.anns) == sum(found)
    for image in images:
        assert not image['flip']
        assert all(mask['size'] == list(image['ori_shape'])
                   for mask in image['pred_instances']['masks'])


def test_formatting_alone(run_script, lvis_config, content, tmp_path):
    results = tmp_path / 'results.pkl'
    results.write_bytes(pickle.dumps(predictions(content)))
    assert run_script('tools/analysis_tools/eval_metric.py', lvis_config, results, '--json-prefix',
                      tmp_path / 'a', '--format-only') == {}
    assert len(list(tmp_path.glob('a.lvis_*.json'))) == 4


def test_results_of_another_test_are_refused(run_script, lvis_config, content, tmp_path):
    results = tmp_path / 'results.pkl'
    results.write_bytes(pickle.dumps(predictions(content)[:-1]))
    with pytest.raises(ValueError, match='predictions of 5 images, the data set of .* has 6'):
        run_script('tools/analysis_tools/eval_metric.py', lvis_config, results)


def test_format_only_needs_a_prefix(run_script, capsys):
    for tool in ('tools/test.py', 'tools/analysis_tools/eval_metric.py'):
        with pytest.raises(SystemExit):
            run_script(tool, COCO_CONFIG, COCO_CONFIG, '--format-only')
        assert '--format-only needs --json-prefix' in capsys.readouterr().err
