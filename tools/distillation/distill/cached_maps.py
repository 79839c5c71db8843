"""What the frozen image side says about a set of images, kept on disk, and logits from it.

The last hidden map X of a class-embedding branch is followed by linear steps only (1x1
convolution, batch normalisation with running statistics), F = X A^T + b, so that X, a quarter as
wide as F, is what is kept. The prompts that gated the pyramid are fixed when the maps are made.

Axes: n images, N = 8400 cells of the three levels at 640 px, C width of X, K prompts, L tokens,
E embedding width.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmengine.structures import InstanceData
from torch import Tensor, nn

from expalign.models.layers import embedding_map, masked_softmax
from expalign.structures.instance_polygons import InstancePolygons, absent, has_mask

from .cell_bank import CellBank

LEVELS = (slice(0, 6400), slice(6400, 8000), slice(8000, 8400))
SIDES = (80, 40, 20)
STRIDES = (8, 16, 32)
INPUT_SIZE = SIDES[0] * STRIDES[0]  # pixels, height and width


class FoldedHead(NamedTuple):
    """Per level: A (E, C) and b (E), F = X A^T + b; factor and bias of the logits."""

    weights: tuple[Tensor, ...]
    offsets: tuple[Tensor, ...]
    scales: tuple[float, ...]
    biases: tuple[float, ...]

    @classmethod
    def of(cls, neck: nn.Module, head_module: nn.Module) -> 'FoldedHead':
        """Fold the end of an EAHNeck's branches and the scales of an ExpAlignHeadModule."""
        weights, offsets = zip(*(
            embedding_map(branch[-1], norm)
            for branch, norm in zip(neck.embed_branches, neck.embed_norms, strict=True)),
            strict=True)
        return cls(
            tuple(x.detach() for x in weights), tuple(x.detach() for x in offsets),
            tuple(float(x.detach().exp()) for x in head_module.logit_scales),
            tuple(float(x.detach()) for x in head_module.biases))

    def features(self, hidden: Tensor, level: int) -> Tensor:
        """F of cells of one level: (m, C) -> (m, E)."""
        return hidden @ self.weights[level].T + self.offsets[level]

    def pooled(self, hidden: Tensor) -> Tensor:
        """Mean feature of each level: (N, C) -> (3, E)."""
        return torch.stack([
            self.features(hidden[cells].mean(0, keepdim=True), level)[0]
            for level, cells in enumerate(LEVELS)])

    def alignment(self, hidden: Tensor, txt_feats: Tensor, txt_masks: Tensor) -> list[Tensor]:
        """Expectation alignment maps of one image, Eqs 1-4: per level (K, cells).

        Args:
            hidden: (N, C).
            txt_feats: (K, L, E).
            txt_masks: (K, L) bool.
        """
        maps = []
        for level, cells in enumerate(LEVELS):
            x = hidden[cells]
            keys = txt_feats @ self.weights[level]  # (K, L, C)
            offsets = txt_feats @ self.offsets[level]  # (K, L)
            pi = masked_softmax(keys @ x.mean(dim=0) + offsets, txt_masks)
            prompts = torch.einsum('kl,klc->kc', pi, keys)
            maps.append(prompts @ x.T + (pi * offsets).sum(1, keepdim=True))
        return maps

    def logits(self, maps: list[Tensor]) -> Tensor:
        """Class logits (K, N) of the alignment maps."""
        return torch.cat([
            eam * scale + bias
            for eam, scale, bias in zip(maps, self.scales, self.biases, strict=True)], dim=1)


class CachedMaps:
    """Maps in a folder: ``hidden.npy`` (n, N, C), ``boxes.npy`` (n, N, 4), ``images.json``.

    ``images.json`` lists per image ``img_id``, ``ori_shape``, ``scale_factor``, ``pad_param`` and
    the ground truth in pixels of the input: ``bboxes`` (G, 4), ``labels`` (G) and ``polygons``
    (G lists of flat polygons, empty where an instance has no mask).

    Raises:
        FileNotFoundError: the folder lacks one of them.
    """

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        for name in ('hidden.npy', 'boxes.npy', 'images.json'):
            if not (folder / name).is_file():
                raise FileNotFoundError(
                    f'{folder} has no {name}; make the maps with '
                    'tools/distillation/cache_image_side.py')
        self._hidden = np.load(folder / 'hidden.npy', mmap_mode='r')
        self._boxes = np.load(folder / 'boxes.npy', mmap_mode='r')
        self.images = json.loads((folder / 'images.json').read_text(encoding='utf-8'))

    def __len__(self) -> int:
        return len(self.images)

    def hidden(self, index: int) -> Tensor:
        """X of all cells, (N, C) float32."""
        return torch.from_numpy(self._hidden[index].astype(np.float32))

    def boxes(self, index: int) -> Tensor:
        """Decoded boxes of all cells, (N, 4) xyxy in pixels of the input."""
        return torch.from_numpy(self._boxes[index].astype(np.float32))

    def ground_truth(self, index: int) -> InstanceData:
        """``bboxes`` (G, 4), ``labels`` (G), ``masks`` (G polygon masks) and ``has_mask`` (G)."""
        image = self.images[index]
        masks = InstancePolygons(
            [[np.asarray(polygon, np.float32) for polygon in polygons] or absent()
             for polygons in image['polygons']], INPUT_SIZE, INPUT_SIZE)
        return InstanceData(
            bboxes=torch.tensor(image['bboxes'], dtype=torch.float32).reshape(-1, 4),
            labels=torch.tensor(image['labels'], dtype=torch.long),
            masks=masks, has_mask=torch.from_numpy(has_mask(masks)))


@torch.no_grad()
def sample_cells(
    maps: CachedMaps, head: FoldedHead, vectors: Tensor, best: int = 300, others: int = 60,
    seed: int = 0,
) -> CellBank:
    """Features of telling cells: an image's best for any of the vectors, and random ones.

    Args:
        vectors: (K, E) of the names that training may know.
    """
    generator = torch.Generator().manual_seed(seed)
    cells, biases, means = [], [], []
    level_of = torch.bucketize(torch.arange(8400), torch.tensor([6400, 8000]), right=True)
    tokens, mask = vectors[:, None], torch.ones(len(vectors), 1, dtype=torch.bool)
    for index in range(len(maps)):
        hidden = maps.hidden(index)
        peak = head.logits(head.alignment(hidden, tokens, mask)).amax(dim=0)
        chosen = torch.cat((
            peak.topk(best).indices, torch.randperm(8400, generator=generator)[:others])).unique()
        for level in range(3):
            rows = chosen[level_of[chosen] == level]
            cells.append(head.features(hidden[rows], level) * head.scales[level])
            biases.append(torch.full((len(rows), 1), head.biases[level]))
        means.append(head.pooled(hidden))
    return CellBank(torch.cat(cells), torch.cat(biases), torch.cat(means))
