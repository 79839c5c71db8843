"""The web demo's page: a photograph and prompts in; boxes, explanations and JSON out."""

import json
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
import numpy as np
import PIL.Image
import PIL.ImageOps
from mmengine.structures import InstanceData

from expalign.utils.prompts import distinct_prompts, parse_prompts
from expalign.visualization import draw_explanation
from expalign.visualization.explanation import best_scores

from .alignment import Alignment
from .inferencer import ExpAlignInferencer
from .photograph import listed
from .vocabularies import SOURCES, named_vocabulary

MAX_PIXELS = 25_000_000
MAX_PROMPTS = 1500
MAX_LETTERS = 300
EXPLAINED = 20  # prompts whose maps a session keeps
SHOWN_AT_FIRST = 3  # of these, how many the explanation starts with
KEEP_SECONDS = 3600
OWN = 'my own prompts'


class Found(NamedTuple):
    """What a session keeps of its last photograph.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        sample: the detector's data sample.
        alignment: maps of the prompts with the best scores.
        instances: their detections; labels index ``alignment.prompts``.
    """

    image: np.ndarray
    sample: Any
    alignment: Alignment
    instances: InstanceData


def read_upload(payload: Any) -> np.ndarray | None:
    """An upload as (H, W, 3) uint8 RGB, upright; None where there is none.

    Args:
        payload: gradio's description of the file.

    Raises:
        gr.Error: it is no image, or has too many pixels.
    """
    if payload is None:
        return None
    name = payload.orig_name or 'the file'
    try:
        with PIL.Image.open(payload.path) as image:
            small = image.width * image.height <= MAX_PIXELS
            # Only the header is read so far.
            pixels = PIL.ImageOps.exif_transpose(image).convert('RGB') if small else image
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError) as error:
        raise gr.Error(f'{name} cannot be read as an image: use a JPEG, PNG or WebP file'
                       ) from error
    if not small:
        raise gr.Error(f'{name} has {pixels.width} x {pixels.height} pixels; '
                       f'{MAX_PIXELS // 1_000_000} million are the limit')
    return np.asarray(pixels)


def read_prompts(text: str) -> list[str]:
    """The prompts of a text, each once.

    Raises:
        gr.Error: there is none, or too many, or one is too long.
    """
    try:
        prompts = distinct_prompts(parse_prompts(text))
    except ValueError as error:
        raise gr.Error('Write what to search for, for example: a cat. a red chair') from error
    longest = max(prompts, key=len)
    if len(prompts) > MAX_PROMPTS or len(longest) > MAX_LETTERS:
        raise gr.Error(f'{len(prompts)} prompts, the longest of {len(longest)} letters: the limits '
                       f'are {MAX_PROMPTS} and {MAX_LETTERS}')
    return prompts


def search(inferencer: ExpAlignInferencer, image: np.ndarray | None, text: str) -> Found:
    """Detect the prompts of a text in an RGB photograph."""
    if image is None:
        raise gr.Error('Choose a photograph first')
    prompts = read_prompts(text or '')
    bgr = np.ascontiguousarray(image[..., ::-1])
    ((_, sample),) = inferencer.stream([bgr], [prompts], return_eam=True)
    alignment = sample.metainfo['alignment']
    sample.set_metainfo(dict(alignment=None))
    instances = sample.pred_instances
    best = np.argsort(-best_scores(instances, len(prompts)), kind='stable')[:EXPLAINED]
    place = {int(label): index for index, label in enumerate(best)}
    kept = instances[[label in place for label in instances.labels.tolist()]]
    kept.labels = kept.labels.new_tensor([place[label] for label in kept.labels.tolist()])
    return Found(image, sample, alignment.select(best), kept)


def picture(inferencer: ExpAlignInferencer, found: Found, score_thr: float) -> np.ndarray:
    """Boxes, masks and prompts on the photograph."""
    inferencer.visualizer.add_datasample(
        'web', found.image, found.sample, draw_gt=False, pred_score_thr=score_thr)
    return inferencer.visualizer.get_image()


