"""The detector in a browser: ``python demo/web_demo.py``, then open the address that it prints.

Needs gradio: ``pip install -e ".[web]"``. The page is served from this machine alone and loads
nothing from any other.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault('MPLBACKEND', 'Agg')  # pictures are drawn by the server's threads
os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'
os.environ['HF_HUB_OFFLINE'] = '1'

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.apis.command_line import add_model_arguments, build_inferencer, check_arguments

PHOTOGRAPHS = Path(__file__).resolve().parent / 'data' / 'mini' / 'val2017'
SAMPLES = ('000000214753.jpg', '000000311303.jpg', '000000377575.jpg', '000000269314.jpg')
TEXT = 'a person. a horse. a giraffe'
QUEUE = 16
UPLOAD = '20mb'
SESSIONS = 20


def parse_args() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """Read the command line, and refuse what cannot work."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model_arguments(parser)
    parser.add_argument('--host', default='127.0.0.1', help='0.0.0.0 lets other machines in')
    parser.add_argument('--port', type=int, default=7860)
    args = parser.parse_args()
    check_arguments(parser, args)
    try:
        import gradio  # noqa: F401
    except ImportError:
        parser.error('the web demo needs gradio: pip install -e ".[web]"')
    return parser, args


def launch(inferencer, host: str, port: int, wait: bool = True):
    """Serve the page; returns the app where it does not wait."""
    import gradio as gr
    from starlette.middleware import Middleware

    from expalign.apis.own_host import OwnHostOnly
    from expalign.apis.web_app import build_app
    inferencer.show_bar = False
    app = build_app(inferencer, [str(PHOTOGRAPHS / name) for name in SAMPLES], TEXT)
    app.queue(max_size=QUEUE)
    app.launch(
        server_name=host, server_port=port, share=False, max_file_size=UPLOAD, ssr_mode=False,
        state_session_capacity=SESSIONS, footer_links=[], prevent_thread_lock=not wait,
        app_kwargs=dict(middleware=[Middleware(OwnHostOnly)]),
        theme=gr.themes.Default(font=['system-ui', 'sans-serif'], font_mono=['monospace']))
    return app


def main() -> None:
    """Load the model and serve until interrupted."""
    parser, args = parse_args()
    launch(build_inferencer(parser, args), args.host, args.port)


if __name__ == '__main__':
    main()
