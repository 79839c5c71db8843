"""The server of the page: limits, names, a folder of its own."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import gradio as gr
from gradio.processing_utils import save_file_to_cache
from starlette.middleware import Middleware

from expalign.apis.inferencer import ExpAlignInferencer
from expalign.apis.web_app import build_app
from expalign.utils import scratch_folder

from . import limits
from .guard import Guard
from .hosts import Hosts
from .storage import Storage

SWEEP_SECONDS = 60


def launch(
    inferencer: ExpAlignInferencer, samples: Sequence[str | Path], text: str, host: str, port: int,
    allowed_hosts: Iterable[str] = (), wait: bool = True,
) -> gr.Blocks:
    """Serve the page.

    Args:
        inferencer: the detector; one search runs at a time.
        samples: photographs to try.
        text: prompts to begin with.
        host, port: where to listen.
        allowed_hosts: names that the page is served under beside its own, such as a proxy's.
        wait: whether to return only when it is stopped. Otherwise ``close()`` stops it.
    """
    inferencer.show_bar = False
    with ExitStack() as stack:
        folder = stack.enter_context(scratch_folder(name='expalign-web'))
        # gradio has no other way to say where uploads and results go.
        os.environ['GRADIO_TEMP_DIR'] = str(folder.resolve())
        kept = [save_file_to_cache(path, str(folder.resolve())) for path in samples]
        storage = Storage(folder, kept)
        blocks = build_app(inferencer, kept, text)
        guard = Middleware(
            Guard, blocks=blocks, hosts=Hosts(host, allowed_hosts), storage=storage)
        blocks.queue(max_size=limits.QUEUE.value, api_open=False)
        blocks.launch(
            server_name=host, server_port=port, share=False, ssr_mode=False,
            max_file_size=limits.PHOTOGRAPH_BYTES.value, footer_links=[],
            state_session_capacity=limits.SESSIONS.value, prevent_thread_lock=True,
            app_kwargs=dict(middleware=[guard]),
            theme=gr.themes.Default(font=['system-ui', 'sans-serif'], font_mono=['monospace']))
        stack.enter_context(_swept(storage))
        if wait:
            blocks.block_thread()
        else:
            _close_with(blocks, stack.pop_all())
    return blocks


@contextmanager
def _swept(storage: Storage) -> Iterator[None]:
    """Remove old files while the block runs, though nobody comes any more."""
    stopped = Event()

    def sweep() -> None:
        while not stopped.wait(SWEEP_SECONDS):
            storage.sweep()

    Thread(target=sweep, daemon=True).start()
    try:
        yield
    finally:
        stopped.set()


def _close_with(blocks: gr.Blocks, stack: ExitStack) -> None:
    """Make ``blocks.close()`` close what was opened for the page, too."""
    close = blocks.close

    def close_all(*args: Any, **kwargs: Any) -> None:
        close(*args, **kwargs)
        stack.close()

    blocks.close = close_all
