"""The detector in a browser: ``python demo/web_demo.py``, then open the address that it prints.

Needs gradio: ``pip install -e ".[web]"``. The page is served from this machine alone and loads
nothing from any other.
"""

import argparse
import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault('MPLBACKEND', 'Agg')  # pictures are drawn by the server's threads
os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'
os.environ['HF_HUB_OFFLINE'] = '1'

from expalign.apis.command_line import add_model_arguments, build_inferencer, check_arguments
from expalign.utils import run_command
from expalign.utils.command_parser import CommandParser

PHOTOGRAPHS = Path(__file__).resolve().parent / 'data' / 'mini' / 'val2017'
SAMPLES = ('000000214753.jpg', '000000311303.jpg', '000000377575.jpg', '000000269314.jpg')
TEXT = 'a person. a horse. a giraffe'


def build_parser() -> CommandParser:
    """The command line."""
    parser = CommandParser(description=__doc__, example='expalign-s --port 7860')
    add_model_arguments(parser)
    parser.add_argument('--host', default='127.0.0.1', help='0.0.0.0 lets other machines in')
    parser.add_argument('--port', type=int, default=7860)
    parser.add_argument(
        '--allowed-host', action='append', default=[], metavar='NAME',
        help='a name that the page is visited under, such as that of a proxy in front of it; '
        'localhost and numbers need none. May be given several times')
    return parser


def parse_args() -> tuple[CommandParser, argparse.Namespace]:
    """Read the command line, and refuse what cannot work."""
    parser = build_parser()
    args = parser.parse_args()
    check_arguments(parser, args)
    if find_spec('gradio') is None:
        parser.error('the web demo needs gradio: pip install -e ".[web]"')
    return parser, args


def launch(inferencer, host: str, port: int, wait: bool = True, allowed_hosts: Sequence[str] = ()):
    """Serve the page with the shipped photographs; returns the app where it does not wait."""
    from expalign.apis.web.server import launch
    # Without a text the page searches for the classes that the model knows.
    text = TEXT if inferencer.model.own_prompts() is None else ''
    return launch(inferencer, [PHOTOGRAPHS / name for name in SAMPLES], text, host, port,
                  allowed_hosts, wait)


def main() -> None:
    """Load the model and serve until interrupted."""
    parser, args = parse_args()
    launch(build_inferencer(parser, args), args.host, args.port, allowed_hosts=args.allowed_host)


if __name__ == '__main__':
    run_command(main)
