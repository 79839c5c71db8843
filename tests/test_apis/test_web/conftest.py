"""The page, served on loopback with the small model."""

import socket

import pytest

from tests.helpers.mini_model import page_inferencer


@pytest.fixture(scope='package', name='page_inferencer')
def _page_inferencer(tmp_path_factory, run_at_root):
    return page_inferencer(tmp_path_factory.mktemp('weights'))


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
