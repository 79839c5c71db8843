"""Expectation Alignment Head, the neck that turns pyramid and prompts into alignment maps.

Data flow (paper, Section 3): C3, C4, C5 -> PAFPN -> P3, P4, P5 -> class-embedding branch per
level -> F_s (B, D, H_s, W_s) -> expectation alignment with the tokens of K prompts. With
``inject='max_sigmoid'`` the prompts also gate the features inside the pyramid.
"""

import warnings
from typing import NamedTuple

from mmengine.model import BaseModule
from torch import Tensor, nn

from expalign.models.layers import (
    FoldedMaps,
    TokenTable,
    align_levels,
    conv_branch,
    fold_tokens,
    folded_alignment,
)
from expalign.models.layers.max_sigmoid import NORM_CFG, masked_token_mean
from expalign.models.layers.max_sigmoid_csp import ACT_CFG
from expalign.registry import MODELS


class EAHOutput(NamedTuple):
    """What :class:`EAHNeck` returns, one entry per level in each field.

    Attributes:
        pyramid: P3, P4, P5, each (B, C_s, H_s, W_s); the box branch reads them.
        eams: expectation alignment maps, each (B, K, H_s, W_s), before scale and bias. Those of a
            vocabulary's table are computed when they are read.
        token_weights: weights pi of the tokens, each (B, K, L).
        hidden: last maps of the class-embedding branches, each (B, C, H_s, W_s), from which
            :meth:`EAHNeck.token_maps` are made.
    """

    pyramid: tuple[Tensor, ...]
    eams: tuple[Tensor, ...] | FoldedMaps
    token_weights: tuple[Tensor, ...]
    hidden: tuple[Tensor, ...] = ()


