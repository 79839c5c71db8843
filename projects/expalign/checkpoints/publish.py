"""A trained model as others load it: weights without optimizer state, config, model card."""

import hashlib
import json
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import _load_checkpoint_to_model
from safetensors.torch import save_file
from torch import Tensor, nn

from expalign.registry import MODELS
from expalign.structures.known_classes import KNOWN_CLASSES
from expalign.utils import finished_file, scratch_folder
from expalign.version import __version__

from .checkpoint import describe_mismatch, frozen_prefixes
from .frozen_encoders import HEADER_KEY, frozen_encoders, weights_digest
from .plain_state import to_plain
from .trained_part import HalfPrecisionError, trained_weights

HASH_DIGITS = 8


class PublishError(ValueError):
    """A checkpoint cannot be published in the form that was asked for."""


def publish(
    cfg: Config, checkpoint: str | Path, folder: str | Path, name: str,
    with_frozen: bool = False, licence: str = 'not stated',
) -> dict[str, Path]:
    """Write ``NAME-HASH.safetensors``, ``.py`` and ``.md``, HASH from the weights file's sha256.

    Args:
        cfg: config that the checkpoint was trained with.
        checkpoint: of a training run, or published before.
        folder: where to write; it is made.
        name: first part of the files' names.
        with_frozen: whether the weights of frozen encoders are in the file. Their names and
            digests always are, and are checked when the file is loaded.
        licence: of the weights, for header and card.

    Returns:
        The files: ``weights``, ``config``, ``card``.

    Raises:
        PublishError: the checkpoint does not fit the config, or leaves out encoders that nobody
            else can have.
    """
    model = MODELS.build(deepcopy(cfg.model))  # mmdet adds to what it builds from
    built = {part: weights_digest(getattr(model, part)) for part in _frozen_parts(model)}
    header = _load(model, checkpoint) | dict(licence=licence, cfg=cfg.pretty_text)
    record = frozen_encoders(model, cfg)
    if not with_frozen:
        _check_available(cfg, record, built, checkpoint)
    left_out = () if with_frozen else frozen_prefixes(model)
    weights = {key: value.contiguous() for key, value in model.state_dict().items()
               if not key.startswith(left_out)}
    header[HEADER_KEY] = json.dumps(record)
    return _write(Path(folder), name, weights, header, cfg, record, with_frozen)


def publish_trained(
    cfg: Config, checkpoint: str | Path, folder: str | Path, name: str, **entries: str
) -> Path:
    """Write ``NAME.safetensors``: what the config trains, in half precision.

    For a part that users join with weights which they have from elsewhere; see
    :mod:`expalign.checkpoints.assemble`. Names are those of the whole model.

    Args:
        cfg: config that the checkpoint was trained with, e.g. of a ``PartlyTrainedDetector``.
        checkpoint: of a training run.
        folder: where to write; it is made.
        name: of the file.
        entries: of the header, e.g. ``licence``, ``data``, ``command``.

    Returns:
        The file.

    Raises:
        PublishError: the checkpoint does not fit the config, or a number is too large for half
            precision.
    """
    model = MODELS.build(deepcopy(cfg.model))
    header = _load(model, checkpoint) | entries
    try:
        weights = trained_weights(model)
    except HalfPrecisionError as error:
        raise PublishError(str(error)) from error
    file = Path(folder) / f'{name}.safetensors'
    with finished_file(file) as temporary:
        save_file(weights, temporary, header)
    return file


def _frozen_parts(model: nn.Module) -> list[str]:
    return [prefix.removesuffix('.') for prefix in frozen_prefixes(model)]


def _load(model: nn.Module, checkpoint: str | Path) -> dict[str, str]:
    """Load a checkpoint into the model; what a header says about it."""
    loaded = CheckpointLoader.load_checkpoint(str(checkpoint), map_location='cpu')
    # Checked here too: the model itself may be set to accept checkpoints that do not fit.
    mismatch = describe_mismatch(model, loaded.get('state_dict', loaded))
    if mismatch:
        raise PublishError(f'{checkpoint} does not fit the config: {mismatch}')
    _load_checkpoint_to_model(model, loaded)
    meta = loaded.get('meta', {})
    header = dict(format='pt', expalign=__version__, source_sha256=_sha256(Path(checkpoint)))
    header.update({key: str(meta[key]) for key in ('epoch', 'iter') if key in meta})
    if 'dataset_meta' in meta:
        header['dataset_meta'] = json.dumps(to_plain(meta['dataset_meta'], 'dataset_meta'))
    if model.known_classes is not None:
        header[KNOWN_CLASSES] = json.dumps(model.known_classes.to_plain())
    return header


def _check_available(cfg: Config, record: Mapping[str, dict], built: Mapping[str, str],
                     checkpoint: str | Path) -> None:
    for part, entry in record.items():
        if not isinstance(cfg.model[part].get('model'), str):
            raise PublishError(
                f'the config names no weights of the frozen {part} (model={entry["source"]}), so '
                'nobody else can have them: publish --with-frozen')
        if entry['sha256'] != built[part]:
            raise PublishError(
                f'the frozen {part} in {checkpoint} (sha256 {entry["sha256"]}) is not '
                f'{entry["source"]!r} of the config (sha256 {built[part]}): publish --with-frozen, '
                'or name its weights in the config')


def _write(folder: Path, name: str, weights: dict[str, Tensor], header: dict[str, str],
           cfg: Config, record: Mapping[str, dict], with_frozen: bool) -> dict[str, Path]:
    with scratch_folder(folder, name) as scratch:
        partial = scratch / 'weights.safetensors'
        save_file(weights, partial, header)
        digest = _sha256(partial)
        stem = f'{name}-{digest[:HASH_DIGITS]}'
        files = dict(weights=folder / f'{stem}.safetensors', config=folder / f'{stem}.py',
                     card=folder / f'{stem}.md')
        with finished_file(files['config']) as temporary:
            cfg.dump(temporary)
        with finished_file(files['card']) as temporary:
            temporary.write_text(
                _card(stem, digest, weights, header, record, with_frozen), encoding='utf-8')
        partial.replace(files['weights'])
    return files


def _card(stem: str, digest: str, weights: Mapping[str, Tensor], header: Mapping[str, str],
          record: Mapping[str, dict], with_frozen: bool) -> str:
    numbers = sum(x.numel() for x in weights.values()) / 1e6
    rows = [
        ('weights', f'`{stem}.safetensors`, {numbers:.2f} M numbers, without optimizer state'),
        ('sha256', f'`{digest}`'),
        ('config', f'`{stem}.py`, also inside the weights file'),
        ('made of', f'checkpoint with sha256 `{header["source_sha256"]}`'),
        ('trained for', ', '.join(f'{header[key]} {unit}' for key, unit in (
            ('epoch', 'epochs'), ('iter', 'iterations')) if key in header) or 'not recorded'),
        ('expalign', header['expalign']),
        ('licence of the weights', header['licence'])]
    place = ('in the file' if with_frozen else
             'not in the file; fetched by their names, and checked by sha256 at load')
    encoders = [f'| frozen {part} | {entry["type"]}, `{entry["source"]}`, {place}, sha256 '
                f'`{entry["sha256"]}` |' for part, entry in record.items()]
    lines = [f'# {stem}', '', '| | |', '|---|---|',
             *(f'| {key} | {value} |' for key, value in rows), *encoders, '',
             '```bash',
             f'python demo/image_demo.py photo.jpg {stem}.safetensors --texts "a cat . a dog"',
             f'python tools/test.py {stem}.py {stem}.safetensors', '```', '']
    return '\n'.join(lines)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
