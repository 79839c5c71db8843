"""The embedded default in one file: YOLO-World v2-S's image side and our text side.

Only the text side is shipped; the other half is fetched and converted on the user's machine, and
the file made of both stays in the cache there.
"""

import hashlib
import tempfile
from pathlib import Path

from .assemble import assemble
from .fetch import cache_folder, yolo_world_checkpoint

CONFIG = Path(__file__).parents[3] / 'configs' / 'expalign_v8s_minilm.py'


def warm_start_checkpoint(text_side: str | Path, config: str | Path = CONFIG) -> Path:
    """The checkpoint for ``configs/expalign_v8s_minilm.py``, made when it is first asked for.

    Args:
        text_side: the shipped safetensors file.
        config: config of the model, whose shapes the image side must have.

    Raises:
        FetchError: the image side can be had neither from a file nor from the package index.
        ConversionError: the file that ``EXPALIGN_YOLO_WORLD`` names is of another size or kind.
    """
    source = yolo_world_checkpoint()
    digest = hashlib.sha256(source.read_bytes() + Path(text_side).read_bytes()).hexdigest()
    target = cache_folder() / f'expalign_v8s_minilm-{digest[:12]}.safetensors'
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        _make(source, Path(text_side), Path(config), target)
    return target


def _make(source: Path, text_side: Path, config: Path, target: Path) -> None:
    """Convert and join; the target appears in one step."""
    from safetensors.torch import save_file

    from expalign.engine.config import load_config

    from .yolo_world import convert, header, image_side_shapes, read_source
    contents = read_source(source)
    image_side = convert(contents, image_side_shapes(load_config(config).model))
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        image_file, whole = Path(folder, 'image.safetensors'), Path(folder, 'whole.safetensors')
        save_file(image_side.state_dict, image_file, header(source, contents, config.name))
        assemble(image_file, text_side, whole)
        whole.replace(target)
