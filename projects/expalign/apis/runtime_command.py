"""The command ``expalign-runtime``: search photographs with an exported model, without PyTorch."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from expalign.structures.detections import Detections
from expalign.utils.command import run_command
from expalign.utils.command_parser import CommandParser, whole_number
from expalign.utils.file_kinds import is_address
from expalign.utils.image_files import SUFFIXES
from expalign.version import __version__

from .command_line import add_word_arguments, make_folder, sort_words
from .images import ImageStream
from .result_writer import FORMATS, ResultWriter
from .texts import understood_prompts

if TYPE_CHECKING:
    from expalign.runtime import OnnxDetector

HELP = """\
Open-vocabulary detection with exported models, without PyTorch.

  expalign-runtime detect MODEL PHOTO ... PROMPTS

example:
  expalign-runtime detect model/ photo.jpg "a cat. a red chair"

expalign-runtime detect --help has the options."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; exits with its status."""
    command, *rest = (sys.argv[1:] if arguments is None else list(arguments)) or ['--help']
    if command in ('-h', '--help', 'help'):
        print(HELP)
    elif command in ('-V', '--version'):
        print(f'expalign-runtime {__version__}')
    elif command == 'detect':
        run_command(lambda: detect(rest))
    else:
        print(f'expalign-runtime: {command!r} is no command, only detect is: expalign-runtime '
              'detect model/ photo.jpg "a cat. a red chair"', file=sys.stderr)
        sys.exit(2)


def build_parser() -> CommandParser:
    """The command line of ``detect``."""
    parser = CommandParser(
        'expalign-runtime detect', example='model/ photo.jpg "a cat. a red chair"',
        description='Search photographs for what words name, with an exported model.\n\n'
        'OUT_DIR/vis has pictures, OUT_DIR/preds the numbers and masks as JSON.')
    parser.add_argument(
        'model', help='folder that an export was written to, or the ONNX file of the detector')
    add_word_arguments(parser)
    parser.add_argument('--text-side', metavar='FILE', help="the text side's ONNX file, where "
                        'MODEL is a file')
    parser.add_argument('--out-dir', default='outputs/detect', help='folder for the results')
    parser.add_argument(
        '--format', nargs='+', choices=FORMATS, default=['pictures', 'json'],
        help='what is written; default: pictures json')
    parser.add_argument('--print-result', action='store_true',
                        help='print the results as JSON, a line an image')
    parser.add_argument('--image-size', nargs=2, type=whole_number, metavar=('W', 'H'),
                        help="the network's input, multiples of 32; default: the model's")
    parser.add_argument('--threads', type=whole_number, help='threads of one operator')
    parser.add_argument('--providers', nargs='+', metavar='NAME',
                        help="onnxruntime's, best first; default: CPUExecutionProvider")
    return parser


def detect(arguments: Sequence[str]) -> None:
    """Search, and say where everything is."""
    parser = build_parser()
    args = parser.parse_args(arguments)
    _check(parser, args)
    try:
        detector = _open(args)
        if args.texts is None and detector.prompts is None:
            parser.error('say what to search for, as this model has no classes of its own: '
                         f'{parser.prog} photo.jpg "a cat. a red chair"')
        with ResultWriter(args.out_dir, args.format, args.texts) as writer:
            for found in _search(detector, args):
                writer.write(found)
                print(found.to_json() if args.print_result else f'{found.path}: {found}',
                      flush=True)
    except (OSError, ValueError, ImportError) as error:
        parser.error(str(error))
    print(f'Written to {args.out_dir}')


def _check(parser: CommandParser, args: argparse.Namespace) -> None:
    """Refuse what cannot work, and turn ``texts`` into prompts, before any work."""
    for path in filter(None, (args.model, args.text_side)):
        if not Path(path).exists():
            parser.error(f'the model {path} does not exist: give the folder that an export was '
                         'written to, or its ONNX file')
    if args.model.lower().endswith(SUFFIXES):
        parser.error(f'the first argument is the model, and {args.model} is a photograph: '
                     f'{parser.prog} model/ {args.model} "a cat. a red chair"')
    parser.prog = f'{parser.prog} {args.model}'  # for the examples of messages
    sort_words(parser, args)
    try:
        args.images = ImageStream(args.inputs)
        if args.images.has_video:
            raise ValueError('films are not read here: give photographs')
        addresses = [source for source in args.images.sources if is_address(source)]
        if addresses:
            raise ValueError(f'addresses are not read here: download {addresses[0]}')
        args.images.check_results(args.out_dir, *filter(None, (args.text_side, args.texts)))
        if args.texts is not None:
            args.texts = understood_prompts(args.texts, args.custom_entities)
    except (OSError, ValueError, TypeError, ImportError) as error:
        parser.error(str(error))
    make_folder(parser, args.out_dir)


def _open(args: argparse.Namespace) -> 'OnnxDetector':
    from expalign.runtime import OnnxDetector
    size = None if args.image_size is None else tuple(args.image_size)
    return OnnxDetector(args.model, args.text_side, args.providers, args.threads, size)


def _search(detector: 'OnnxDetector', args: argparse.Namespace) -> Iterator[Detections]:
    """What is found in each image; of a folder or pattern those that cannot be read are left out.
    """
    images = list(args.images)
    for start in range(0, len(images), args.batch_size):
        batch = images[start:start + args.batch_size]
        try:
            found = detector(batch, args.texts, args.score_thr, args.batch_size)
        except OSError:
            found = _one_by_one(detector, batch, args)
        yield from found
    args.images.report_left_out()


def _one_by_one(
    detector: 'OnnxDetector', batch: Sequence[str], args: argparse.Namespace
) -> Iterator[Detections]:
    for image in batch:
        try:
            (found,) = detector(image, args.texts, args.score_thr)
        except OSError as error:
            args.images.leave_out(image, error)
        else:
            yield found
