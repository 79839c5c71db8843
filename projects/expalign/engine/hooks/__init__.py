"""Hooks of scope ``expalign``."""

from .compile_hook import CompileHook
from .consistency_watch_hook import ConsistencyWatchHook
from .dataset_epoch_hook import DatasetEpochHook
from .explanation_hook import ExplanationHook
from .finite_loss_hook import FiniteLossHook
from .fuse_conv_bn_hook import FuseConvBNHook
from .image_files_hook import ImageFilesHook
from .known_classes_hook import KnownClassesHook
from .mask_share_hook import MaskShareHook
from .plain_checkpoint_hook import PlainCheckpointHook
from .runtime_info_hook import RuntimeInfoHook
from .similarity_window_hook import SimilarityWindowHook
from .text_cache_hook import TextCacheHook
from .trainable_ema_hook import TrainableEMAHook
from .trained_part_hook import TrainedPartHook
from .training_progress_hook import TrainingProgressHook
from .zero_shot_report_hook import ZeroShotReportHook

__all__ = [
    'CompileHook',
    'ConsistencyWatchHook',
    'DatasetEpochHook',
    'ExplanationHook',
    'FiniteLossHook',
    'FuseConvBNHook',
    'ImageFilesHook',
    'KnownClassesHook',
    'MaskShareHook',
    'PlainCheckpointHook',
    'RuntimeInfoHook',
    'SimilarityWindowHook',
    'TextCacheHook',
    'TrainableEMAHook',
    'TrainedPartHook',
    'TrainingProgressHook',
    'ZeroShotReportHook',
]
