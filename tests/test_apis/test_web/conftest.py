"""The page, served on loopback with the small model."""

import os
import socket

import pytest

from tests.helpers.mini_model import CONFIG, write_mini_weights


@pytest.fixture(scope='package')
def page_inferencer(tmp_path_factory, run_at_root):
    from expalign.apis import ExpAlignInferencer
    weights = write_mini_weights(tmp_path_factory.mktemp('weights') / 'mini.pth')
    inferencer = ExpAlignInferencer(CONFIG, weights, device='cpu', show_progress=False)
    # Drawing of 300 boxes takes longer than all the rest.
    inferencer.model.bbox_head.test_cfg.max_per_img = 20
    return inferencer


@pytest.fixture(scope='package')
def port(page_inferencer):
    """Where the page is served."""
    pytest.importorskip('gradio', reason='gradio is not installed: pip install -e ".[web]"')
    from expalign.apis.web.server import launch
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        number = probe.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('GRADIO_TEMP_DIR', os.environ.get('GRADIO_TEMP_DIR', ''))
        patch.setenv('GRADIO_ANALYTICS_ENABLED', 'False')
        patch.setattr('expalign.apis.web_app.SHOWN_AT_FIRST', 1)  # a row takes half a second
        app = launch(page_inferencer, ['demo/data/mini/val2017/000000311303.jpg'], 'a person',
                     '127.0.0.1', number, ['page.example'], wait=False)
        yield number
        app.close()
