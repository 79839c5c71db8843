"""The alignment of a batch's images with their prompts: what class scores come from."""

from collections.abc import Sequence

import numpy as np
import torch
from mmdet.structures import DetDataSample
from torch import nn

from expalign.models.dense_heads.levels import at_least_float32
from expalign.models.losses.fusion import fuse_to_finest
from expalign.models.necks import EAHOutput
from expalign.models.text_encoders.token_strings import token_strings
from expalign.structures.alignment import FUSED, Alignment
from expalign.structures.letterbox import scale_and_pad


def alignments_of(
    model: nn.Module, neck_out: EAHOutput, samples: Sequence[DetDataSample],
    prompt_lists: Sequence[list[str]],
) -> list[Alignment]:
    """The alignment of every image of a batch.

    Args:
        model: the ``ExpAlignDetector`` that made ``neck_out``.
        neck_out: maps (B, K, H_s, W_s) and weights (B, K, L) per level.
        samples: B samples of the batch, or the first ones.
        prompt_lists: the prompts of each.
    """
    strides = model.bbox_head.head_module.featmap_strides
    maps = tuple(at_least_float32(eam) for eam in neck_out.eams)
    levels = [f'P{int(stride).bit_length() - 1}' for stride in strides]
    fused = fuse_to_finest(maps)
    found = []
    for image, (sample, prompts) in enumerate(zip(samples, prompt_lists, strict=True)):
        tokens, count = token_strings(model, prompts), len(prompts)
        eams = {level: _array(eam[image, :count])
                for level, eam in zip(levels, maps, strict=True)}
        weights = {level: _array(pi[image, :count])
                   for level, pi in zip(levels, neck_out.token_weights, strict=True)}
        scale, padding = scale_and_pad(sample.metainfo)
        found.append(Alignment(
            prompts, tokens, weights, {**eams, FUSED: _array(fused[image, :count])},
            int(strides[0]), scale, padding, tuple(sample.ori_shape[:2])))
    return found


def _array(values: torch.Tensor) -> np.ndarray:
    return values.detach().float().cpu().numpy()
