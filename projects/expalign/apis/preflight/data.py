"""Checks of a training's data: files, a sample of annotations and images, names, masks.

What reads the annotations is what trains on them. Small files are read whole; of large ones the
first records are looked at.
"""

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from mmengine.fileio import join_path
from mmengine.registry import DATASETS, init_default_scope

from expalign.data_tools.checks.collected import STOPS, CollectedProblems, read_entries
from expalign.data_tools.checks.findings import Findings
from expalign.data_tools.checks.sources import leaf_configs, source_of
from expalign.datasets.class_names import UnknownClasses
from expalign.datasets.image_ends import image_faults
from expalign.datasets.text_coco import TextCocoDataset
from expalign.datasets.transforms.negative_vocabulary import missing_file
from expalign.engine.hooks.mask_share_hook import has_area
from expalign.utils.file_kinds import is_address

from .config_parts import files_of, named, parts_of_type, training_pipelines
from .file_heads import head_of
from .report import Report

WHOLE = 32 * 2**20  # bytes: larger files are not read whole
IMAGES, SECONDS = 200, 5.0  # of each source
MAX_SHOWN = 3


@dataclass
class Looked:
    """What was seen of a source.

    Args:
        paths: image files.
        instances, masks: that were looked at, without crowds, and those with a mask.
        whole: whether that is everything.
        grounding: whether there are captions.
    """

    paths: list[str]
    instances: int
    masks: int
    whole: bool
    grounding: bool


class _Counted(CollectedProblems):
    """Counts what is limited by ``max_bad_annotations``."""

    num_bad_found = 0

    def bad(self, kind: str, where: str) -> None:
        self.num_bad_found += 1
        super().bad(kind, where)


def check_data(cfg: Any, masks: bool, report: Report) -> None:
    """Check every source of training, validation, and the vocabulary of negatives.

    Args:
        cfg: the config.
        masks: whether the model trains masks.
        report: takes what is found.
    """
    init_default_scope('mmdet')
    leaves = list(leaf_configs(cfg.train_dataloader['dataset']))
    absent = _check_files(leaves, 'train data', report)
    seen = [None if absent & set(_files(leaf)) else _check_source(leaf, 'train', report)
            for leaf in leaves]
    known = [looked for looked in seen if looked is not None]
    if masks:
        _check_masks(cfg, known, len(known) == len(seen), report)
    grounding = any(_has_captions(leaf) if looked is None else looked.grounding
                    for leaf, looked in zip(leaves, seen, strict=True))
    _check_vocabulary(cfg, grounding, report)
    _check_validation(cfg, report)


def _check_files(leaves: list[dict], part: str, report: Report) -> set[str]:
    """Report each file that is missing once; returns them."""
    users: dict[str, list[str]] = {}
    for leaf in leaves:
        for path in _files(leaf):
            if not _exists(path):
                users.setdefault(path, []).append(_ann_file(leaf))
    for path, names in users.items():
        others = [name for name in dict.fromkeys(names) if name != path]
        needed = f', which {" and ".join(others)} needs' if others else ''
        report.fault(part, f"'{path}'{needed} does not exist (from the folder {os.getcwd()})",
                     'put the file there (docs/reproduce.md), or name its place in the config')
    return set(users)


def _has_captions(leaf: dict) -> bool:
    """Whether a data set that could not be read is one of captions, by its type."""
    kind = DATASETS.get(leaf['type'])
    return kind is not None and not issubclass(kind, TextCocoDataset)


def _ann_file(leaf: dict) -> str:
    return join_path(leaf.get('data_root') or '', leaf.get('ann_file') or '') or leaf['type']


