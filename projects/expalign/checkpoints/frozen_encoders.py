"""Frozen encoders of a published model: recorded by name and digest, checked when it is loaded.

A checkpoint may leave out what every user fetches from elsewhere anyway. Whoever loads it must then
have the very weights that the rest was trained with, or results are wrong without any error.
"""

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from torch import Tensor, nn

from .checkpoint import ENCODERS, is_frozen
from .encoder_fingerprint import encoder_fingerprint
from .safetensors_file import header_json

HEADER_KEY = 'frozen_encoders'


class FrozenEncoderMismatchError(RuntimeError):
    """A frozen encoder has other weights than the checkpoint was trained with."""


def frozen_encoders(model: nn.Module, cfg: Config) -> dict[str, dict[str, str]]:
    """The frozen encoders of a model.

    Args:
        model: the detector, with the weights to record.
        cfg: its config; ``cfg.model[name].model`` names the weights' source.

    Returns:
        By part of the model (``backbone``, ``text_encoder``): ``type``, ``source`` and
        ``sha256`` of the weights.
    """
    return {
        name: dict(type=cfg.model[name].type, source=str(cfg.model[name].get('model')),
                   sha256=weights_digest(getattr(model, name)))
        for name in ENCODERS if is_frozen(getattr(model, name, None))}


def weights_digest(module: nn.Module) -> str:
    """SHA-256 of names, types, shapes and values of all weights and buffers."""
    return encoder_fingerprint(module.state_dict(), {})


def encoders_of_state_dict(
    model: nn.Module, state_dict: Mapping[str, Tensor], settings: Any
) -> dict[str, dict[str, str]]:
    """:func:`frozen_encoders` of the weights that are about to be saved.

    Args:
        model: the detector, which says what is frozen.
        state_dict: its weights.
        settings: the config's ``model``; anything else than a mapping names no source.
    """
    settings = settings if isinstance(settings, Mapping) else {}
    return {
        name: dict(type=type(getattr(model, name)).__name__,
                   source=str(settings.get(name, {}).get('model')),
                   sha256=_digest_of_part(state_dict, name))
        for name in ENCODERS if is_frozen(getattr(model, name, None))}


def _digest_of_part(state_dict: Mapping[str, Tensor], name: str) -> str | None:
    """:func:`weights_digest` of the part of a model that a state dict has; None if it has none."""
    part = {key.removeprefix(f'{name}.'): value for key, value in state_dict.items()
            if key.startswith(f'{name}.')}
    return encoder_fingerprint(part, {}) if part else None


def check_frozen_encoders(
    model: nn.Module, state_dict: Mapping[str, Tensor], metadata: Mapping[str, Any]
) -> None:
    """Check the frozen encoders of a checkpoint by the digests that it has of them.

    Those that it leaves out are the model's own; those in it must be what was saved.

    Args:
        model: the detector, whose frozen encoders loaded their own weights.
        state_dict: weights of the checkpoint.
        metadata: of the state dict's root, where the loader puts the header's record.

    Raises:
        FrozenEncoderMismatchError: the weights differ; the message has the encoder's name and
            both digests.
    """
    records = metadata.get(HEADER_KEY, {})
    if not isinstance(records, Mapping) or not all(
            isinstance(record, Mapping) and {'type', 'source', 'sha256'} <= record.keys()
            for record in records.values()):
        raise FrozenEncoderMismatchError(
            f"the checkpoint's record of its frozen encoders is damaged: {str(records)[:200]}")
    for name, record in records.items():
        part = getattr(model, name, None)
        found = _digest_of_part(state_dict, name)
        if found not in (None, record['sha256']):
            raise FrozenEncoderMismatchError(
                f'the frozen {name} in the checkpoint is not the one that was saved: its sha256 is '
                f'{found}, and was {record["sha256"]}. The file is damaged or was changed: copy it '
                'again, or use another')
        if part is None or found is not None:
            continue
        digest = weights_digest(part)
        if digest != record['sha256']:
            raise FrozenEncoderMismatchError(
                f'the checkpoint was trained with another frozen {name} than the model has: '
                f'{record["type"]}({record["source"]!r}) with sha256 {record["sha256"]}, here '
                f'{type(part).__name__} has {digest}. Set model.{name} of the config to the '
                'weights that are named, or ask for a checkpoint published with --with-frozen')


def is_record(value: Any) -> bool:
    """Whether a file's record is of the form of :func:`frozen_encoders`."""
    return isinstance(value, Mapping) and all(
        name in ENCODERS and isinstance(entry, Mapping)
        and all(isinstance(entry.get(key), str) for key in ('type', 'source', 'sha256'))
        for name, entry in value.items())


def with_record(state_dict: dict[str, Tensor], header: Mapping[str, str], path: str
                ) -> dict[str, Tensor]:
    """Put a header's record where torch and mmengine hand it to the model with the weights.

    Args:
        state_dict: an ordered dict; its ``_metadata`` is set.
        header: of the safetensors file.
        path: of the file, for the message.

    Raises:
        ValueError: the record is not JSON, or not of the form of :func:`frozen_encoders`.
    """
    if HEADER_KEY in header:
        record = header_json(header, HEADER_KEY, path)
        if not is_record(record):
            raise ValueError(
                f"{path}: '{HEADER_KEY}' is no record of {' and '.join(ENCODERS)}, each with "
                'type, source and sha256')
        state_dict._metadata = {'': {HEADER_KEY: record}}
    return state_dict
