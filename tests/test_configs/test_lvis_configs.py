"""The LVIS configs: what they read, how much they keep, which protocols they report."""

import pytest
from mmengine.config import Config

KINDS = [('cnxt', 'bbox'), ('cnxt-seg', ['bbox', 'segm']), ('v8s_minilm-seg', ['bbox', 'segm'])]


@pytest.mark.parametrize('split', ['minival', 'val'])
@pytest.mark.parametrize(('form', 'metric'), KINDS)
def test_data_metric_and_limits(split, form, metric):
    cfg = Config.fromfile(f'configs/lvis/expalign_{form}_lvis_{split}.py')
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        assert loader.dataset.type == 'expalign.LVISV1Dataset'
        assert loader.dataset.ann_file == f'lvis/lvis_v1_{split}.json'
        assert (loader.dataset.data_root, loader.dataset.data_prefix.img) == ('data/', 'coco/')
        assert loader.dataset.pipeline == cfg.test_pipeline
    assert cfg.train_dataloader is None
    assert cfg.val_evaluator == cfg.test_evaluator
    for evaluator, protocol in zip(cfg.test_evaluator, ('fixed', 'standard'), strict=True):
        assert evaluator == dict(
            type='expalign.LVISMetric', ann_file=f'data/lvis/lvis_v1_{split}.json', split=split,
            metric=metric, protocol=protocol)
    assert cfg.model.test_cfg.max_per_img == 1000
    assert cfg.model.test_cfg.nms == dict(type='nms', iou_threshold=0.7)
    assert cfg.model.text_encoder.cache_dir == 'work_dirs/text_cache'
