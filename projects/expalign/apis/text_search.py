"""Text searched for in one photograph with a model of a config: a picture, numbers and maps."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from expalign.structures.detections import Detections
from expalign.structures.thresholds import ScoreThr
from expalign.utils import check_outputs, finished_file
from expalign.utils.image_files import UnreadableImage, decode, read_content

if TYPE_CHECKING:
    from mmengine.config import Config

RESULTS = (
    'detections.jpg', 'predictions.json', 'explanation.png', 'explanation.npz', 'metrics.json')


def check_photograph(image: str | Path, out: Path) -> Path:
    """Refuse a useless photograph before any work; its absolute path.

    Raises:
        ValueError: the file does not exist or is no picture, or is one of the results in ``out``.
    """
    path = Path(image).resolve()
    if not path.is_file():
        raise ValueError(f'the image {path} does not exist')
    try:
        decode(read_content(path))
    except UnreadableImage as error:
        raise ValueError(f'the image {path} cannot be read; {error}') from error
    check_outputs([out / name for name in RESULTS], [path])
    return path


def search_photograph(
    cfg: 'Config', checkpoint: str | Path, image: Path, prompts: Sequence[str], out: Path,
    score_thr: ScoreThr,
) -> Detections:
    """Search a photograph.

    Writes ``detections.jpg``, ``predictions.json``, and ``explanation.png`` and ``.npz``, the
    alignment maps.

    Args:
        cfg: config of the detector.
        checkpoint: its weights.
        image: the photograph.
        prompts: what to search for.
        out: folder to write to; it is made.
        score_thr: lowest score that counts as found, or ``'auto'``.
    """
    from expalign.visualization import save_explanation

    from .found import detections_of
    from .inferencer import ExpAlignInferencer
    inferencer = ExpAlignInferencer(cfg, checkpoint, device='cpu', show_progress=False)
    ((path, sample),) = inferencer.stream(str(image), list(prompts), return_eam=True)
    found = detections_of(inferencer, path, sample, score_thr)
    found.save(out / 'predictions.json')
    found.save(out / 'detections.jpg')
    save_explanation(out / 'explanation', found.pixels(), sample.alignment,
                     sample.pred_instances, score_thr=found.thresholds)
    return found


def write_json(path: Path, content: dict) -> None:
    """Write a JSON file in one step, so that an interruption leaves no half of it."""
    with finished_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')
