"""Test-time augmentation of configs that do not define it."""

from mmengine.config import Config

from expalign.engine.test_time_augmentation import add_test_time_augmentation, mirrored_pipeline

PIPELINE = [
    dict(type='load'), dict(type='resize'), dict(type='pack', meta_keys=('img_id', 'text'))]
MIRRORED = [
    dict(type='load'),
    dict(type='mmengine.TestTimeAug', transforms=[
        [dict(type='mmdet.RandomFlip', prob=1.), dict(type='mmdet.RandomFlip', prob=0.)],
        [dict(type='resize')],
        [dict(type='pack', meta_keys=('img_id', 'text', 'flip', 'flip_direction'))]])]


def make_config(**extra) -> Config:
    return Config(dict(
        model=dict(type='detector', test_cfg=dict(
            nms=dict(type='nms', iou_threshold=0.6), max_per_img=20)),
        test_dataloader=dict(dataset=dict(type='wrapper', dataset=dict(pipeline=PIPELINE))),
        **extra))


def test_mirrored_before_resizing_and_original_untouched():
    assert mirrored_pipeline(PIPELINE) == MIRRORED
    assert PIPELINE[-1]['meta_keys'] == ('img_id', 'text')


def test_the_default_takes_its_limits_from_the_model():
    cfg = make_config()
    add_test_time_augmentation(cfg)
    assert cfg.model.type == 'expalign.InstanceTTAModel'
    assert cfg.model.module.type == 'detector'
    assert 'tta_cfg' not in cfg.model
    assert cfg.test_dataloader.dataset.dataset.pipeline == MIRRORED


def test_the_config_s_own_win():
    cfg = make_config(tta_model=dict(type='own', tta_cfg={}), tta_pipeline=[dict(type='x')])
    add_test_time_augmentation(cfg)
    assert cfg.model.type == 'own'
    assert cfg.model.module.type == 'detector'
    assert cfg.test_dataloader.dataset.dataset.pipeline == [dict(type='x')]


def test_views_of_another_pipeline_give_way():
    """As where the command line has changed the pipeline of the test data."""
    usual = [dict(PIPELINE[0]), dict(type='resize', scale=640), dict(PIPELINE[2])]
    cfg = make_config(test_pipeline=usual, tta_pipeline=mirrored_pipeline(usual))
    add_test_time_augmentation(cfg)
    assert cfg.test_dataloader.dataset.dataset.pipeline == MIRRORED
    cfg = make_config(test_pipeline=PIPELINE, tta_pipeline=mirrored_pipeline(PIPELINE))
    add_test_time_augmentation(cfg)
    assert cfg.test_dataloader.dataset.dataset.pipeline == MIRRORED
