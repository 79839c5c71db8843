"""Asking the evaluators of a config for result files that the official tools read."""

import os
from typing import Any

from mmengine.config import ConfigDict


def set_json_prefix(evaluators: ConfigDict | list, prefix: str, format_only: bool = False) -> None:
    """Let every COCO and LVIS metric write its detections as JSON.

    ``expalign.CocoMetric`` writes ``PREFIX.bbox.json`` and ``PREFIX.segm.json``,
    ``expalign.LVISMetric`` ``PREFIX.lvis_{protocol}.{bbox,segm}.json``.

    Args:
        evaluators: ``test_evaluator`` of a config; changed in place. Where several metrics of one
            type would write the same file, ``.1``, ``.2``, ... follow the prefix of the later.
        prefix: path and start of the files' names.
        format_only: write the files and do not evaluate.

    Raises:
        ValueError: no metric of the config writes result files.
    """
    counts: dict[tuple, int] = {}
    for metric in _metrics_of(evaluators):
        if not metric['type'].split('.')[-1].startswith(('CocoMetric', 'LVISMetric')):
            continue
        key = metric['type'], metric.get('protocol')
        number = counts.get(key, 0)
        counts[key] = number + 1
        metric['outfile_prefix'] = f'{prefix}.{number}' if number else prefix
        metric['format_only'] = format_only
    if not counts:
        raise ValueError('--json-prefix: no metric of test_evaluator writes result files; '
                         'expalign.CocoMetric and expalign.LVISMetric do')


def annotation_files(cfg: Any) -> list[str]:
    """Every annotation file that a dataloader's config names, below ``data_root`` or as it is."""
    if isinstance(cfg, list | tuple):
        return [found for item in cfg for found in annotation_files(item)]
    if not isinstance(cfg, dict):
        return []
    named, root = cfg.get('ann_file'), cfg.get('data_root') or ''
    own = [named, os.path.join(root, named)] if isinstance(named, str) else []
    return own + [found for value in cfg.values() for found in annotation_files(value)]


def _metrics_of(evaluators: ConfigDict | list) -> list:
    """The metrics' configs, those inside an evaluator of several data sets included."""
    if isinstance(evaluators, (list, tuple)):
        return [found for item in evaluators for found in _metrics_of(item)]
    # An evaluator has metrics in a list of dicts under this key.
    inner = evaluators.get('metrics')
    if isinstance(inner, (list, tuple)) and all(isinstance(item, dict) for item in inner):
        return _metrics_of(inner)
    return [evaluators]
