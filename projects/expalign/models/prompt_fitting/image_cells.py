"""What the image side says about a photograph, whatever is asked for: cells with their boxes.

Axes: S levels, N cells of all levels, C width of the hidden maps, D width of the text features,
K prompts, L tokens.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from expalign.models.dense_heads.levels import flatten_levels
from expalign.models.layers import embedding_map, masked_softmax


class ImageCells(NamedTuple):
    """The cells of one image, level by level.

    Attributes:
        hidden: (N, C) float32 or float16, the last hidden map X of the class-embedding branches,
            in which the embedding F = A X + b is linear.
        boxes: (N, 4) xyxy in pixels of the network's input, which the cells stand for.
        sizes: numbers of cells of the levels.
    """

    hidden: Tensor
    boxes: Tensor
    sizes: tuple[int, ...]


class ImageSide(NamedTuple):
    """What makes logits of cells and tokens, per level: F = A X + b; logit = c <F, T> + d.

    Attributes:
        weights: S times A (D, C).
        offsets: S times b (D).
        scales, biases: S numbers c and d.
        tau: temperature of the softmax over tokens.
    """

    weights: tuple[Tensor, ...]
    offsets: tuple[Tensor, ...]
    scales: tuple[float, ...]
    biases: tuple[float, ...]
    tau: float = 1.0

    @classmethod
    @torch.no_grad()
    def of(cls, model: nn.Module) -> 'ImageSide':
        """That of an :class:`~expalign.models.detectors.ExpAlignDetector`."""
        neck, head = model.neck, model.bbox_head.head_module
        weights, offsets = zip(*(
            embedding_map(branch[-1], norm)
            for branch, norm in zip(neck.embed_branches, neck.embed_norms, strict=True)),
            strict=True)
        return cls(weights, offsets, tuple(scale.exp().item() for scale in head.logit_scales),
                   tuple(bias.item() for bias in head.biases), neck.tau)

    def to(self, device: str) -> 'ImageSide':
        """The same on another device."""
        return self._replace(weights=tuple(x.to(device) for x in self.weights),
                             offsets=tuple(x.to(device) for x in self.offsets))

    def features(self, hidden: Tensor, level: int) -> Tensor:
        """F of cells of one level: (m, C) to (m, D)."""
        return hidden @ self.weights[level].T + self.offsets[level]

    def fold(self, txt_feats: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Tokens (K, L, D) in the coordinates of the hidden maps: per level (K, L, C) and (K, L).
        """
        return [(txt_feats @ weight, txt_feats @ offset)
                for weight, offset in zip(self.weights, self.offsets, strict=True)]

    def logits(
        self, cells: ImageCells, folded: list[tuple[Tensor, Tensor]], txt_masks: Tensor
    ) -> Tensor:
        """Logits (N, K) of an image's cells for prompts, Eqs 1-4.

        Args:
            cells: of the image.
            folded: tokens, see :meth:`fold`.
            txt_masks: (K, L) bool, True at real ones.
        """
        found = []
        for level, hidden in enumerate(cells.hidden.float().split(cells.sizes)):
            keys, constants = folded[level]
            pi = masked_softmax((keys @ hidden.mean(0) + constants) / self.tau, txt_masks)
            expected = torch.einsum('kl,klc->kc', pi, keys)
            eam = hidden @ expected.T + (pi * constants).sum(1)
            found.append(eam * self.scales[level] + self.biases[level])
        return torch.cat(found)


@torch.no_grad()
def cells_of_images(
    model: nn.Module, batch_inputs: Tensor, guides: tuple[Tensor, Tensor] | None
) -> list[ImageCells]:
    """The cells of a batch.

    Args:
        model: an :class:`~expalign.models.detectors.ExpAlignDetector`, in evaluation mode.
        batch_inputs: (B, 3, H, W), preprocessed.
        guides: (1, G, D) and masks (1, G) of a pyramid that is gated; None for another one.
    """
    return pyramid_cells(model, model.backbone(batch_inputs), guides)


def pyramid_cells(
    model: nn.Module, maps: tuple[Tensor, ...], guides: tuple[Tensor, Tensor] | None
) -> list[ImageCells]:
    """The cells of a batch of which the image encoder's maps are there; see above."""
    pyramid, hidden = model.neck.trunk(maps, *(guides or ()))
    head = model.bbox_head
    dists = head.head_module.maps(pyramid)[0]
    priors, strides = head._priors(dists)
    boxes = head._decode(flatten_levels(dists), priors[:, :2], strides[:, 0])  # (B, N, 4)
    sizes = tuple(x.shape[2] * x.shape[3] for x in hidden)
    return [ImageCells(*pair, sizes)
            for pair in zip(flatten_levels(hidden).float(), boxes.float(), strict=True)]
