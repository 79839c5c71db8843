"""The web demo's page: a photograph and prompts in; boxes, explanations and JSON out."""

import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import gradio as gr
import numpy as np
from gradio.utils import get_upload_folder

from expalign.structures.prompt_split import split_prompts
from expalign.structures.thresholds import default_threshold

from .inferencer import ExpAlignInferencer
from .vocabularies import SOURCES, named_vocabulary
from .web import limits
from .web.photographs import Photograph
from .web.search import Found, explanation, picture, read_upload, results, search

SHOWN_AT_FIRST = 3  # prompts that the explanation starts with
MAX_EXPLAINED = 6  # prompts in an explanation
OWN = 'my own prompts'
PAGE = dict(api_visibility='private')
MODEL = dict(concurrency_limit=1, concurrency_id='model', **PAGE)


class Inputs(NamedTuple):
    """What a visitor gives."""

    image: gr.Image
    words: gr.Textbox
    preset: gr.Dropdown
    score_thr: gr.Slider
    button: gr.Button
    samples: gr.Dataset


class Outputs(NamedTuple):
    """What a visitor gets."""

    boxes: gr.Image
    selector: gr.Dropdown
    maps: gr.Image
    download: gr.DownloadButton
    listing: gr.JSON


def build_app(inferencer: ExpAlignInferencer, samples: Sequence[str], text: str) -> gr.Blocks:
    """The page, without what stands in front of it: :func:`expalign.apis.web.server.launch`.

    Args:
        inferencer: the detector.
        samples: photographs to try.
        text: prompts to begin with.
    """
    with gr.Blocks(title='ExpAlign', analytics_enabled=False) as app:
        state = gr.State(time_to_live=limits.KEEP_SECONDS.value)
        gr.Markdown('# ExpAlign\nSearch a photograph for anything you can name, and see why it '
                    'was found.')
        with gr.Row():
            with gr.Column(scale=2):
                given = _inputs(samples, text)
            with gr.Column(scale=5):
                shown = _outputs()
        _connect(inferencer, list(samples), state, given, shown)
    return app


def _inputs(samples: Sequence[str], text: str) -> Inputs:
    image = gr.Image(label='Photograph', sources=['upload', 'clipboard'], elem_id='photograph',
                     height=320)
    # gradio's own reading has no message for a visitor. Not a subclass: gradio would write a stub
    # file beside this module.
    image.preprocess = read_upload
    return Inputs(
        image,
        gr.Textbox(text, label="Prompts, one a line or separated by '.'", lines=2, max_lines=6,
                   elem_id='prompts'),
        gr.Dropdown([OWN, *SOURCES], value=OWN, label='Vocabulary', elem_id='vocabulary'),
        gr.Slider(0.01, 0.95, value=round(default_threshold(len(split_prompts(text))), 2),
                  step=0.01, label='Lowest score', elem_id='score'),
        gr.Button('Search', variant='primary', elem_id='search'),
        gr.Dataset(components=[image], samples=[[path] for path in samples], type='index',
                   label='Photographs', elem_id='samples'))


def _outputs() -> Outputs:
    output = dict(show_label=False, interactive=False, format='png',
                  buttons=['download', 'fullscreen'])
    with gr.Tab('Found'):
        boxes = gr.Image(elem_id='found', **output)
    with gr.Tab('Explanation'):
        selector = gr.Dropdown([], multiselect=True, max_choices=MAX_EXPLAINED,
                               label='Explained prompts', elem_id='explained')
        # Its choices are an open page's own; explanation() checks them.
        selector.preprocess = lambda chosen: chosen
        maps = gr.Image(elem_id='maps', **output)
    with gr.Tab('JSON'):
        download = gr.DownloadButton('Download predictions.json', elem_id='download')
        listing = gr.JSON(label='Predictions', elem_id='listing')
    return Outputs(boxes, selector, maps, download, listing)


def _connect(inferencer: ExpAlignInferencer, samples: list[str], state: gr.State, given: Inputs,
             shown: Outputs) -> None:
    """What happens on the page; a visitor's photographs and options are arguments and results."""
    def detect(photograph: Photograph | None, text: str, score_thr: float):
        found = search(inferencer, photograph, text)
        chosen = found.alignment.prompts[:SHOWN_AT_FIRST]
        selector = gr.Dropdown(choices=found.alignment.prompts, value=chosen)
        return (found, *_show(inferencer, found, score_thr, photograph.pixels), selector,
                explanation(found, chosen, score_thr, photograph.pixels))

    def redraw(found: Found | None, score_thr: float):
        return (gr.skip(),) * 3 if found is None else _show(inferencer, found, score_thr)

    def explain(found: Found | None, prompts: list[str] | None, score_thr: float):
        return explanation(found, prompts, score_thr)

    drawn = [shown.boxes, shown.listing, shown.download]
    given.button.click(detect, [given.image, given.words, given.score_thr],
                       [state, *drawn, shown.selector, shown.maps], **MODEL)
    given.score_thr.release(redraw, [state, given.score_thr], drawn, **MODEL)
    shown.selector.input(explain, [state, shown.selector, given.score_thr], shown.maps, **MODEL)
    given.preset.input(
        lambda name: gr.skip() if name == OWN else '\n'.join(named_vocabulary(name)),
        given.preset, given.words, **PAGE)
    given.samples.click(lambda number: samples[number], given.samples, given.image, **PAGE)


def _show(inferencer: ExpAlignInferencer, found: Found, score_thr: float,
          pixels: np.ndarray | None = None) -> tuple:
    """Picture, rows and file of what was found."""
    record = results(inferencer, found, score_thr)
    # In gradio's folder, and under a name that nobody can guess.
    file = Path(get_upload_folder(), secrets.token_hex(16), 'predictions.json')
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(record, indent=2))
    brief = [{key: row[key] for key in ('prompt', 'score', 'box')}
             for row in record['detections']]
    return picture(inferencer, found, score_thr, pixels), brief, str(file)
