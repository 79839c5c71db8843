"""mmengine's wrappers that repeat images, with transforms of their own for each repetition."""

from mmengine.dataset import ClassBalancedDataset as MMEngineClassBalancedDataset
from mmengine.dataset import RepeatDataset as MMEngineRepeatDataset

from expalign.registry import DATASETS

from .sample_seed import SeededSamples


@DATASETS.register_module()
class RepeatDataset(SeededSamples, MMEngineRepeatDataset):
    """mmengine's: ``times`` passes over ``dataset`` an epoch."""


@DATASETS.register_module()
class ClassBalancedDataset(SeededSamples, MMEngineClassBalancedDataset):
    """mmengine's: images of rare classes several times an epoch (``oversample_thr``)."""
