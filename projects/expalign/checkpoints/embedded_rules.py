"""What the config in a checkpoint may contain: a list of what is allowed, and nothing else.

A component is of an allowed type, and has no key that the type's constructor does not have. A value
is a number, a word, None, a list of these, another component, or, under a few keys, a dict of them.
A word has no slash, colon or blank, and no dot but an escaped one: so no value is a
path, an address, the name of a module or an expression. Encoders alone may name their weights, from
the sources below.
"""

import inspect
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.registry import VISUALIZERS

from expalign import registry
from expalign.limits import Limit

from .checkpoint_limits import INPUT_SIDE, MODEL_ARGUMENT
from .safe_load import UntrustedCheckpointError

# What models of this project consist of besides its own classes.
MODEL_TYPES = (
    'BN', 'SyncBN', 'GN', 'SiLU', 'ReLU', 'GELU', 'mmdet.DetDataPreprocessor',
    'mmyolo.BatchTaskAlignedAssigner', 'mmyolo.YOLOv8CSPDarknet')
TRANSFORM_TYPES = (
    'expalign.LoadImageFromFile', 'expalign.LoadInstances', 'expalign.PackInstances',
    'mmdet.LoadAnnotations', 'mmdet.PackDetInputs', 'mmyolo.LetterResize',
    'mmyolo.YOLOv5KeepRatioResize')
# Read by mmcv and mmdet where they build, not by a constructor.
NMS_KEYS = dict(iou_threshold=float, score_threshold=float, offset=int, max_num=int,
                class_agnostic=bool, split_thr=int)
NORM_KEYS = dict(requires_grad=bool)
# Annotations that are checked; others are the constructors' business.
PLAIN_TYPES = {
    int: int, bool: bool, str: str, float: int | float, dict: Mapping, list: list | tuple}
# Dicts of numbers and words, without a type.
PLAIN_DICTS = frozenset(('test_cfg', 'train_cfg', 'pad_val', 'sem', 'geo', 'model'))
# What only a run writes, or only a new model reads. A prediction does without.
LEFT_OUT = frozenset((
    'cache_dir', 'cache_bytes', 'save_dir', 'vis_backends', 'init_cfg', 'pretrained',
    'backend_args', 'file_client_args', 'image', 'known_classes'))
# Left out whatever they say. Classes come with the weights.
HARMLESS = frozenset(('cache_dir', 'cache_bytes', 'save_dir', 'vis_backends', 'known_classes'))

WORD = re.compile(r'(?:[\w-]|\\[.d])*', re.ASCII)
KEY = re.compile(r'[a-z]\w*', re.ASCII)
# Where encoders of this project are published, and packages that are installed.
SOURCES = re.compile(
    r'facebook/dinov3-[\w-]+|timm/convnext_\w+\.dinov3_\w+|openai/clip-[\w-]+|laion/CLIP-[\w.-]+'
    r'|google/siglip[\w-]*|sentence-transformers/[\w.-]+|package:\w+(/\w[\w.-]*)*', re.ASCII)
SHIPPED_VECTORS = re.compile(r'package:expalign/weights/\w+\.safetensors', re.ASCII)
SOURCE_KEYS = frozenset(('model', 'tokenizer', 'vectors'))
FILE_NAME = re.compile(r'\w[\w.-]{0,199}', re.ASCII)


class Rules(NamedTuple):
    """What holds for one part of a config.

    Attributes:
        kinds: allowed types, and the keys of each with their annotations.
        numbers: how large a number may be.
        folder: where the checkpoint lies.
    """

    kinds: Mapping[str, Mapping[str, Any]]
    numbers: Limit
    folder: Path


class NotAllowed(UntrustedCheckpointError):
    """A config has something in it that an embedded config may not have."""


def model_rules(folder: Path) -> Rules:
    """Rules of ``model``: this project's models, and what they consist of."""
    return Rules(_model_kinds(), MODEL_ARGUMENT, folder)


def pipeline_rules(folder: Path) -> Rules:
    """Rules of the test pipeline: reading, resizing, packing."""
    kinds = {name: constructor_keys(registry.TRANSFORMS.get(name)) for name in TRANSFORM_TYPES}
    return Rules(kinds, INPUT_SIDE, folder)


def visualizer_rules(folder: Path) -> Rules:
    """Rules of ``visualizer``: mmdet's, and the one that is drawn as everything here."""
    names = ('mmdet.DetLocalVisualizer', 'expalign.InstanceVisualizer')
    kinds = {name: constructor_keys(VISUALIZERS.get(name)) for name in names}
    return Rules(kinds, INPUT_SIDE, folder)


