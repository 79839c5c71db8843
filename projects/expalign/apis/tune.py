"""``expalign tune``: prompts fitted to labelled photographs, with the image side run once."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from expalign.data_tools.own_data import OwnData
from expalign.models.prompt_fitting.background import Background, second_moment
from expalign.models.prompt_fitting.cell_store import CellStore
from expalign.models.prompt_fitting.example_features import ExampleFeatures
from expalign.models.prompt_fitting.fit import PULL, STEPS, fit_tokens
from expalign.models.prompt_fitting.image_cells import ImageCells, ImageSide, cells_of_images
from expalign.models.prompt_fitting.shipped import shipped_background
from expalign.models.prompt_fitting.space import prompt_space
from expalign.models.prompt_fitting.views import PLAIN, VIEWS, View, border
from expalign.structures.letterbox import scale_and_pad
from expalign.structures.prompt_set import PromptSet
from expalign.structures.prompts import parse_prompts, prompt_key
from expalign.structures.token_prompt import TokenPrompt
from expalign.utils import scratch_folder
from expalign.utils.progress import progress

from .labelled_images import Example, choose, prepare, read_labelled
from .tune_starts import Start, Starts, choose_starts


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
    steps: int = STEPS, seed: int = 0, start: Start = 'best', augment: bool = False,
) -> Tuned:
    """Fit a prompt to each class of a data set.

    The image side runs once over the photographs of ``train``; what it says is kept on the disk for
    the time of the call. One without a box shows what no class is. A name without a box keeps its
    words.

    Args:
        data: what :func:`~expalign.data_tools.own_data.recognise` found.
        inferencer: :class:`~.inferencer.ExpAlignInferencer`; its model stays as it is.
        names: what the prompts are called and start from; by default the classes.
        images: photographs to use, about as many of each class; by default all.
        steps: of the fitting; 0: only the start.
        seed: of the choice and the order of the photographs, and of noise.
        start: see :func:`~.tune_starts.choose_starts`.
        augment: fit to each photograph in all :data:`~.views.VIEWS`; the image side runs once
            over each of them.

    Raises:
        ValueError: there is no box, the names are not as many as the classes, or two are equal.
        OSError: a photograph cannot be read.
        LimitExceeded: the photographs would take too much room on the disk.
    """
    names = check_names(names, data.classes)
    records = read_labelled(*data.splits['train'], data.classes, empty=True)
    if not any(record['instances'] for record in records):
        raise ValueError(f"'{data.splits['train'][0]}' has no image with a box")
    if images is not None:  # of those that have a box
        records = choose(records, images, len(names), seed)
    model, views = inferencer.model, tuple(VIEWS.values()) if augment else (PLAIN,)
    side, space = ImageSide.of(model), prompt_space(model)
    with scratch_folder(name='expalign-cells') as folder:
        store = CellStore(folder, len(records) * len(views), len(names))
        found = ExampleFeatures(names, side)
        for record in progress(records, 'image side'):
            (example,) = prepare([record], inferencer.pipeline, model.data_preprocessor)
            for view in views:
                cells, boxes, labels = cells_of(model, example, view)
                store.add(cells, boxes, labels)
                found.add(cells, boxes, labels.tolist())
        background = shipped_background(space) or Background.gather(
            (photograph.cells for photograph in store), space)
        side = side.to('cpu')
        statistics = background.features(side)
        starts = choose_starts(model, names, store, found, statistics, side, start, seed)
        # Views of one photograph are no more of them to hold against the start.
        tokens = _fit(starts, store, statistics, side, steps, PULL * len(views), seed)
    prompts = PromptSet(TokenPrompt(name, own.numpy(), space)
                        for name, own in zip(names, tokens, strict=True))
    boxes = [count // len(views) for count in found.boxes]
    return Tuned(prompts, boxes, starts.said, len(records))


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


def cells_of(
    model: nn.Module, example: Example, view: View = PLAIN
) -> tuple[ImageCells, Tensor, Tensor]:
    """Cells, boxes (n, 4) in pixels of the network's input, and labels (n) of a photograph's view.

    Crowds are no examples.
    """
    guides = None if model.neck.inject == 'none' else model.fixed_guides()
    inputs = view.image(example.data['inputs'], border(model.data_preprocessor))
    (cells,) = cells_of_images(model, inputs, guides)
    scale, pad = scale_and_pad(example.data['data_samples'][0].metainfo)
    single = ~example.crowd
    boxes = torch.from_numpy(example.boxes[single]).to(cells.boxes)
    boxes = boxes * boxes.new_tensor(scale * 2) + boxes.new_tensor(pad * 2)
    return cells, view.boxes(boxes, tuple(inputs.shape[2:])), torch.from_numpy(
        example.labels[single])


def _fit(
    starts: Starts, store: CellStore, background: tuple[Tensor, Tensor], side: ImageSide,
    steps: int, pull: float, seed: int,
) -> list[Tensor]:
    """Tokens (L_k, D) of each name."""
    feats, masks, shown, _ = starts
    if steps and shown:
        feats[shown] = fit_tokens(
            feats[shown], masks[shown], store.of(shown), side, second_moment(*background), steps,
            pull=pull, seed=seed)
    return [row[mask] for row, mask in zip(feats, masks, strict=True)]
