"""What the page does with a photograph and prompts."""

import html
from typing import Any, NamedTuple

import gradio as gr
import numpy as np
from mmengine.structures import InstanceData

from expalign.apis.found import detections_of
from expalign.apis.inferencer import ExpAlignInferencer
from expalign.structures.alignment import Alignment
from expalign.structures.prompts import distinct_prompts, parse_prompts
from expalign.visualization import draw_explanation
from expalign.visualization.explanation import best_scores

from . import limits
from .photographs import Photograph, PhotographError, decode, read_file

EXPLAINED = 20  # prompts whose maps are kept
NAME_LETTERS = 80


class Found(NamedTuple):
    """What an open page keeps of its last search.

    Attributes:
        photograph: content of the file; pixels would take ten times as much.
        sample: the detector's data sample.
        alignment: maps of the prompts with the best scores.
        instances: their detections; labels index ``alignment.prompts``.
    """

    photograph: bytes
    sample: Any
    alignment: Alignment
    instances: InstanceData


def refusal(message: str) -> gr.Error:
    """A message for the visitor, and nothing on the server's console."""
    return gr.Error(message, print_exception=False)


def read_upload(payload: Any) -> Photograph | None:
    """An upload; None where there is none.

    Args:
        payload: gradio's description of the file.

    Raises:
        gr.Error: it is no photograph, or too large.
    """
    if payload is None:
        return None
    try:
        content = read_file(payload.path)
        return Photograph(content, decode(content))
    except PhotographError as error:
        raise refusal(f'{shown_name(payload.orig_name)} {error}') from error


def shown_name(name: str | None) -> str:
    """A file's name as text in a message, which the page reads as HTML."""
    name = ''.join(letter for letter in (name or '')[:NAME_LETTERS] if letter.isprintable())
    return html.escape(name) or 'The file'


def read_prompts(text: str) -> list[str]:
    """The prompts of a text, each once.

    Raises:
        gr.Error: there is none, or too many, one is too long, or all together are.
    """
    size, limit = len(text.encode(errors='surrogatepass')), limits.TEXT_BYTES.value
    if size > limit:
        raise refusal(f'The prompts have {size:,} bytes; {limit:,} are the limit')
    try:
        prompts = distinct_prompts(parse_prompts(text))
    except ValueError as error:
        raise refusal('Write what to search for, for example: a cat. a red chair') from error
    number, letters = limits.PROMPTS.value, limits.PROMPT_LETTERS.value
    longest = max(map(len, prompts))
    if len(prompts) > number or longest > letters:
        raise refusal(f'{len(prompts)} prompts, the longest of {longest} letters: the limits are '
                      f'{number} and {letters}')
    return prompts


def search(inferencer: ExpAlignInferencer, photograph: Photograph | None, text: str
           ) -> Found:
    """Detect the prompts of a text in a photograph; without one, the classes that a model knows."""
    if photograph is None:
        raise refusal('Choose a photograph first')
    own = None if (text or '').strip() else inferencer.model.own_prompts()
    prompts = read_prompts(text or '') if own is None else list(own)
    bgr = np.ascontiguousarray(photograph.pixels[..., ::-1])
    ((_, sample),) = inferencer.stream(
        [bgr], [prompts] if own is None else None, return_eam=True)
    alignment = sample.metainfo['alignment']
    sample.set_metainfo(dict(alignment=None))
    instances = sample.pred_instances
    best = np.argsort(-best_scores(instances, len(prompts)), kind='stable')[:EXPLAINED]
    places = instances.labels.new_full((len(prompts),), -1)
    places[best.copy()] = places.new_tensor(range(len(best)))
    kept = instances[places[instances.labels] >= 0]
    kept.labels = places[kept.labels]
    return Found(photograph.content, sample, alignment.select(best), kept)


def picture(inferencer: ExpAlignInferencer, found: Found, score_thr: float,
            pixels: np.ndarray | None = None) -> np.ndarray:
    """Boxes, masks and prompts on the photograph, (H, W, 3) uint8 RGB.

    ``pixels`` are the photograph's, where they are at hand.
    """
    pixels = decode(found.photograph) if pixels is None else pixels
    return detections_of(inferencer, pixels[..., ::-1], found.sample, score_thr).plot()


def explanation(found: Found | None, prompts: list[str] | None, score_thr: float,
                pixels: np.ndarray | None = None) -> np.ndarray | None:
    """Maps and token weights of the chosen prompts; nothing before the first search."""
    if found is None or not prompts:
        return None
    unknown = [prompt for prompt in prompts if prompt not in found.alignment.prompts]
    if unknown:
        raise refusal('The photograph was searched for other prompts: search again')
    pixels = decode(found.photograph) if pixels is None else pixels
    return draw_explanation(
        pixels, found.alignment, found.instances, prompts, score_thr)


def results(inferencer: ExpAlignInferencer, found: Found, score_thr: float) -> dict[str, Any]:
    """What was found, see :func:`expalign.structures.detection_formats.as_record`."""
    return detections_of(inferencer, None, found.sample, score_thr).to_dict()
