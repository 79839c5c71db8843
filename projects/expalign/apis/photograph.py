"""Text searched for in one photograph: a picture, a JSON file and a few lines to read."""

import json
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.visualization import Visualizer

COLOURS = ('crimson', 'royalblue', 'darkgreen', 'darkorange', 'purple', 'teal')


def check_request(image: str | Path, text: str) -> Path:
    """Refuse a useless photograph or text before any work; the photograph's absolute path.

    Raises:
        ValueError: the file does not exist or is no picture, or the text has no prompt.
    """
    path = Path(image).resolve()
    if not path.is_file():
        raise ValueError(f'the image {path} does not exist')
    if cv2.imread(str(path)) is None:
        raise ValueError(f'the image {path} cannot be read; is it a JPEG or PNG file?')
    if not text.replace('.', ' ').strip():
        raise ValueError(
            f'the text {text!r} names nothing to search for; write for example '
            '"a cat. a red chair"')
    return path


def detect_text(
    cfg: Config, checkpoint: str | Path, image: Path, text: str, out: Path, score_thr: float
) -> list[dict]:
    """Search a photograph.

    Writes ``predictions.json`` with all that is found, ``detections.jpg`` with what scores
    ``score_thr`` or more, and ``explanation.png`` and ``.npz``, the alignment maps.

    Args:
        cfg: config of the detector.
        checkpoint: its weights.
        image: the photograph.
        text: prompts, separated by '.'.
        out: folder to write to; it is made.
        score_thr: lowest score in the pictures.

    Returns:
        per detection, best first: ``prompt``, ``label`` (its index), ``score`` and ``box_xyxy``
        in pixels.
    """
    from expalign.apis.inferencer import ExpAlignInferencer
    from expalign.models.utils.prompts import parse_prompts
    from expalign.visualization import save_explanation
    prompts = parse_prompts(text, custom_entities=True)
    inferencer = ExpAlignInferencer(cfg, checkpoint, device='cpu', show_progress=False)
    ((_, sample),) = inferencer.stream(str(image), [prompts], return_eam=True)
    found = inferencer.pred2dict(sample)
    detections = [
        dict(prompt=prompt, label=label, score=round(score, 4),
             box_xyxy=[round(side, 1) for side in box])
        for prompt, label, score, box in zip(
            found['label_names'], found['labels'], found['scores'], found['bboxes'], strict=True)]
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / 'predictions.json', dict(
        image=str(image), prompts=prompts, detections=detections))
    shown = [item for item in detections if item['score'] >= score_thr]
    photograph = cv2.imread(str(image))[..., ::-1]
    cv2.imwrite(str(out / 'detections.jpg'), draw(photograph, shown)[..., ::-1])
    save_explanation(out / 'explanation', photograph, sample.alignment, sample.pred_instances,
                     score_thr=score_thr)
    return detections


def draw(image: np.ndarray, detections: list[dict]) -> np.ndarray:
    """Boxes, prompts and scores on an RGB image (H, W, 3), one colour a prompt."""
    visualizer = Visualizer(image=np.ascontiguousarray(image))
    size = max(11, max(image.shape) // 45)
    for item in reversed(detections):  # the best on top
        colour = COLOURS[item['label'] % len(COLOURS)]
        box = np.array(item['box_xyxy'])
        visualizer.draw_bboxes(box, edge_colors=colour, line_widths=size / 5)
        room_above = box[1] > 2 * size
        visualizer.draw_texts(
            f'{item["prompt"]} {item["score"]:.2f}',
            box[:2] + np.array([1, -1 if room_above else 1]) * size / 4, colors='white',
            vertical_alignments='bottom' if room_above else 'top', font_sizes=size,
            bboxes=dict(facecolor=colour, edgecolor='none', pad=size / 8))
    return visualizer.get_image()


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
    part = path.with_suffix('.part')
    part.write_text(json.dumps(content, indent=2) + '\n')
    part.replace(path)
