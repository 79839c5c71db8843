"""The web demo in a headless browser: upload, results, vocabularies, refusals, no other host."""

import io
import json
import os
import shutil
import socket
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest

from tests.helpers.mini_model import CONFIG, write_mini_weights

gr = pytest.importorskip('gradio', reason='gradio is not installed: pip install -e ".[web]"')

IMAGE = 'demo/data/mini/val2017/000000214753.jpg'
TIMEOUT = 180_000  # ms; a busy machine takes a minute


@pytest.fixture(scope='module')
def inferencer(tmp_path_factory, run_at_root):
    from expalign.apis import ExpAlignInferencer
    weights = write_mini_weights(tmp_path_factory.mktemp('weights') / 'mini.pth')
    return ExpAlignInferencer(CONFIG, weights, device='cpu', show_progress=False)


def photograph(size=(60, 80)):
    """A grey one (H, W)."""
    from expalign.apis.web.photographs import Photograph
    pixels = np.full((*size, 3), 90, np.uint8)
    PIL.Image.fromarray(pixels).save(buffer := io.BytesIO(), 'PNG')
    return Photograph(buffer.getvalue(), pixels)


def test_prompts():
    from expalign.apis.web.search import read_prompts
    assert read_prompts('a cat. a dog\n\n a cat \nowl.') == ['a cat', 'a dog', 'owl']
    # Names of files and vocabularies are prompts like any other: visitors read no files.
    assert read_prompts('coco') == ['coco']


def test_uploads(tmp_path):
    from expalign.apis.web.search import read_upload
    (tmp_path / 'a.png').write_bytes(photograph().content)
    (tmp_path / 'bad.jpg').write_text('no image')

    def read(name):
        return read_upload(SimpleNamespace(path=str(tmp_path / name), orig_name=f'<b>{name}'))

    assert read('a.png').pixels.shape == (60, 80, 3)
    assert read_upload(None) is None
    with pytest.raises(gr.Error, match='&lt;b&gt;bad.jpg cannot be read as an image') as raised:
        read('bad.jpg')
    assert not raised.value.print_exception


def test_kept_maps_belong_to_their_boxes(inferencer):
    from expalign.apis.web.search import EXPLAINED, results, search
    from expalign.visualization.explanation import best_scores
    image = photograph()
    prompts = [f'thing {k}' for k in range(EXPLAINED + 5)]
    found = search(inferencer, image, '. '.join(prompts))
    kept = found.alignment.prompts
    assert len(kept) == EXPLAINED == len(found.alignment.eams['P3'])
    names = [kept[label] for label in found.instances.labels.tolist()]
    assert names == found.instances.label_names
    scores = best_scores(found.sample.pred_instances, len(prompts))
    assert sorted(scores[prompts.index(name)] for name in kept) == sorted(scores)[-EXPLAINED:]
    rows = results(inferencer, found, 0.0)['detections']
    assert rows[0]['score'] == pytest.approx(scores.max(), abs=1e-4)
    assert len(rows) == len(found.sample.pred_instances)
    with pytest.raises(gr.Error, match='Choose a photograph first'):
        search(inferencer, None, 'cat')


def test_masks_are_drawn_and_in_the_results(tmp_path):
    from expalign.apis import ExpAlignInferencer
    from expalign.apis.web.search import explanation, picture, results, search
    config = 'configs/mini/expalign_mini-seg.py'
    inferencer = ExpAlignInferencer(
        config, write_mini_weights(tmp_path / 'seg.pth', config), device='cpu',
        show_progress=False)
    found = search(inferencer, photograph(), 'a cat. a dog')
    best = found.sample.pred_instances[:1]
    threshold = best.scores.item() - 1e-4
    rows = results(inferencer, found, threshold)['detections']
    assert rows[0]['mask']['size'] == [60, 80]
    mask = best.masks.to_ndarray()[0]
    assert (picture(inferencer, found, threshold)[mask] != 90).any(-1).all()
    assert explanation(found, ['a cat'], threshold).ndim == 3


