"""Annotations of VGG Image Annotator (VIA 1, 2, 3) to COCO's layout: ``via2coco.py SOURCE OUT``."""

from functools import partial

from expalign.data_tools.label_converter import converter_arguments, run_converter
from expalign.data_tools.via import read_via
from expalign.utils import run_command


def main() -> None:
    """Convert, and say what was found."""
    parser = converter_arguments(
        __doc__, 'a project or an export of VIA (JSON or csv), or a folder that has them')
    parser.add_argument('--attribute', metavar='NAME',
                        help='the region attribute that has the class')
    parser.add_argument('--name', help='the class of regions that have no attribute')
    args = parser.parse_args()
    run_converter(args, partial(read_via, attribute=args.attribute, name=args.name))


if __name__ == '__main__':
    run_command(main)
