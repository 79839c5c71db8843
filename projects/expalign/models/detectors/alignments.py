"""The alignment of a batch's images with their prompts: what class scores come from."""

from collections.abc import Sequence

import numpy as np
from mmdet.structures import DetDataSample
from torch import Tensor, nn

from expalign.models.dense_heads.levels import at_least_float32
from expalign.models.losses.fusion import fuse_to_finest
from expalign.models.necks import EAHOutput
from expalign.models.text_encoders.token_pooling import pool_names
from expalign.structures.alignment import FUSED, Alignment
from expalign.structures.letterbox import scale_and_pad
from expalign.structures.token_prompt import TokenPrompt


def alignments_of(
    model: nn.Module, neck_out: EAHOutput, samples: Sequence[DetDataSample],
    prompt_lists: Sequence[list[str]], token_maps: Sequence[Tensor] | None = None,
) -> list[Alignment]:
    """The alignment of every image of a batch.

    Args:
        model: the ``ExpAlignDetector`` that made ``neck_out``.
        neck_out: maps (B, K, H_s, W_s) and weights (B, K, L) per level.
        samples: B samples of the batch, or the first ones.
        prompt_lists: the prompts of each.
        token_maps: of :func:`token_maps_of`, where alignments are to have them.
    """
    strides = model.bbox_head.head_module.featmap_strides
    maps = tuple(at_least_float32(eam) for eam in neck_out.eams)
    levels = [f'P{int(stride).bit_length() - 1}' for stride in strides]
    fused = fuse_to_finest(maps)
    if token_maps is not None:
        together = fuse_to_finest([x.flatten(1, 2) for x in token_maps])
        token_maps = [*token_maps, together.unflatten(1, token_maps[0].shape[1:3])]
    found = []
    for image, (sample, prompts) in enumerate(zip(samples, prompt_lists, strict=True)):
        tokens, count = token_names(model, prompts), len(prompts)
        eams = {level: _array(eam[image, :count])
                for level, eam in zip(levels, maps, strict=True)}
        weights = {level: _array(pi[image, :count])
                   for level, pi in zip(levels, neck_out.token_weights, strict=True)}
        scale, padding = scale_and_pad(sample.metainfo)
        found.append(Alignment(
            list(map(str, prompts)), tokens, weights, {**eams, FUSED: _array(fused[image, :count])},
            int(strides[0]), scale, padding, tuple(sample.ori_shape[:2]),
            token_maps and {level: [_array(x[image, k, :len(names)])
                                    for k, names in enumerate(tokens)]
                            for level, x in zip((*levels, FUSED), token_maps, strict=True)}))
    return found


def token_maps_of(
    model: nn.Module, neck_out: EAHOutput, samples: Sequence[DetDataSample],
    prompt_lists: Sequence[list[str]],
) -> list[Tensor]:
    """Similarities S(x, y, l) of every prompt's tokens (Eq. 1).

    Args:
        model: an ``ExpAlignDetector``.
        neck_out: of the batch.
        samples: of the batch.
        prompt_lists: the prompts of each.

    Returns:
        per level (B, K, L, H_s, W_s), at least in float32; 0 at padding.
    """
    prompts = model._encode(prompt_lists, samples)
    maps = model.neck.token_maps(neck_out.hidden, prompts.txt_feats, prompts.txt_masks)
    return [at_least_float32(x).expand(len(samples), -1, -1, -1, -1) for x in maps]


def token_names(model: nn.Module, prompts: Sequence[str]) -> list[list[str]]:
    """Names of the tokens that the prompts are aligned by.

    Those of the text encoder; where the adapter pools its tokens one a prompt, ``<mean>`` or that
    of the last token; ``<exact>`` of a name whose exact vector the model has; and numbers of tokens
    that a prompt brings.

    Args:
        model: an ``ExpAlignDetector``.
        prompts: K prompts.

    Returns:
        K lists, each as long as the prompt has real tokens in ``txt_masks``.
    """
    def adapted(texts: Sequence[str]) -> list[list[str]]:
        return pool_names(
            model.text_encoder.token_strings(texts), model.text_adapter.token_pooling)

    def of_words(texts: Sequence[str]) -> list[list[str]]:
        if model.known_names is None:
            return adapted(texts)
        return model.known_names.token_strings(texts, adapted)

    words = [prompt for prompt in prompts if not isinstance(prompt, TokenPrompt)]
    names = iter(of_words(words) if words else ())
    return [given_names(prompt) if isinstance(prompt, TokenPrompt) else next(names)
            for prompt in prompts]


def given_names(prompt: TokenPrompt) -> list[str]:
    """Names of tokens that a prompt brings: ``<1>``, ``<2>``, ..."""
    return [f'<{number + 1}>' for number in range(len(prompt.tokens))]


def _array(values: Tensor) -> np.ndarray:
    return values.detach().float().cpu().numpy()