@pytest.mark.slow
def test_in_a_browser(inferencer, tmp_path):
    playwright = pytest.importorskip('playwright.sync_api', reason='playwright is not installed')
    chromium = os.environ.get('CHROMIUM') or shutil.which('chromium') or shutil.which('chrome')
    if chromium is None:
        pytest.skip('no chromium: install it, or name it in the variable CHROMIUM')
    import importlib.util
    spec = importlib.util.spec_from_file_location('web_demo', 'demo/web_demo.py')
    web_demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(web_demo)
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    app = web_demo.launch(inferencer, '127.0.0.1', port, wait=False)
    assert app._queue.max_size == 256
    assert app.max_file_size == 20 * 2**20
    try:
        with playwright.sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium, args=['--no-sandbox'])
            page = browser.new_page(viewport=dict(width=1400, height=900))
            foreign = keep_local(page)
            page.goto(f'http://127.0.0.1:{port}')
            find_and_explain(page, tmp_path)
            take_vocabulary(page)
            refuse_bad_upload(page, tmp_path)
            refuse_large_upload(page, tmp_path)
            find_in_a_sample(page)
            policy = page.request.get(page.url).headers['content-security-policy']
            browser.close()
    finally:
        app.close()
    assert foreign == []
    assert policy.startswith("default-src 'self' ")
    assert 'http' not in policy


def keep_local(page):
    """Block requests to other hosts; the list of those that were tried."""
    foreign = []

    def decide(route):
        if route.request.url.startswith(('http://127.0.0.1', 'data:', 'blob:')):
            route.continue_()
        else:
            foreign.append(route.request.url)
            route.abort()

    page.route('**/*', decide)
    return foreign


def find_in_a_sample(page):
    page.get_by_role('tab', name='Found').click()
    before = page.locator('#found img').get_attribute('src')
    page.locator('#samples button').nth(1).click()
    page.wait_for_selector('#photograph img', timeout=TIMEOUT)
    page.fill('#prompts textarea', 'a cup')
    page.click('#search')
    page.wait_for_function(
        "before => document.querySelector('#found img').getAttribute('src') !== before",
        arg=before, timeout=TIMEOUT)


def find_and_explain(page, tmp_path):
    page.set_input_files('#photograph input[type=file]', IMAGE)
    page.wait_for_selector('#photograph img', timeout=TIMEOUT)
    page.fill('#prompts textarea', 'a person. a giraffe')
    page.fill('#score input[type=number]', '0.01')
    page.click('#search')
    page.wait_for_selector('#found img', timeout=TIMEOUT)
    page.get_by_role('tab', name='Explanation').click()
    page.wait_for_selector('#maps img', timeout=TIMEOUT)
    chosen = page.locator('#explained').inner_text()
    assert 'a person' in chosen
    assert 'a giraffe' in chosen
    width = page.locator('#maps img').evaluate('image => image.naturalWidth')
    assert width > 1000
    page.screenshot(path=tmp_path / 'explanation.png')
    page.get_by_role('tab', name='JSON').click()
    with page.expect_download(timeout=TIMEOUT) as download:
        page.click('#download')
    assert download.value.suggested_filename == 'predictions.json'
    with open(download.value.path()) as file:
        rows = json.load(file)['detections']
    assert rows
    assert {row['prompt'] for row in rows} <= {'a person', 'a giraffe'}
    assert rows[0]['score'] == max(row['score'] for row in rows)
    assert len(rows[0]['box']) == 4


def refuse_bad_upload(page, tmp_path):
    (tmp_path / 'bad.jpg').write_text('no image')
    page.get_by_label('Remove Image').first.click()
    page.set_input_files('#photograph input[type=file]', tmp_path / 'bad.jpg')
    page.wait_for_selector('#photograph img', timeout=TIMEOUT)
    page.click('#search')
    assert 'bad.jpg cannot be read as an image' in message_of(page)


def refuse_large_upload(page, tmp_path):
    (tmp_path / 'large.jpg').write_bytes(bytes(20 * 2**20 + 1))
    page.get_by_label('Remove Image').first.click()
    page.set_input_files('#photograph input[type=file]', tmp_path / 'large.jpg')
    assert 'exceed the maximum allowed size of 20' in message_of(page)


def take_vocabulary(page):
    """A vocabulary's names take the place of the prompts."""
    page.click('#vocabulary input')
    page.get_by_role('option', name='coco').click()
    page.wait_for_function("document.querySelector('#prompts textarea').value.includes('zebra')",
                           timeout=TIMEOUT)
    from expalign.apis.vocabularies import named_vocabulary
    from expalign.apis.web.search import read_prompts
    prompts = read_prompts(page.input_value('#prompts textarea'))
    assert prompts == list(named_vocabulary('coco'))


def message_of(page):
    """The text of the message on the page, which is closed."""
    toast = page.locator('.toast-body').first
    toast.wait_for(timeout=TIMEOUT)
    text = toast.inner_text()
    toast.locator('.toast-close').click()
    toast.wait_for(state='detached', timeout=TIMEOUT)
    return text
