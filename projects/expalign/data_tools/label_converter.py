"""What the scripts that convert labels to COCO's layout have in common."""

import argparse
from collections.abc import Callable

from expalign.utils.command_parser import CommandParser

from .coco_folder import NO_VALIDATION, add_writing_options
from .labelled import LabelSource
from .labelled_to_coco import Converted, convert_labelled


def converter_arguments(description: str, source: str) -> CommandParser:
    """The command line: SOURCE, OUTPUT and the options of all formats.

    Args:
        description: of the script.
        source: what SOURCE is.
    """
    parser = CommandParser(description=description, example='path/to/labels out')
    parser.add_argument('source', help=source)
    parser.add_argument('output', help='folder for annotations/{train,val,test}.json')
    parser.add_argument('--image-folder', metavar='FOLDER',
                        help='folder of the images, where they are not below that of the labels')
    add_writing_options(parser, 'objects and files not in their format')
    return parser


def run_converter(args: argparse.Namespace, read: Callable[..., LabelSource]) -> None:
    """Convert, and say what was found.

    Args:
        args: what :func:`converter_arguments` parsed.
        read: of a format, called with the source and the folder of images.
    """
    source = read(args.source, args.image_folder)
    result = convert_labelled(source, args.output, args.images, args.max_bad, args.val_share)
    print(report(result, args.output))


def report(result: Converted, output: str) -> str:
    """All counts of a conversion."""
    parts = [tally.report(f'{output}/annotations/{split}.json')
             for split, tally in result.tallies.items()]
    parts.append(f'{len(result.classes)} classes: {", ".join(result.classes)}')
    if result.whole:
        parts.append(result.whole.report('of the data set as a whole:'))
    parts += result.notes
    if 'val' not in result.tallies:
        parts.append(NO_VALIDATION)
    return '\n'.join(parts)
