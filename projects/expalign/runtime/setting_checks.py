"""Whether settings in an ONNX file, which may be a stranger's, are of the right kind and size."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from expalign.limits import Limit
from expalign.structures.known_classes import KnownClasses

INPUT_SIDE = Limit('EXPALIGN_MAX_INPUT_SIDE', 4096, 'pixels as a side of the input')
TEXT_LENGTH = Limit('EXPALIGN_MAX_TEXT_LENGTH', 8192, 'tokens of a prompt')
TEXT_WIDTH = Limit('EXPALIGN_MAX_TEXT_WIDTH', 65_536, 'numbers of a text feature')
BOXES = Limit('EXPALIGN_MAX_BOXES', 10_000_000, 'boxes of an image')
LIMITS = dict(max_length=TEXT_LENGTH, embed_dims=TEXT_WIDTH, nms_pre=BOXES, max_per_img=BOXES,
              max_per_prompt=BOXES)
STRIDES = (1, 2, 4, 8, 16, 32)


def check_settings(settings: Mapping[str, Any], path: str) -> None:
    """Check each setting's kind and range.

    Args:
        settings: by name, of :class:`~expalign.runtime.settings.DetectorSettings` or
            :class:`~expalign.runtime.settings.TextSettings`.
        path: of the ONNX file, for the message.

    Raises:
        ValueError: one is of another kind, or out of its range.
        LimitExceeded: one is larger than a limit allows.
    """
    for name, value in settings.items():
        if not CHECKS[name](value):
            raise ValueError(f'{path}: the setting {name} cannot be {str(value)[:100]!r}')
        if name in LIMITS and value is not None:
            LIMITS[name].check(value, f'{path}: the setting {name}')
    for side in settings.get('image_size', ()):
        INPUT_SIDE.check(side, f'{path}: the setting image_size')


def _count(value: Any) -> bool:
    return type(value) is int and value >= 1


def _share(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1


def _flag(value: Any) -> bool:
    return type(value) is bool


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _size(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(map(_count, value))


def _classes(value: Any) -> bool:
    try:
        KnownClasses.from_plain(value)
    except ValueError:
        return False
    return True


def _none_or(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


def _names(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(map(_text, value))


CHECKS: dict[str, Callable[[Any], bool]] = dict(
    image_size=_size, embed_dims=_count, max_length=_count, nms_pre=_count, max_per_img=_count,
    max_per_prompt=_none_or(_count), score_thr=_share, iou_threshold=_share,
    pad_value=lambda value: type(value) in (int, float) and 0 <= value <= 255,
    channel_order=lambda value: value in ('RGB', 'BGR'), class_agnostic=_flag, multi_label=_flag,
    nms_inside=_flag, bare=_flag, prototype_stride=_none_or(lambda value: value in STRIDES),
    vocabulary=_none_or(_names), known_classes=_none_or(_classes), known_names=_none_or(_names),
    config=_text, pad_token=_text, image_side=_text,
    guides=lambda value: value in ('prompts', 'fixed', 'none'),
    tokenizer=lambda value: _text(value) and re.fullmatch(r'\w[\w.-]*', value) is not None,
    tokenizer_sha256=lambda value: _text(value) and re.fullmatch('[0-9a-f]{64}', value) is not None,
    padding=lambda value: value in ('longest', 'max_length'),
    pad_id=lambda value: type(value) is int and 0 <= value < 2**31)
