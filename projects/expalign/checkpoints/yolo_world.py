"""YOLO-World v2 checkpoints as weights of ExpAlign's image side (backbone, neck, head)."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .foreign_classes import as_mapping, module_state, named_module_tensors
from .safe_load import load_foreign_file
from .yolo_world_keys import MMYOLO_RULES, ULTRALYTICS_RULES, rename

# Width of the stem -> size.
SIZES = {32: 's', 48: 'm', 64: 'l', 80: 'x'}
STEMS = {'ultralytics': 'model.0.conv.weight', 'mmyolo': 'backbone.image_model.stem.conv.weight'}
RULES = {'ultralytics': ULTRALYTICS_RULES, 'mmyolo': MMYOLO_RULES}
LICENCES = {
    'ultralytics': 'AGPL-3.0 (ultralytics); the original YOLO-World weights are GPL-3.0',
    'mmyolo': 'GPL-3.0 (YOLO-World)',
}
MAX_LISTED = 10


class ConversionError(ValueError):
    """The checkpoint is not a YOLO-World v2 detector of the expected shape."""


class Source(NamedTuple):
    """A YOLO-World checkpoint as it was read.

    Attributes:
        layout: ``'mmyolo'`` or ``'ultralytics'``, whose names the weights have.
        weights: every tensor of the model by its name in the file.
        prompts: the prompts that the file has vectors for, or ().
        vectors: (number of prompts, D), or None.
    """

    layout: str
    weights: dict[str, Tensor]
    prompts: tuple[str, ...] = ()
    vectors: Tensor | None = None


class Converted(NamedTuple):
    """Weights by ExpAlign's names, and what was left out: source name -> reason."""

    state_dict: dict[str, Tensor]
    left_out: dict[str, str]


def read_source(path: str | Path) -> Source:
    """Read a checkpoint of either layout without running anything in it.

    Where a file has averaged weights (EMA) beside the others, these are taken, as both projects
    do for testing. (mmengine's checkpoints have them in ``state_dict`` already.)

    Raises:
        FileNotFoundError: there is no such file.
        UntrustedCheckpointError: it names functions that no checkpoint has a need for.
        ValueError: it is no checkpoint of torch, or damaged.
        LimitExceeded: it asks for more than a limit allows.
        ConversionError: it is one, but not of YOLO-World.
    """
    root = load_foreign_file(path)
    state_dict = as_mapping(root.get('state_dict'))
    model = next((root[key] for key in ('ema', 'model') if module_state(root.get(key))), None)
    if state_dict:
        source = Source('mmyolo', {
            str(name): x.detach() for name, x in state_dict.items() if isinstance(x, Tensor)})
    elif model is not None:
        weights = dict(named_module_tensors(model))
        names = as_mapping(module_state(model).get('names'))
        source = Source('ultralytics', weights, *_prompt_vectors(names, weights.get('txt_feats')))
    else:
        raise ConversionError(
            f"{path} has neither a 'state_dict' (YOLO-World's repository) nor a 'model' "
            '(ultralytics)')
    if STEMS[source.layout] not in source.weights:
        raise ConversionError(
            f'{path} is not a YOLO-World detector: it has no {STEMS[source.layout]!r}; '
            f'first of its {len(source.weights)} tensors: {sorted(source.weights)[:3]}')
    return source


def detect_size(source: Source) -> str:
    """The size, ``'s'``, ``'m'``, ``'l'`` or ``'x'``, from the width of the stem.

    Raises:
        ConversionError: it is another one.
    """
    width = source.weights[STEMS[source.layout]].shape[0]
    if width not in SIZES:
        raise ConversionError(
            f'the stem is {width} channels wide; known sizes are '
            f'{", ".join(f"{name.upper()} ({w})" for w, name in SIZES.items())}: '
            'give a config of your own with --config')
    return SIZES[width]


def convert(source: Source, shapes: Mapping[str, torch.Size]) -> Converted:
    """Rename, widen to float32 and check against the model that is to be filled.

    Args:
        source: what :func:`read_source` read.
        shapes: the names and shapes of the model's weights; see :func:`image_side_shapes`.

    Raises:
        ConversionError: a tensor that no rule knows, one that does not fit (with both names and
            both shapes), or a weight of the model that the checkpoint does not have.
    """
    names = rename(list(source.weights), RULES[source.layout])
    if names.unknown:
        raise ConversionError(_unknown_message(names.unknown))
    problems = []
    state_dict: dict[str, Tensor] = {}
    for theirs, ours in names.renamed.items():
        tensor = source.weights[theirs]
        wanted = shapes.get(ours)
        if wanted is None:
            problems.append(f'{theirs} {tuple(tensor.shape)} -> {ours}, which the model lacks')
        elif tensor.shape != wanted and tensor.numel() == wanted.numel() == 1:
            state_dict[ours] = _full_precision(tensor).reshape(wanted)
        elif tensor.shape != wanted:
            problems.append(
                f'{theirs} {tuple(tensor.shape)} -> {ours}, which is {tuple(wanted)} in the model')
        else:
            state_dict[ours] = _full_precision(tensor)
    found = set(names.renamed.values())
    # Files of old torch versions have no counters of batches; nothing reads them in testing.
    missing = [
        name for name in shapes if name not in found and not name.endswith('num_batches_tracked')]
    problems += [f'nothing for {name} {tuple(shapes[name])}' for name in missing]
    if problems:
        more = len(problems) - MAX_LISTED
        raise ConversionError(
            'the checkpoint does not fit the config:\n  ' + '\n  '.join(problems[:MAX_LISTED])
            + (f'\n  and {more} more' if more > 0 else ''))
    return Converted(state_dict, names.left_out)


def image_side_shapes(model_cfg: Mapping[str, Any]) -> dict[str, torch.Size]:
    """Names and shapes of backbone, neck and head of a detector config, built without data."""
    from expalign.registry import MODELS
    shapes = {}
    for part in ('backbone', 'neck', 'bbox_head'):
        with torch.device('meta'):
            module = MODELS.build(model_cfg[part])
        shapes.update({f'{part}.{name}': x.shape for name, x in module.state_dict().items()})
    return shapes


def header(path: str | Path, source: Source, config: str) -> dict[str, str]:
    """What the converted file says about itself, for the header of a safetensors file."""
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    entries = dict(
        format='pt',
        source=Path(path).name,
        source_sha256=digest,
        source_layout=source.layout,
        licence=LICENCES[source.layout],
        config=config)
    if source.prompts:
        entries['dataset_meta'] = json.dumps({'classes': source.prompts})
    return entries


def _prompt_vectors(
    names: Mapping[Any, Any], vectors: Tensor | None
) -> tuple[tuple[str, ...], Tensor | None]:
    """The file's own prompts (by index) with their vectors (n, D), where they belong together."""
    prompts = tuple(names.get(index) for index in range(len(names)))
    if vectors is None or vectors.dim() != 3 or vectors.shape[:2] != (1, len(prompts)):
        return (), None
    if not all(isinstance(prompt, str) for prompt in prompts):
        return (), None
    return prompts, vectors[0].float()


def _full_precision(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def _unknown_message(unknown: list[str]) -> str:
    first = ', '.join(unknown[:3])
    hint = ''
    if any('text_enhancer' in name for name in unknown):
        hint = ' This is YOLO-World v1, whose neck also changes the text; only v2 is converted.'
    return f'{len(unknown)} tensors of the checkpoint have no place here: {first}.{hint}'


__all__ = [
    'ConversionError', 'Converted', 'Source', 'convert', 'detect_size', 'header',
    'image_side_shapes', 'read_source',
]
