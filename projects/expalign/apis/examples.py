"""``expalign.examples``: prompts made of boxes in photographs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from torch import Tensor, nn

from expalign.models.prompt_fitting.background import Background, second_moment
from expalign.models.prompt_fitting.example_features import ExampleFeatures
from expalign.models.prompt_fitting.example_tokens import corrected_words, fitted_examples
from expalign.models.prompt_fitting.image_cells import ImageCells, ImageSide, cells_of_images
from expalign.models.prompt_fitting.shipped import shipped_background
from expalign.models.prompt_fitting.space import prompt_space
from expalign.models.prompt_fitting.views import PLAIN, View, border
from expalign.structures.letterbox import scale_and_pad
from expalign.structures.prompt_set import PromptSet
from expalign.structures.token_prompt import TokenPrompt

from .detect import kept_inferencer
from .example_photographs import ExamplePhotograph, Examples, read_examples
from .images import Image

if TYPE_CHECKING:
    from .inferencer import ExpAlignInferencer


def examples(
    boxes: Examples, model: Any = None, *, words: bool = False,
    weights: str | Path | None = None, device: str | None = None,
) -> PromptSet:
    """Prompts that mean what boxes in photographs show.

    Args:
        boxes: by name a list of photographs, each with a box or several, x1, y1, x2, y2 in pixels:
            ``{'mug': [('photo.jpg', (40, 60, 210, 300))]}``. What one name shows, the others are
            not.
        words: start from what the names say as words, and let the examples correct it: for names
            that mean something to the model. Otherwise a name is a label.
        model, weights, device: as of :func:`expalign.detect`, which takes prompts of the same
            model alone.

    Returns:
        A prompt for each name, to search with, alone or beside words: ``expalign.detect(photos,
        ['a cat', prompts])``; :func:`expalign.save_prompts` keeps them.

    Raises:
        TypeError, ValueError: see :func:`~.example_photographs.read_examples`; a box that is not
            in its photograph; or a name for whose examples the model has no cell.
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
    found, seen = ExampleFeatures(names, side), []
    for photograph in photographs:
        cells, goals = _cells(inferencer, photograph)
        found.add(cells, goals, photograph.labels.tolist())
        seen.append((cells, goals, photograph.labels.tolist()))
    found.check()
    background = shipped_background(space) or Background.gather(
        (cells for cells, _, _ in seen), space)
    mean, covariance = background.features(side)
    own = found.tokens(mean, covariance, known_vectors(model)).to(side.weights[0])
    if words:
        tokens, masks = model._encode_text(names)
        tokens = corrected_words((tokens, masks), own)
    else:
        tokens, masks = own[:, None], torch.ones_like(own[:, :1], dtype=torch.bool)
    tokens = fitted_examples(
        tokens, masks, found, seen, second_moment(mean, covariance), side)
    return PromptSet(TokenPrompt(name, row[mask].numpy(force=True), space)
                     for name, row, mask in zip(names, tokens, masks, strict=True))


def known_vectors(model: nn.Module) -> Tensor | None:
    """The vectors (V, D) of the names that a model knows; None without such a table."""
    return None if model.known_names is None else model.known_names.vectors


def _cells(inferencer: 'ExpAlignInferencer', photograph: ExamplePhotograph
           ) -> tuple[ImageCells, Tensor]:
    """The cells of a photograph, and its boxes (n, 4) in pixels of the network's input."""
    cells, meta = cells_of_image(inferencer, photograph.image)
    photograph.check_inside(meta['ori_shape'])
    scale, pad = scale_and_pad(meta)
    boxes = photograph.boxes * np.float32(scale * 2) + np.float32(pad * 2)
    return cells, torch.from_numpy(boxes).to(cells.boxes)


@torch.no_grad()
def cells_of_image(
    inferencer: 'ExpAlignInferencer', image: Image, view: View = PLAIN
) -> tuple[ImageCells, dict[str, Any]]:
    """The cells of a view of an image under the fixed guides, and the metainfo of its data sample.

    Raises:
        OSError: it cannot be read.
    """
    model = inferencer.model
    request = dict(img_path=image) if isinstance(image, str) else dict(img=image)
    sample = inferencer.pipeline({**request, 'text': ['thing'], 'custom_entities': False})
    data = model.data_preprocessor(pseudo_collate([sample]), False)
    guides = None if model.neck.inject == 'none' else model.fixed_guides()
    inputs = view.image(data['inputs'], border(model.data_preprocessor))
    (cells,) = cells_of_images(model, inputs, guides)
    return cells, data['data_samples'][0].metainfo
