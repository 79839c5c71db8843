"""Checks of the weights that a training starts from: encoders, and a checkpoint."""

import glob
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from expalign.checkpoints.checkpoint import ENCODERS, describe_mismatch, is_frozen
from expalign.checkpoints.frozen_encoders import (
    FrozenEncoderMismatchError,
    check_frozen_encoders,
    weights_digest,
)
from expalign.checkpoints.newest_checkpoint import NothingToResume, flipped_part, newest_checkpoint
from expalign.models.utils.hub import hub_answers, is_at_hand
from expalign.models.utils.pretrained import PretrainedModelError
from expalign.registry import MODELS

from .report import Report

DIGITS = 12


def build_model(cfg: Any, report: Report) -> nn.Module | None:
    """The model with its encoders, whose digests are reported; None where it cannot be built."""
    if _out_of_reach(cfg.model, report):
        return None
    try:
        model = MODELS.build(cfg.model)
    except PretrainedModelError:
        for name in ENCODERS:
            _try_encoder(name, cfg.model, report)
        return None
    except (ValueError, TypeError, KeyError, OSError) as error:
        report.fault('model', f'it cannot be built: {type(error).__name__}: {error}',
                     "repair the config's model")
        return None
    for name in ENCODERS:
        part = getattr(model, name, None)
        if part is not None:
            source = (cfg.model.get(name) or {}).get('model')
            described = source if isinstance(source, str) else 'no weights of its own'
            state = 'frozen' if is_frozen(part) else 'trained'
            report.ok(name, f'{described}, {state}, sha256 {weights_digest(part)[:DIGITS]}')
    return model


def _out_of_reach(settings: Mapping, report: Report) -> bool:
    """Whether an encoder is to come from a hub that cannot be reached; told in a second.

    Loading it would try for half a minute first.
    """
    names = {name: settings[name]['model'] for name in ENCODERS
             if isinstance((settings.get(name) or {}).get('model'), str)}
    missing = {name: model for name, model in names.items() if not is_at_hand(model)}
    if not missing or hub_answers():
        return False
    for name, model in missing.items():
        report.fault(name, f'{model!r} is no local folder, it is not in the local cache, and the '
                     'model hub cannot be reached', f'set model.{name}.model to a local folder, or '
                     'fill the cache on a machine with a network and point HF_HOME at it')
    return True


def _try_encoder(name: str, settings: Mapping, report: Report) -> None:
    try:
        if settings.get(name):
            MODELS.build(settings[name])
            report.ok(name, str(settings[name].get('model')))
    except (PretrainedModelError, ValueError, TypeError, KeyError, OSError) as error:
        report.fault(name, str(error), f'set model.{name}.model to a local folder, or fetch the '
                     'weights first (docs/weights.md)')


def check_start(cfg: Any, model: nn.Module | None, report: Report) -> None:
    """Check the checkpoint that training starts from or goes on from.

    Args:
        cfg: the config, with ``load_from``, ``resume`` and ``work_dir`` as the command line says.
        model: built; None where that failed.
        report: takes what is found.
    """
    path, resumed = cfg.get('load_from'), bool(cfg.get('resume'))
    if resumed and (cfg.resume == 'auto' or path is None):
        try:
            newest = newest_checkpoint(cfg.work_dir) if glob.glob(
                f'{glob.escape(cfg.work_dir)}/*') else None
        except NothingToResume as error:
            report.fault('resuming', str(error), 'name a checkpoint, or another --work-dir')
            return
        path, resumed = (newest, True) if newest else (path, False)
    if path is None:
        report.ok('start', 'from new weights, but for the encoders')
        return
    part = 'resuming' if resumed else 'start'
    checkpoint = _load(str(path), part, report)
    if checkpoint is None:
        return
    if model is None:
        report.note(part, f'{path}: whether it fits cannot be seen without the encoders')
        return
    _check_fit(model, checkpoint, str(path), part, report)


def _load(path: str, part: str, report: Report) -> Mapping | None:
    remedy = 'name another checkpoint (load_from, --resume)'
    file = Path(path)
    if '_stage2' not in path and file.name.startswith('epoch_') and file.parent.name:
        remedy = f'train what writes it first, the config {file.parent.name}, or {remedy}'
    damaged = flipped_part(path)
    if damaged is not None:
        report.fault(part, f'{path} is damaged: its part {damaged} is not what was written',
                     'copy it again, or use another')
        return None
    try:
        return CheckpointLoader.load_checkpoint(path, map_location='cpu', logger='silent')
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        report.fault(part, f'{path}: {error}', remedy)
        return None


def _check_fit(model: nn.Module, checkpoint: Mapping, path: str, part: str,
               report: Report) -> None:
    weights = checkpoint.get('state_dict', checkpoint)
    mismatch = describe_mismatch(model, weights)
    partial = getattr(model, 'partial_checkpoint', False)
    if mismatch and not partial:
        report.fault(part, f'{path} does not fit the model: {mismatch}',
                     'use the checkpoint of this model, or, to start from another form of it, set '
                     'model.partial_checkpoint=True')
        return
    try:
        metadata = getattr(weights, '_metadata', None) or {}
        check_frozen_encoders(model, weights, metadata.get('', {}))
    except FrozenEncoderMismatchError as error:
        report.fault(part, f'{path}: {error}', 'name the encoder that it was trained with')
        return
    report.ok(part, f'{path}' + (f', in part: {mismatch}' if mismatch else ', fits the model'))
