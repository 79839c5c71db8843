"""``expalign.examples``: prompts made of boxes in photographs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from torch import Tensor

from expalign.models.prompt_fitting.background import Background
from expalign.models.prompt_fitting.best_cells import LEAST_IOU, best_cells
from expalign.models.prompt_fitting.discriminant import discriminant
from expalign.models.prompt_fitting.image_cells import ImageCells, ImageSide, cells_of_images
from expalign.models.prompt_fitting.shipped import shipped_background
from expalign.models.prompt_fitting.space import prompt_space
from expalign.structures.letterbox import scale_and_pad
from expalign.structures.prompt_set import PromptSet
from expalign.structures.token_prompt import TokenPrompt

from .detect import kept_inferencer
from .example_photographs import ExamplePhotograph, Examples, read_examples

if TYPE_CHECKING:
    from .inferencer import ExpAlignInferencer


def examples(
    boxes: Examples, model: Any = None, *, words: bool = False,
    weights: str | Path | None = None, device: str | None = None,
) -> PromptSet:
    """Prompts that mean what boxes in photographs show.

    Args:
        boxes: by name a list of photographs, each with a box or several, x1, y1, x2, y2 in pixels:
            ``{'mug': [('photo.jpg', (40, 60, 210, 300))]}``.
        model, weights, device: as of :func:`expalign.detect`, which takes prompts of the same
            model alone.
        words: whether the name counts beside the examples: where it says what it is.

    Returns:
        A prompt for each name, to search with, alone or beside words: ``expalign.detect(photos,
        ['a cat', prompts])``; :func:`expalign.save_prompts` keeps them.

    Raises:
        TypeError, ValueError: see :func:`~.example_photographs.read_examples`; a box that is not
            in its photograph; or one that no cell of the model's stands for.
        OSError: a photograph cannot be read.
    """
    return prompts_of_examples(kept_inferencer(model, weights, device), boxes, words)


@torch.no_grad()
def prompts_of_examples(
    inferencer: 'ExpAlignInferencer', boxes: Examples, words: bool = False
) -> PromptSet:
    """See :func:`examples`."""
    names, photographs = read_examples(boxes)
    model = inferencer.model
    side, space = ImageSide.of(model), prompt_space(model)
    found: list[list[tuple[Tensor, int]]] = [[] for _ in names]
    images = []
    for photograph in photographs:
        cells, goals = _cells(inferencer, photograph)
        images.append(cells)
        _gather(photograph, cells, goals, side, names, found)
    background = shipped_background(space) or Background.gather(images, space)
    mean, covariance = background.features(side)
    prompts = []
    for name, features in zip(names, found, strict=True):
        rows = torch.stack([feature for feature, _ in features])
        levels = [level for _, level in features]
        scale = float(np.mean([side.scales[level] for level in levels]))
        bias = float(np.mean([side.biases[level] for level in levels]))
        token = discriminant(rows, mean.to(rows), covariance.to(rows), scale, bias)
        prompts.append(TokenPrompt(name, token[None].numpy(force=True), space))
    return PromptSet(prompts)


def _cells(inferencer: 'ExpAlignInferencer', photograph: ExamplePhotograph
           ) -> tuple[ImageCells, Tensor]:
    """The cells of a photograph, and its boxes (n, 4) in pixels of the network's input."""
    model = inferencer.model
    image = photograph.image
    request = dict(img_path=image) if isinstance(image, str) else dict(img=image)
    sample = inferencer.pipeline({**request, 'text': ['thing'], 'custom_entities': False})
    photograph.check_inside(sample['data_samples'].ori_shape)
    data = model.data_preprocessor(pseudo_collate([sample]), False)
    guides = None if model.neck.inject == 'none' else model.fixed_guides()
    (cells,) = cells_of_images(model, data['inputs'], guides)
    scale, pad = scale_and_pad(data['data_samples'][0].metainfo)
    boxes = photograph.boxes * np.float32(scale * 2) + np.float32(pad * 2)
    return cells, torch.from_numpy(boxes).to(cells.boxes)


def _gather(
    photograph: ExamplePhotograph, cells: ImageCells, boxes: Tensor, side: ImageSide,
    names: Sequence[str], found: list[list[tuple[Tensor, int]]],
) -> None:
    """Add the features of the cells that stand for the boxes, with their levels.

    Raises:
        ValueError: no cell stands for a box.
    """
    places, ious = best_cells(cells.boxes, boxes)
    starts = np.cumsum((0, *cells.sizes))
    for label, own, overlaps, box in zip(
            photograph.labels, places.tolist(), ious.tolist(), photograph.boxes, strict=True):
        if overlaps[0] < LEAST_IOU:
            raise ValueError(
                f'no box of the model fits the example {box.round().tolist()} of {names[label]!r} '
                f'in {photograph.shown_name} (best IoU {overlaps[0]:.2f}): draw the box closely '
                'around one thing')
        for place, overlap in zip(own, overlaps, strict=True):
            if overlap >= LEAST_IOU:
                level = int(np.searchsorted(starts, place, side='right')) - 1
                feature = side.features(cells.hidden[place:place + 1], level)[0]
                found[label].append((feature, level))
