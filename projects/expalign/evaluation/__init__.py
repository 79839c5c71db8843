"""Metrics."""

from .metrics import (
    AbsentPromptMetric,
    ClassAgnosticRecall,
    CocoMetric,
    LVISMetric,
    ODinWMetric,
    PhraseGroundingMetric,
    PooledMetric,
    RefExpMetric,
)

__all__ = [
    'AbsentPromptMetric', 'ClassAgnosticRecall', 'CocoMetric', 'LVISMetric', 'ODinWMetric',
    'PhraseGroundingMetric', 'PooledMetric', 'RefExpMetric']
