"""What a runtime must know of an exported model, carried inside the ONNX file."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .setting_checks import check_settings

METADATA_KEY = 'expalign'


@dataclass(frozen=True)
class DetectorSettings:
    """Settings of an exported detector.

    Attributes:
        image_size: width and height of the network's input in pixels.
        pad_value: of the letterbox, 0...255.
        channel_order: ``'RGB'`` or ``'BGR'``, of the network's input.
        embed_dims: D, the width of the text features.
        score_thr: boxes must score above it.
        nms_pre: at most so many (box, prompt) pairs of an image take part in NMS.
        iou_threshold: of the NMS.
        class_agnostic: whether boxes of different prompts suppress each other.
        max_per_img: boxes of an image.
        multi_label: whether one location may stand for several prompts.
        max_per_prompt: candidates of each prompt, or None.
        prototype_stride: input pixels per cell of the mask prototypes; None without masks.
        nms_inside: whether the graph ends with NMS.
        vocabulary: the prompts inside the graph; None where they are an input.
        known_classes: what :meth:`~expalign.structures.known_classes.KnownClasses.to_plain` gives
            of the classes that the model knows; None for none.
        config: name of the config.
        guides: what gates the pyramid: ``'prompts'``, those that are asked for; ``'fixed'``, names
            inside the graph; ``'none'``, nothing.
        image_side: whose tokens the graph takes, see
            :func:`~expalign.models.prompt_fitting.space.prompt_space`; ``''`` where unknown.
    """

    image_size: tuple[int, int]
    pad_value: int
    channel_order: str
    embed_dims: int
    score_thr: float
    nms_pre: int
    iou_threshold: float
    class_agnostic: bool
    max_per_img: int
    multi_label: bool
    max_per_prompt: int | None = None
    prototype_stride: int | None = None
    nms_inside: bool = False
    vocabulary: list[str] | None = None
    known_classes: dict[str, Any] | None = None
    config: str = ''
    guides: str = 'prompts'
    image_side: str = ''

    @property
    def logit_thr(self) -> float:
        """``score_thr`` on the scale of the network's logits."""
        if not 0 < self.score_thr < 1:
            return math.inf if self.score_thr else -math.inf
        return math.log(self.score_thr / (1 - self.score_thr))


@dataclass(frozen=True)
class TextSettings:
    """Settings of an exported text side.

    Attributes:
        tokenizer: file name of the tokenizer, in the folder of the ONNX file.
        tokenizer_sha256: its digest.
        max_length: tokens a prompt may have, special ones included.
        padding: ``'longest'`` or ``'max_length'``.
        pad_id, pad_token: what pads.
        embed_dims: D, the width of the text features.
        config: name of the config.
        known_names: prompts whose exact vectors are in the graph, by row; None for none.
        bare: whether prompts are encoded in their bare form, see
            :func:`~expalign.structures.bare_prompt.bare_prompt`.
    """

    tokenizer: str
    tokenizer_sha256: str
    max_length: int
    padding: str
    pad_id: int
    pad_token: str
    embed_dims: int
    config: str = ''
    known_names: list[str] | None = None
    bare: bool = False


def to_metadata(settings: DetectorSettings | TextSettings) -> dict[str, str]:
    """The ONNX file's metadata that :func:`from_metadata` reads."""
    return {METADATA_KEY: json.dumps(asdict(settings))}


def from_metadata(kind: type, metadata: Mapping[str, str], path: str) -> Any:
    """Settings of an ONNX file.

    Args:
        kind: :class:`DetectorSettings` or :class:`TextSettings`.
        metadata: of the file.
        path: of the file, for the message.

    Raises:
        ValueError: the file was not made by ``tools/deploy/export_onnx.py``, or is of the other
            kind, or one of its settings cannot be.
        LimitExceeded: one is larger than a limit allows.
    """
    wanted = 'a detector' if kind is DetectorSettings else 'a text side (--text-side)'
    try:
        settings = kind(**json.loads(metadata[METADATA_KEY]))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f'{path} is not {wanted} that tools/deploy/export_onnx.py wrote') from error
    check_settings(asdict(settings), path)
    return settings