def constructor_keys(kind: type) -> dict[str, Any]:
    """The arguments that a class takes by name, those that it hands to its parents included.

    Returns:
        Name to annotation.
    """
    names: dict[str, Any] = {}
    for base in kind.__mro__:
        if '__init__' not in vars(base):
            continue
        parameters = list(inspect.signature(base.__init__).parameters.values())[1:]
        for parameter in parameters:
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                names.setdefault(parameter.name, parameter.annotation)
        if not any(x.kind is x.VAR_KEYWORD for x in parameters):
            break
    return names


def allowed_part(value: Any, key: str, rules: Rules, where: str) -> Any:
    """A copy of a part of a config, without what predictions do not need.

    Args:
        value: the part, or something inside it.
        key: under which it stands.
        rules: of the part.
        where: the names on the way to it, for the message.

    Raises:
        NotAllowed: it has something in it that the rules do not allow.
        LimitExceeded: a number is too large.
    """
    if isinstance(value, Mapping):
        return _component(value, key, rules, where)
    if isinstance(value, list | tuple):
        return type(value)(
            allowed_part(entry, key, rules, f'{where}[{number}]')
            for number, entry in enumerate(value))
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        if abs(value) != float('inf') and value == value:
            rules.numbers.check(int(abs(value)), f'{where} = {value}')
        return value
    if not isinstance(value, str):
        raise NotAllowed(f'has a {type(value).__name__} as {where}')
    if key in SOURCE_KEYS:
        return _source(value, key, rules, where)
    if len(value) > 100 or not WORD.fullmatch(value):
        raise NotAllowed(
            f'has {value[:100]!r} as {where}, where no path, address or program may be')
    return value


def _component(value: Mapping[str, Any], key: str, rules: Rules, where: str) -> dict[str, Any]:
    if 'type' in value:
        kind = value['type']
        if not isinstance(kind, str) or kind not in rules.kinds:
            raise NotAllowed(f'names the type {kind!r} as {where}, which is none of this project')
        keys: Mapping[str, Any] | None = {'type': str} | rules.kinds[kind]
    elif key in PLAIN_DICTS or not value:
        kind, keys = 'a dict without a type', None
    else:
        raise NotAllowed(f'has a dict without a type as {where}')
    kept = {}
    for name, entry in value.items():
        if not isinstance(name, str) or not KEY.fullmatch(name) or (
                keys is not None and name not in keys):
            raise NotAllowed(f'has the key {name!r} in {where}, which {kind} does not take')
        if name in LEFT_OUT:
            if entry is not None and name not in HARMLESS:
                raise NotAllowed(
                    f'has {name} in {where}, and files are read and written by other means')
        elif name == 'type':
            kept[name] = kind
        else:
            if keys is not None:
                _check_type(entry, keys[name], f'{where}.{name}')
            # Inside a dict of numbers and words there may be another.
            inside = key if keys is None and isinstance(entry, Mapping) else name
            kept[name] = allowed_part(entry, inside, rules, f'{where}.{name}')
    return kept


def _check_type(value: Any, annotation: Any, where: str) -> None:
    wanted = PLAIN_TYPES.get(annotation) if isinstance(annotation, type) else None
    if wanted is not None and not isinstance(value, wanted):
        raise NotAllowed(f'has a {type(value).__name__} as {where}, which is a '
                         f'{annotation.__name__}')


def _source(value: str, key: str, rules: Rules, where: str) -> str:
    allowed = SHIPPED_VECTORS if key == 'vectors' else SOURCES
    if allowed.fullmatch(value) and '..' not in value:
        return value
    name = value.rstrip('/').rpartition('/')[2]
    beside = rules.folder / name
    if '://' not in value and FILE_NAME.fullmatch(name) and beside.exists():
        return str(beside)
    raise NotAllowed(
        f'has {value[:200]!r} as {where}: of files it may name those beside the checkpoint, and '
        f'there is no {name[:100]!r}')


@cache
def _model_kinds() -> dict[str, dict[str, Any]]:
    own = []
    for table in (registry.MODELS, registry.TASK_UTILS):
        table.import_from_location()
        own += [f'{table.scope}.{name}' for name in table.module_dict]
    kinds = {name: constructor_keys(registry.MODELS.get(name) or registry.TASK_UTILS.get(name))
             for name in (*own, *MODEL_TYPES)}
    for name in ('BN', 'SyncBN', 'GN'):
        kinds[name] |= NORM_KEYS
    return dict(kinds, nms=NMS_KEYS)
