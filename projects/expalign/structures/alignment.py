"""Alignment maps and token weights of a prediction: what the detector's class scores come from.

Axes: K prompts, L tokens of the longest of them, H_s x W_s cells of level s.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from expalign.utils import finished_file

FUSED = 'fused'


@dataclass(frozen=True)
class Alignment:
    """The alignment of one image with its prompts, as arrays.

    Attributes:
        prompts: the K prompts.
        tokens: per prompt the names of its L_k tokens, as the text encoder gives them.
        token_weights: level ('P3', 'P4', 'P5') -> (K, L) weights pi (Eqs 2-3); those of a prompt
            sum to one, and are zero beyond its tokens.
        eams: level -> (K, H_s, W_s) alignment maps (Eq. 4), before scale and bias; ``'fused'`` ->
            (K, H_3, W_3), all levels in one (Eq. 9). Padding of the letterbox is included.
        stride: pixels of the network's input per cell of P3 and of the fused map.
        scale_factor: input pixels per pixel of the image (x, y).
        padding: pixels left of and above the image in the input.
        image_shape: height and width of the image in pixels.
        token_maps: where they were asked for, level -> per prompt the maps of its tokens,
            (L_k, H_s, W_s): S(x, y, l) of Eq. 1, whose sum by the level's weights is the
            prompt's map; ``'fused'``: all levels of each token in one, as the maps are fused.
    """

    prompts: list[str]
    tokens: list[list[str]]
    token_weights: dict[str, np.ndarray]
    eams: dict[str, np.ndarray]
    stride: int
    scale_factor: tuple[float, float]
    padding: tuple[float, float]
    image_shape: tuple[int, int]
    token_maps: dict[str, list[np.ndarray]] | None = None

    def weights_of(self, prompt: int, level: str) -> list[tuple[str, float]]:
        """Name and weight of every token of a prompt at a level."""
        names = self.tokens[prompt]
        values = self.token_weights[level][prompt, :len(names)].tolist()
        return list(zip(names, values, strict=True))

    def on_image(
        self, prompt: int, level: str, size: tuple[int, int] | None = None
    ) -> np.ndarray:
        """A map over the image, float32: enlarged bilinearly, padding cut off.

        Args:
            prompt: its number.
            level: ``'P3'``, ``'P4'``, ``'P5'`` or ``'fused'``.
            size: height and width of the result; those of the image by default.
        """
        return self._enlarged(self.eams[level][prompt], size)

    def token_on_image(
        self, prompt: int, token: int, level: str, size: tuple[int, int] | None = None
    ) -> np.ndarray:
        """The map of a token over the image, as :meth:`on_image`.

        Raises:
            ValueError: the maps of tokens were not asked for.
        """
        if self.token_maps is None:
            raise ValueError('there are no maps of tokens: search with token_maps=True')
        return self._enlarged(self.token_maps[level][prompt][token], size)

    def _enlarged(self, values: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
        cells = torch.from_numpy(values)[None, None]
        height, width = (side * self.stride for side in self.eams[FUSED].shape[1:])
        pixels = F.interpolate(cells, size=(height, width), mode='bilinear', align_corners=False)
        (left, top), (x, y) = self.padding, self.scale_factor
        rows, columns = self.image_shape
        right, bottom = round(left + columns * x), round(top + rows * y)
        content = pixels[..., round(top):bottom, round(left):right]
        return F.interpolate(
            content, size=size or self.image_shape, mode='bilinear', align_corners=False
        )[0, 0].numpy()

    def select(self, prompts: Sequence[int]) -> 'Alignment':
        """The same for some of the prompts, by number."""
        prompts = list(prompts)
        return replace(
            self, prompts=[self.prompts[k] for k in prompts],
            tokens=[self.tokens[k] for k in prompts],
            token_weights={name: pi[prompts] for name, pi in self.token_weights.items()},
            eams={name: maps[prompts] for name, maps in self.eams.items()},
            token_maps=self.token_maps and {
                name: [maps[k] for k in prompts] for name, maps in self.token_maps.items()})

    def save(self, path: str | Path) -> None:
        """Write everything as ``.npz``: ``prompts``, ``tokens_K``, ``eam_LEVEL``, ``pi_LEVEL``.

        Maps of tokens, where they are, are ``token_maps_K_LEVEL``.

        ``numpy.load(path)`` reads it, without pickles.
        """
        arrays: dict[str, Any] = {f'eam_{name}': value for name, value in self.eams.items()}
        arrays |= {f'pi_{name}': value for name, value in self.token_weights.items()}
        arrays |= {f'token_maps_{k}_{name}': one for name, maps in (self.token_maps or {}).items()
                   for k, one in enumerate(maps)}
        arrays |= {f'tokens_{k}': np.asarray(names) for k, names in enumerate(self.tokens)}
        path = Path(path)
        if path.suffix != '.npz':
            path = path.with_name(f'{path.name}.npz')  # as numpy does
        with finished_file(path) as temporary:
            np.savez_compressed(
                temporary, prompts=np.asarray(self.prompts), stride=self.stride,
                scale_factor=self.scale_factor, padding=self.padding,
                image_shape=self.image_shape, **arrays)
