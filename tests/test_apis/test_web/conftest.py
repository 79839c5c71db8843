"""The page, served on loopback with the small model."""

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
    for scale in inferencer.model.bbox_head.head_module.logit_scales:
        scale.data.fill_(-2.0)  # scores that differ
    return inferencer


@pytest.fixture(scope='package')
def page(page_inferencer):
    """The server."""
    pytest.importorskip('uvicorn', reason='uvicorn is not installed: pip install -e ".[web]"')
    from expalign.apis.web.server import Sample, launch
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        number = probe.getsockname()[1]
    sample = Sample('demo/data/mini/val2017/000000311303.jpg', 'a person, a cup', 'A table')
    server = launch(page_inferencer, [sample], '127.0.0.1', number,
                    allowed_hosts=['page.example'], wait=False)
    server.port = number
    yield server
    server.close()


@pytest.fixture(scope='package')
def port(page):
    """Where the page is served."""
    return page.port
