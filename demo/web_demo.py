"""The detector in a browser: ``python demo/web_demo.py``, then open the address that it prints.

Needs uvicorn: ``pip install -e ".[web]"``. The page is served from this machine alone and loads
nothing from any other.
"""

import argparse
import os
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault('MPLBACKEND', 'Agg')  # pictures are drawn by the server's threads
os.environ['HF_HUB_OFFLINE'] = '1'

from expalign.apis.command_line import add_model_arguments, build_inferencer, check_arguments
from expalign.utils import run_command
from expalign.utils.command_parser import CommandParser

PHOTOGRAPHS = Path(__file__).resolve().parent / 'data' / 'mini' / 'val2017'
# Photographs with prompts that fit, and one that does not where a miss is worth seeing.
SAMPLES = (
    ('000000229997.jpg', 'a black bear, a crow, a giraffe', 'A bear among crows'),
    ('000000555009.jpg', 'a monitor, a keyboard, headphones, a mouse, a soda can', 'A desk'),
    ('000000214753.jpg', 'a horse, a person, a dog', 'Riders on a beach'),
    ('000000460229.jpg', 'a stop sign, a traffic light, a truck', 'A stop sign'),
    ('000000547336.jpg', 'a woman, glasses, a fire hydrant, a book', 'A woman who writes'),
    ('000000160012.jpg', 'a pizza, a bottle, a person, a car', 'Pizza'))


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
    parser.add_argument(
        '--framed-by', action='append', default=[], metavar='ADDRESS',
        help='a site that may show the page in a frame, such as https://huggingface.co; its proxy '
        'is believed who visits. May be given several times')
    return parser


def parse_args() -> tuple[CommandParser, argparse.Namespace]:
    """Read the command line, and refuse what cannot work."""
    parser = build_parser()
    args = parser.parse_args()
    check_arguments(parser, args)
    if find_spec('uvicorn') is None:
        parser.error('the web demo needs uvicorn: pip install -e ".[web]"')
    return parser, args


def launch(inferencer, host: str, port: int, **options):
    """Serve the page with the shipped photographs, see :func:`expalign.apis.web.server.launch`."""
    from expalign.apis.web.server import Sample, launch
    # A model with classes of its own is asked for those.
    asked = inferencer.model.own_prompts() is None
    samples = [Sample(PHOTOGRAPHS / name, text if asked else '', title)
               for name, text, title in SAMPLES]
    return launch(inferencer, samples, host, port, **options)


def main() -> None:
    """Load the model and serve until interrupted."""
    parser, args = parse_args()
    launch(build_inferencer(parser, args), args.host, args.port, allowed_hosts=args.allowed_host,
           framed_by=args.framed_by)


if __name__ == '__main__':
    run_command(main)