def explanation(found: Found | None, prompts: list[str], score_thr: float) -> np.ndarray | None:
    """Maps and token weights of the chosen prompts; nothing before the first search."""
    if found is None or not prompts:
        return None
    return draw_explanation(
        found.image, found.alignment, found.instances, prompts, score_thr)


def results(inferencer: ExpAlignInferencer, found: Found, score_thr: float) -> list[dict]:
    """Detections of ``score_thr`` or more, see :func:`~expalign.apis.photograph.listed`."""
    return [row for row in listed(inferencer.pred2dict(found.sample))
            if row['score'] >= score_thr]


def build_app(inferencer: ExpAlignInferencer, samples: list[str], text: str) -> gr.Blocks:
    """The page.

    Args:
        inferencer: the detector; it is used by one visitor at a time.
        samples: photographs to try.
        text: prompts to begin with.
    """
    folder = Path(tempfile.mkdtemp(prefix='expalign-web-'))

    def show(found: Found, score_thr: float):
        shown = results(inferencer, found, score_thr)
        file = Path(tempfile.mkdtemp(dir=folder)) / 'predictions.json'
        file.write_text(json.dumps(shown, indent=2))
        listed = [{key: row[key] for key in ('prompt', 'score', 'box_xyxy')} for row in shown]
        return picture(inferencer, found, score_thr), listed, str(file)

    def detect(image: np.ndarray | None, text: str, score_thr: float):
        found = search(inferencer, image, text)
        chosen = found.alignment.prompts[:SHOWN_AT_FIRST]
        selector = gr.Dropdown(choices=found.alignment.prompts, value=chosen)
        return (found, *show(found, score_thr), selector, explanation(found, chosen, score_thr))

    def redraw(found: Found | None, score_thr: float):
        return (None, None, None) if found is None else show(found, score_thr)

    output = dict(show_label=False, interactive=False, format='png',
                  buttons=['download', 'fullscreen'])
    with gr.Blocks(title='ExpAlign', analytics_enabled=False,
                   delete_cache=(KEEP_SECONDS, KEEP_SECONDS)) as app:
        state = gr.State(time_to_live=KEEP_SECONDS)
        gr.Markdown('# ExpAlign\nSearch a photograph for anything you can name, and see why it '
                    'was found.')
        with gr.Row():
            with gr.Column(scale=2):
                image = gr.Image(label='Photograph', sources=['upload', 'clipboard'],
                                 elem_id='photograph', height=320)
                # gradio's own reading has no message for a visitor. Not a subclass: gradio would
                # write a stub file beside this module.
                image.preprocess = read_upload
                words = gr.Textbox(
                    text, label='Prompts: one a line, or between commas or full stops', lines=2,
                    max_lines=6, elem_id='prompts')
                preset = gr.Dropdown(
                    [OWN, *SOURCES], value=OWN, label='Vocabulary', elem_id='vocabulary')
                score_thr = gr.Slider(
                    0.01, 0.95, value=0.2, step=0.01, label='Lowest score', elem_id='score')
                button = gr.Button('Search', variant='primary', elem_id='search')
                gr.Examples([[path] for path in samples], inputs=[image], label='Photographs')
            with gr.Column(scale=5):
                with gr.Tab('Found'):
                    boxes = gr.Image(elem_id='found', **output)
                with gr.Tab('Explanation'):
                    selector = gr.Dropdown(
                        [], multiselect=True, max_choices=6, label='Explained prompts',
                        elem_id='explained')
                    maps = gr.Image(elem_id='maps', **output)
                with gr.Tab('JSON'):
                    download = gr.DownloadButton('Download predictions.json', elem_id='download')
                    listing = gr.JSON(label='Predictions', elem_id='listing')
        button.click(
            detect, [image, words, score_thr], [state, boxes, listing, download, selector, maps],
            concurrency_limit=1, concurrency_id='model')
        score_thr.release(redraw, [state, score_thr], [boxes, listing, download],
                          concurrency_limit=1, concurrency_id='model')
        selector.input(explanation, [state, selector, score_thr], maps, concurrency_limit=1,
                       concurrency_id='model')
        preset.input(
            lambda name: gr.skip() if name == OWN else '\n'.join(named_vocabulary(name)),
            preset, words)
    return app
