"""``expalign tune``: prompts fitted to labelled photographs, with the image side run once."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from expalign.data_tools.own_data import OwnData
from expalign.models.prompt_fitting.background import Background
from expalign.models.prompt_fitting.cell_store import CellStore
from expalign.models.prompt_fitting.example_features import ExampleFeatures
from expalign.models.prompt_fitting.fit import STEPS, fit_tokens, losses_by_prompt
from expalign.models.prompt_fitting.image_cells import ImageCells, ImageSide, cells_of_images
from expalign.models.prompt_fitting.shipped import shipped_background
from expalign.models.prompt_fitting.space import prompt_space
from expalign.structures.letterbox import scale_and_pad
from expalign.structures.prompt_set import PromptSet
from expalign.structures.prompts import parse_prompts, prompt_key
from expalign.structures.token_prompt import TokenPrompt
from expalign.utils import scratch_folder
from expalign.utils.progress import progress

from .labelled_images import Example, choose, prepare, read_labelled

WORDS, BOXES, KEPT = 'words', 'boxes', 'words, not fitted: no box'
COMPARED = 64  # photographs on which it is decided
WORTH = 0.8  # of the loss of a prompt that finds nothing: more, and words are no good start


@dataclass(frozen=True)
class Tuned:
    """What was fitted.

    Attributes:
        prompts: a prompt for each class.
        boxes: (K) annotated boxes of the photographs, by class.
        starts: (K) what each prompt started from, in words.
        images: photographs that were used.
    """

    prompts: PromptSet
    boxes: list[int]
    starts: list[str]
    images: int


@torch.no_grad()
def tune(
    data: OwnData, inferencer, names: Sequence[str] | None = None, images: int | None = None,
    steps: int = STEPS, seed: int = 0,
) -> Tuned:
    """Fit a prompt to each class of a data set.

    The image side runs once over the photographs of ``train``; what it says is kept on the disk for
    the time of the call. A prompt starts from its name's tokens; where these find next to nothing
    in the photographs, from what the boxes give in closed form. One without a box keeps its words.

    Args:
        data: what :func:`~expalign.data_tools.own_data.recognise` found.
        inferencer: :class:`~.inferencer.ExpAlignInferencer`; its model stays as it is.
        names: what the prompts are called and start from; by default the classes.
        images: photographs to use, about as many of each class; by default all that have a box.
        steps: of the fitting; 0: only the start.
        seed: of the choice and the order of the photographs.

    Raises:
        ValueError: there is no box, the names are not as many as the classes, or two are equal.
        OSError: a photograph cannot be read.
        LimitExceeded: the photographs would take too much room on the disk.
    """
    names = check_names(names, data.classes)
    records = read_labelled(*data.splits['train'], data.classes)
    if not records:
        raise ValueError(f"'{data.splits['train'][0]}' has no image with a box")
    if images is not None:
        records = choose(records, images, len(names), seed)
    model = inferencer.model
    side, space = ImageSide.of(model), prompt_space(model)
    with scratch_folder(name='expalign-cells') as folder:
        store = CellStore(folder, len(records), len(names))
        found = ExampleFeatures(names, side)
        for record in progress(records, 'image side'):
            (example,) = prepare([record], inferencer.pipeline, model.data_preprocessor)
            cells, boxes, labels = cells_of(model, example)
            store.add(cells, boxes, labels)
            found.add(cells, boxes, labels.tolist())
        background = shipped_background(space) or Background.gather(
            (photograph.cells for photograph in store), space)
        tokens, starts = _fit(model, names, store, found, background, side, steps, seed)
    prompts = PromptSet(TokenPrompt(name, own.numpy(), space)
                        for name, own in zip(names, tokens, strict=True))
    return Tuned(prompts, found.boxes, starts, len(records))


def check_names(names: Sequence[str] | None, classes: Sequence[str]) -> list[str]:
    """The names of the prompts, one a class.

    Raises:
        ValueError: they are not as many, or two are equal up to case and white space.
    """
    names = parse_prompts(list(classes if names is None else names))
    if len(names) != len(classes):
        raise ValueError(f'{len(names)} names for {len(classes)} classes: give one for each, in '
                         f'this order: {", ".join(classes)}')
    if len(set(map(prompt_key, names))) < len(names):
        raise ValueError(f'two names are equal (case and white space do not count): {names}')
    return names


def cells_of(model: nn.Module, example: Example) -> tuple[ImageCells, Tensor, Tensor]:
    """Cells, boxes (n, 4) in pixels of the network's input, and labels (n) of a photograph.

    Crowds are no examples.
    """
    guides = None if model.neck.inject == 'none' else model.fixed_guides()
    (cells,) = cells_of_images(model, example.data['inputs'], guides)
    scale, pad = scale_and_pad(example.data['data_samples'][0].metainfo)
    single = ~example.crowd
    boxes = torch.from_numpy(example.boxes[single]).to(cells.boxes)
    boxes = boxes * boxes.new_tensor(scale * 2) + boxes.new_tensor(pad * 2)
    return cells, boxes, torch.from_numpy(example.labels[single])


def _fit(
    model: nn.Module, names: list[str], store: CellStore, found: ExampleFeatures,
    background: Background, side: ImageSide, steps: int, seed: int,
) -> tuple[list[Tensor], list[str]]:
    """Tokens (L_k, D) of each name, and what they started from."""
    side = side.to('cpu')
    feats, masks = (part.cpu().clone() for part in model._encode_text(names))
    shown = [label for label in range(len(names)) if found.shown(label)]
    mean, covariance = background.features(side)
    starts = [KEPT] * len(names)
    if shown:
        own = found.tokens(mean, covariance).to(feats)
        few = [store[row] for row in range(min(len(store), COMPARED))]
        worthless = losses_by_prompt(few, side, feats, masks) > WORTH * losses_by_prompt(
            few, side, torch.zeros_like(feats), masks)
        for label in shown:
            starts[label] = BOXES if worthless[label] else WORDS
            if worthless[label]:
                feats[label], masks[label] = 0, False
                feats[label, 0], masks[label, 0] = own[label], True
        if steps:
            metric = covariance + torch.outer(mean, mean)
            feats[shown] = fit_tokens(
                feats[shown], masks[shown], store.of(shown), side, metric, steps, seed=seed)
    return [row[mask] for row, mask in zip(feats, masks, strict=True)], starts
