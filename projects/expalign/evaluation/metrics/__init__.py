"""Metrics, one a file."""

from .absent_prompts import AbsentPromptMetric
from .class_agnostic_recall import ClassAgnosticRecall
from .coco_metric import CocoMetric
from .lvis_metric import LVISMetric
from .odinw import ODinWMetric
from .phrase_grounding import PhraseGroundingMetric
from .pooled_metric import PooledMetric
from .ref_exp import RefExpMetric

__all__ = [
    'AbsentPromptMetric', 'ClassAgnosticRecall', 'CocoMetric', 'LVISMetric', 'ODinWMetric',
    'PhraseGroundingMetric', 'PooledMetric', 'RefExpMetric']
