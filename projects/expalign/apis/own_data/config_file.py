"""The config of a run on own data: a recipe, its four settings and the classes."""

import os
from dataclasses import dataclass
from pathlib import Path

from expalign.utils.own_data_recipe import check_settings

from .modes import DEFAULT_MODE, DEFAULT_MODEL, MODELS, MODES
from .prepare import Prepared

SHIPPED_TRAINING_IMAGES = 24  # of the replay set
BATCH, IMGSZ = 8, 640

TEMPLATE = """\
# Written by `expalign train`; `python tools/train.py` on this file is the same run.
_base_ = 'expalign::own_data/{recipe}.py'
from expalign.utils.own_data_recipe import followed  # noqa: E402  (after _base_)

epochs = {epochs}
imgsz = {imgsz}
batch = {batch}
data = {data!r}
classes = {classes!r}
randomness = dict(seed={seed})

model = dict({model})
train_dataloader = dict(num_workers={workers}, drop_last={drop_last}{replay})
val_dataloader = dict(num_workers={workers})
test_dataloader = val_dataloader

locals().update(followed(_base_, locals()))
"""


@dataclass(frozen=True)
class RunSettings:
    """What a run on own data does.

    Attributes:
        model: name of the model that is trained further.
        mode: one of :data:`~.modes.MODES`.
        epochs: of training.
        imgsz: side of the input in pixels.
        batch: images of a step.
        seed: of all that is drawn in training: the order of the images, their transforms.
    """

    model: str
    mode: str
    epochs: int
    imgsz: int
    batch: int
    seed: int = 0


def check_choices(model: str, mode: str, imgsz: int | None) -> None:
    """Refuse what cannot be, before any work.

    Raises:
        ValueError: there is no such model or mode, or the side of the input is no multiple of 32.
    """
    if mode not in MODES:
        raise ValueError(f'there is no mode {mode!r}: choose one of {", ".join(MODES)}')
    if model not in MODELS:
        raise ValueError(f'{model!r} cannot be trained further by a recipe: choose one of '
                         f'{", ".join(MODELS)}, or train a config with tools/train.py')
    check_settings(dict(epochs=1, imgsz=IMGSZ if imgsz is None else imgsz, batch=1, data='data'))


def settings_for(
    prepared: Prepared, model: str = DEFAULT_MODEL, mode: str = DEFAULT_MODE,
    epochs: int | None = None, imgsz: int | None = None, batch: int | None = None, seed: int = 0,
) -> RunSettings:
    """The settings that were asked for, and the usual ones for the rest.

    A batch is never larger than the training images. By default it is 8, or less so that an epoch
    has four steps. Epochs are by default 10, and more for fewer than 120 images: 1,200 in all are
    seen, but each one 30 times at most.

    Raises:
        ValueError: see :func:`check_choices`.
    """
    check_choices(model, mode, imgsz)
    images = prepared.images['train']
    return RunSettings(
        model, mode, epochs or min(max(round(1200 / images), 10), 30), imgsz or IMGSZ,
        min(batch or max(min(BATCH, images // 4), 2), images), seed)


def config_text(prepared: Prepared, settings: RunSettings) -> str:
    """The config as a file."""
    masks = prepared.masks and MODELS[settings.model]
    recipe = f'expalign-s{"-seg" if masks else ""}_{settings.mode}'
    model = f'known_classes=dict(names=classes, exclusive={prepared.exclusive})'
    if settings.mode == 'tune':
        model += ', tuned_prompts=dict(num_prompts=len(classes))'
    images = prepared.images['train']
    replay = ''
    if settings.mode == 'replay':  # as many of both in an epoch
        weight = round(max(images / SHIPPED_TRAINING_IMAGES, 1 / SHIPPED_TRAINING_IMAGES), 3)
        replay = f', dataset=dict(weights=[1, {weight}])'
    # A last batch of one image has no statistics to normalise by.
    drop_last = images % settings.batch == 1 and images > 1
    return TEMPLATE.format(
        recipe=recipe, epochs=settings.epochs, imgsz=settings.imgsz, batch=settings.batch,
        data=str(prepared.folder.absolute()), classes=list(prepared.classes), seed=settings.seed,
        model=model,
        workers=min(2, (os.cpu_count() or 1) - 1), drop_last=drop_last, replay=replay)


def mask_model(path: str | Path) -> bool:
    """Whether a written config trains masks."""
    return '-seg_' in Path(path).read_text(encoding='utf-8').split('.py', 1)[0]