def _check_source(leaf: dict, split: str, report: Report) -> Looked | None:
    part = f'{split} data {_ann_file(leaf)}'
    try:
        dataset = source_of(leaf, None).dataset
    except ValueError as error:
        if 'cannot check' in str(error):
            report.note(part, f'not looked at: a data set of type {leaf["type"]}')
        else:
            report.fault(part, str(error), 'repair the setting')
        return None
    except TypeError as error:  # a class of somebody else's, with other arguments
        report.note(part, f'not looked at: {error}')
        return None
    except (KeyError, OSError) as error:
        report.fault(part, f'{type(error).__name__}: {error}', 'repair the setting')
        return None
    folder = dataset.data_prefix.get('img', '')
    if folder and '://' not in folder and not os.path.isdir(folder):
        report.fault(part, f"the folder of images '{folder}' does not exist",
                     'unpack the images there, or name their folder in data_prefix')
        return None
    looked = _look(dataset, part, report)
    if looked is not None:
        _check_images(looked, dataset, part, split, report)
    return looked


def _files(leaf: dict) -> list[str]:
    """Files of a data set; its own are joined with ``data_root``, those of a rule are not."""
    root = leaf.get('data_root') or ''
    own = [join_path(root, path) if key in ('ann_file', 'label_map_file', 'refs_file') else path
           for key, value in leaf.items() if isinstance(value, str)
           for path in files_of({key: value})]
    return [*own, *files_of(leaf.get('leakage'))]


def _exists(path: str) -> bool:
    return is_address(path) or os.path.isfile(path)


def _look(dataset: Any, part: str, report: Report) -> Looked | None:
    path = str(dataset.ann_file)
    by_line = path.endswith(('.jsonl', '.odvg'))
    try:
        if by_line or is_address(path) or os.path.getsize(path) <= WHOLE:
            return _read(dataset, part, by_line, report)
        return _sample(dataset, part, report)
    except (ValueError, OSError, UnknownClasses) as error:
        report.fault(part, str(error), 'repair the file, or fetch it again')
        return None


def _read(dataset: Any, part: str, by_line: bool, report: Report) -> Looked | None:
    """With the data set's own reader: all, or the first lines of a file that has lines."""
    findings = Findings(part)
    problems = _Counted(dataset.ann_file, findings)
    limit = 5000 if by_line and os.path.getsize(dataset.ann_file) > WHOLE else None
    entries = list(islice(read_entries(dataset, problems), limit))
    stops = [line for line in findings.problems.lines() if STOPS in line]
    for line in stops:
        report.fault(part, line.strip().replace(STOPS, ''), 'see tools/check_dataset.py CONFIG')
    if problems.num_bad_found > dataset.max_bad_annotations:
        report.fault(part, f'{problems.num_bad_found:,} annotations are wrong, more than '
                     f'max_bad_annotations={dataset.max_bad_annotations}',
                     'see tools/check_dataset.py CONFIG; --fix-to leaves them out')
    elif findings.problems and not stops:
        report.note(part, f'{sum(findings.problems.values()):,} annotations that training leaves '
                    'out', 'see tools/check_dataset.py CONFIG')
    for name, count in sorted(problems.without_prompt.items()):
        report.note(part, f'class {name!r} has {count:,} instances and is no prompt')
    if stops:
        return None
    plain = [instance for entry in entries for instance in entry.record['instances']
             if not instance.get('ignore_flag')]
    return Looked(
        [entry.path for entry in entries], len(plain),
        sum(has_area(instance.get('mask')) for instance in plain), limit is None,
        any(entry.record['text_kind'] == 'grounding' for entry in entries))


def _sample(dataset: Any, part: str, report: Report) -> Looked:
    """The first records of each list of a file that is too large to be read in seconds."""
    images, annotations, categories = (
        [record for record in head_of(dataset.ann_file, key) if isinstance(record, dict)]
        for key in ('images', 'annotations', 'categories'))
    classes = dataset.metainfo.get('classes')
    names = {str(category.get('name')).strip() for category in categories}
    unknown = [name for name in classes or () if names and name not in names]
    if unknown:
        report.fault(part, f'the file has no category {", ".join(map(repr, unknown[:MAX_SHOWN]))}'
                     f' ({len(unknown)} of {len(classes)} names are unknown)',
                     "name the file's own classes in metainfo")
    folder = dataset.data_prefix.get('img', '')
    paths = [join_path(folder, str(image['file_name'])) for image in images if 'file_name' in image]
    plain = [record for record in annotations if not record.get('iscrowd')]
    return Looked(paths, len(plain), sum(has_area(record.get('segmentation')) for record in plain),
                  False, any('caption' in image for image in images))


