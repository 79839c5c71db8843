"""Metrics."""

from .metrics import (
    AbsentPromptMetric,
    ClassAgnosticRecall,
    CocoMetric,
    LVISMetric,
    ODinWMetric,
    PhraseGroundingMetric,
    RefExpMetric,
)

__all__ = [
    'AbsentPromptMetric', 'ClassAgnosticRecall', 'CocoMetric', 'LVISMetric', 'ODinWMetric',
    'PhraseGroundingMetric', 'RefExpMetric']