@MODELS.register_module()
class EAHNeck(BaseModule):
    """PAFPN, class-embedding branches and Expectation Alignment per level.

    The width of the branches, C = max(P3 width, ``num_base_prompts``), is a constant of the
    configuration and has nothing to do with the size of a vocabulary: one set of weights serves
    any number of prompts.

    Args:
        pafpn: config of the pyramid; maps (C3, C4, C5) to (P3, P4, P5).
        in_channels: widths of P3, P4, P5.
        embed_dims: D, the width of the text features.
        num_base_prompts: K0 of the branch width.
        tau: temperature of the softmax over tokens (Eq. 3).
        inject: ``'none'``: the pyramid reads the image alone. ``'max_sigmoid'``: its C2f layers
            are gated by the best-matching prompt (YOLO-World v2); the guide of a prompt is the
            mean of its real tokens.
        norm_cfg: norm of the branches' 3x3 convolutions.
        act_cfg: their activation.
    """

    def __init__(
        self,
        pafpn: dict,
        in_channels: list[int],
        embed_dims: int,
        num_base_prompts: int = 80,
        tau: float = 1.0,
        inject: str = 'none',
        norm_cfg: dict = NORM_CFG,
        act_cfg: dict = ACT_CFG,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if inject not in ('none', 'max_sigmoid'):
            raise ValueError(f"EAHNeck: inject must be 'none' or 'max_sigmoid', got {inject!r}")
        self.embed_dims = embed_dims
        self.tau = tau
        self.inject = inject
        if inject == 'max_sigmoid':
            pafpn = {**pafpn, 'guide_channels': embed_dims}
        self.pafpn = MODELS.build(pafpn)
        hidden = max(in_channels[0], num_base_prompts)
        self.embed_branches = nn.ModuleList(
            conv_branch(channels, hidden, embed_dims, norm_cfg, act_cfg)
            for channels in in_channels)
        self.embed_norms = nn.ModuleList(
            nn.BatchNorm2d(embed_dims, momentum=0.03, eps=0.001) for _ in in_channels)
        self._warned_single_image = False

    def fold_tokens(self, txt_feats: Tensor, txt_masks: Tensor) -> TokenTable:
        """A vocabulary's table for :meth:`forward`, of the present weights.

        Args:
            txt_feats: (K, L, D) tokens.
            txt_masks: (K, L) bool, True at real tokens.
        """
        convs = (branch[-1] for branch in self.embed_branches)
        return fold_tokens(zip(convs, self.embed_norms, strict=True), txt_feats, txt_masks)

    def folded_tensors(self) -> list[Tensor]:
        """The neck's weights and statistics that the table of :meth:`fold_tokens` holds."""
        modules = [branch[-1] for branch in self.embed_branches] + list(self.embed_norms)
        return [x for module in modules for x in (*module.parameters(), *module.buffers())]

    def forward(
        self,
        img_feats: tuple[Tensor, ...],
        txt_feats: Tensor,
        txt_masks: Tensor,
        table: TokenTable | None = None,
        guides: tuple[Tensor, Tensor] | None = None,
    ) -> EAHOutput:
        """Align the image with every prompt at every level.

        Args:
            img_feats: C3, C4, C5, each (B, C_s, H_s, W_s).
            txt_feats: (B or 1, K, L, D) tokens.
            txt_masks: (B or 1, K, L) bool, True at real tokens.
            table: of the same tokens, see :meth:`fold_tokens`, in evaluation mode: of its maps a
                head can make logits for less than the maps would take.
            guides: (B or 1, G, D) and their masks (B or 1, G), of a pyramid that is gated; by
                default those of the prompts.
        """
        self._warn_if_single_image(img_feats[0].shape[0])
        pyramid, hidden = self.trunk(img_feats, *self._guides(txt_feats, txt_masks, guides))
        if table is not None:
            maps = folded_alignment(hidden, table, self.tau)
            return EAHOutput(pyramid, maps, maps.token_weights.unbind(1), hidden)
        eams, token_weights = align_levels(self._embed(hidden), txt_feats, txt_masks, self.tau)
        return EAHOutput(pyramid, eams, token_weights, hidden)

    def token_maps(
        self, hidden: tuple[Tensor, ...], txt_feats: Tensor, txt_masks: Tensor
    ) -> tuple[Tensor, ...]:
        """Similarities S(x, y, l) of every token (Eq. 1), whose expectation the maps are.

        Args:
            hidden: of :meth:`forward`'s output.
            txt_feats, txt_masks: as there.

        Returns:
            per level (B, K, L, H_s, W_s); 0 at tokens that are padding.
        """
        # The expectation over a single token is the token's own map.
        maps, _ = align_levels(
            self._embed(hidden), txt_feats.flatten(1, 2)[:, :, None],
            txt_masks.flatten(1, 2)[:, :, None], self.tau)
        return tuple(x.unflatten(1, txt_feats.shape[1:3]) for x in maps)

    def _guides(
        self, txt_feats: Tensor, txt_masks: Tensor, guides: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, ...]:
        """What gates the pyramid: nothing, what is given, or the prompts."""
        if self.inject == 'none':
            return ()
        return masked_token_mean(txt_feats, txt_masks) if guides is None else guides

    def _embed(self, hidden: tuple[Tensor, ...]) -> list[Tensor]:
        """F of every level, (B, D, H_s, W_s)."""
        return [norm(branch[-1](x)) for branch, norm, x in zip(
            self.embed_branches, self.embed_norms, hidden, strict=True)]

    def trunk(
        self, img_feats: tuple[Tensor, ...], *guides: Tensor
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """The pyramid, and per level the last hidden map of the class-embedding branch.

        It is what does not depend on the number of prompts, and can be compiled.

        Args:
            img_feats: C3, C4, C5.
            guides: of a pyramid that is gated by prompts.
        """
        pyramid = self.pafpn(img_feats, *guides)
        hidden = (branch[1](branch[0](x))
                  for branch, x in zip(self.embed_branches, pyramid, strict=True))
        return tuple(pyramid), tuple(hidden)

    def _warn_if_single_image(self, num_images: int) -> None:
        if self.training and num_images == 1 and not self._warned_single_image:
            self._warned_single_image = True
            warnings.warn(
                'training with one image a process: batch normalisation then makes the pooled '
                'image features constant, so that token weights cannot depend on the image; '
                'use a batch of 4 or more', stacklevel=3)
