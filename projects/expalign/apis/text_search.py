"""Text searched for in one photograph: a picture, a JSON file and a few lines to read."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.config import Config

from expalign.utils import check_outputs, finished_file
from expalign.utils.image_files import UnreadableImage, decode, read_content
from expalign.utils.picture_files import write_picture

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


def detect_text(
    cfg: Config, checkpoint: str | Path, image: Path, prompts: Sequence[str], out: Path,
    score_thr: float,
) -> list[dict]:
    """Search a photograph.

    Writes ``predictions.json`` with all that is found, ``detections.jpg`` with what scores
    ``score_thr`` or more, and ``explanation.png`` and ``.npz``, the alignment maps.

    Args:
        cfg: config of the detector.
        checkpoint: its weights.
        image: the photograph.
        prompts: what to search for.
        out: folder to write to; it is made.
        score_thr: lowest score in the pictures.

    Returns:
        What :func:`listed` gives.
    """
    from expalign.apis.inferencer import ExpAlignInferencer
    from expalign.datasets.transforms.loading import read_image
    from expalign.visualization import draw_instances, save_explanation
    inferencer = ExpAlignInferencer(cfg, checkpoint, device='cpu', show_progress=False)
    ((_, sample),) = inferencer.stream(str(image), list(prompts), return_eam=True)
    detections = listed(inferencer.pred2dict(sample))
    write_json(out / 'predictions.json', dict(
        image=str(image), prompts=list(prompts), detections=detections))
    drawn = torch.tensor([item['score'] >= score_thr for item in detections], dtype=torch.bool)
    found, shown = sample.pred_instances, sample.pred_instances[drawn]
    photograph = read_image(str(image))[..., ::-1]
    write_picture(out / 'detections.jpg', draw_instances(photograph, shown))
    save_explanation(out / 'explanation', photograph, sample.alignment, found,
                     score_thr=score_thr)
    return detections


def listed(prediction: dict) -> list[dict]:
    """The detections of one of the inferencer's predictions, for people and programs.

    Returns:
        per detection, best first: ``prompt``, ``label`` (its index), ``score``, ``box_xyxy`` in
        pixels and, of a model with masks, ``mask``, a COCO run-length encoding.
    """
    keys = ('label_names', 'labels', 'scores', 'bboxes')
    detections = [
        dict(prompt=prompt, label=label, score=round(score, 4),
             box_xyxy=[round(side, 1) for side in box])
        for prompt, label, score, box in zip(*(prediction[key] for key in keys), strict=True)]
    if 'masks' in prediction:
        for detection, mask in zip(detections, prediction['masks'], strict=True):
            detection['mask'] = mask
    return detections


def describe(detections: list[dict], image: Path, out: Path, score_thr: float) -> str:
    """What was found, for a terminal."""
    lines = [
        f'{item["score"]:.2f}  {item["prompt"]}'
        for item in detections if item['score'] >= score_thr]
    if not lines:
        lines = [f'nothing above {score_thr}; the best are in {out / "predictions.json"}']
    return '\n'.join(['', f'Found in {image}:', *(f'  {line}' for line in lines)])


def write_json(path: Path, content: dict) -> None:
    """Write a JSON file in one step, so that an interruption leaves no half of it."""
    with finished_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')
