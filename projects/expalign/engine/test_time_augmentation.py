"""Test-time augmentation for a config that does not define its own: the image and its mirror."""

from copy import deepcopy

from mmengine.config import Config, ConfigDict

FLIP_KEYS = ('flip', 'flip_direction')


def add_test_time_augmentation(cfg: Config) -> None:
    """Wrap model and test pipeline; ``tta_model`` and ``tta_pipeline`` of the config win.

    A ``tta_pipeline`` that mirrors the config's ``test_pipeline`` gives way where the test data
    have another pipeline than that.

    Instances of both views are merged by the NMS that the model's ``test_cfg`` names.
    """
    dataset = cfg.test_dataloader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    tta_model = cfg.get('tta_model') or dict(type='expalign.InstanceTTAModel')
    views, usual = cfg.get('tta_pipeline'), cfg.get('test_pipeline')
    if views and usual and dataset.pipeline != usual and views == mirrored_pipeline(usual):
        views = None
    dataset.pipeline = views or mirrored_pipeline(dataset.pipeline)
    cfg.model = ConfigDict(**tta_model, module=cfg.model)


def mirrored_pipeline(pipeline: list[dict]) -> list[dict]:
    """The pipeline run twice behind the image's loading, the first time on the mirror image.

    The image is mirrored before it is resized and padded, so that the padding of each view is
    undone exactly.

    Args:
        pipeline: a test pipeline that starts with loading and ends with packing.
    """
    load, *stages = deepcopy(pipeline)
    stages[-1]['meta_keys'] = (*stages[-1]['meta_keys'], *FLIP_KEYS)
    flips = [dict(type='mmdet.RandomFlip', prob=prob) for prob in (1., 0.)]
    views = [flips, *([stage] for stage in stages)]
    return [load, dict(type='mmengine.TestTimeAug', transforms=views)]