def _check_images(looked: Looked, dataset: Any, part: str, split: str, report: Report) -> None:
    paths = list(dict.fromkeys(path for path in looked.paths if '://' not in path))
    paths = paths[::-(-len(paths) // IMAGES)] if paths else []
    states = dict(image_faults(paths, SECONDS))
    faults = {path: fault for path, fault in states.items() if fault is not None}
    text = f'{len(states):,} images looked at'
    if looked.instances:
        share = f'{looked.masks / looked.instances:.1%}'
        text = f'{looked.instances:,} instances looked at, {share} with a mask; {text}'
    if not faults:
        report.ok(part, text)
        return
    listed = '; '.join(f'{path}: {fault}' for path, fault in islice(faults.items(), MAX_SHOWN))
    found = f'{len(faults):,} of {len(states):,} images cannot be used ({listed})'
    allowed = getattr(dataset, 'max_bad_images', 0) if split == 'train' else 0
    if len(faults) > allowed or len(faults) == len(states):
        report.fault(part, found, 'unpack the images, check data_prefix, or leave the images out '
                     '(tools/check_dataset.py CONFIG --fix-to)')
    else:
        report.note(part, f'{found}; training skips up to {allowed}')


def _check_masks(cfg: Any, seen: list[Looked], all_seen: bool, report: Report) -> None:
    instances, masks = (sum(getattr(looked, name) for looked in seen)
                        for name in ('instances', 'masks'))
    allowed = (cfg.get('default_hooks') or {}).get('mask_share') or {}
    if not instances or masks:
        return
    remedy = ('add masks (docs/method.md), use the config without -seg, or set '
              'default_hooks.mask_share.allow_none=True')
    whole = all_seen and all(looked.whole for looked in seen)
    text = f'the model trains masks, and none of {instances:,} instances looked at has one'
    if whole and not allowed.get('allow_none'):
        report.fault('masks', text, remedy)
    else:
        report.note('masks', text, '' if allowed.get('allow_none') else remedy)


def _check_vocabulary(cfg: Any, grounding: bool, report: Report) -> None:
    files = dict.fromkeys(
        str(step['negative_vocabulary'])
        for step in parts_of_type(training_pipelines(cfg), 'SamplePrompts')
        if isinstance(step.get('negative_vocabulary'), str | Path))
    for path in files:
        missing = missing_file(path)
        if missing is None:
            report.ok('negative vocabulary', path)
        elif grounding:
            report.fault('negative vocabulary', f"'{path}' does not exist, and captions tell no "
                         'negatives', 'write it with tools/dataset_converters/'
                         'build_negative_vocabulary.py (configs/README.md)')
        else:
            report.note('negative vocabulary', f"'{path}' does not exist, and is not needed: "
                        'detection data has negatives of its own')


def _check_validation(cfg: Any, report: Report) -> None:
    if not cfg.get('val_dataloader'):
        return
    optional = named((cfg.get('val_cfg') or {}).get('type'), 'OptionalValLoop')
    leaves = list(leaf_configs(cfg.val_dataloader['dataset']))
    missing = [path for leaf in leaves for path in _files(leaf) if not _exists(path)]
    if missing and optional:
        report.note('validation', f"none, as '{missing[0]}' does not exist")
        return
    hooks = [hook for hook in cfg.get('custom_hooks') or () if 'dataloader' in hook]
    leaves += [leaf for hook in hooks for leaf in leaf_configs(hook['dataloader']['dataset'])]
    absent = _check_files(leaves, 'validation data', report)
    for leaf in leaves:
        if not absent & set(_files(leaf)):
            _check_source(leaf, 'validation', report)
    evaluators = [cfg.get('val_evaluator') or [], *(hook.get('evaluator', []) for hook in hooks)]
    for path in dict.fromkeys(files_of(evaluators)):
        if _exists(path) or path in absent:
            continue
        report.fault('validation', f"'{path}', which a metric reads, does not exist",
                     'put the file there, or name its place in val_evaluator')

