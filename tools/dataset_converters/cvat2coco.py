"""A data set in CVAT for images 1.1 (XML) to COCO's layout: ``cvat2coco.py SOURCE OUT``."""

from expalign.data_tools.cvat import read_cvat
from expalign.data_tools.label_converter import converter_arguments, run_converter
from expalign.utils import run_command


def main() -> None:
    """Convert, and say what was found."""
    parser = converter_arguments(
        __doc__, 'annotations.xml, or a folder that has it, with the images')
    run_converter(parser.parse_args(), read_cvat)


if __name__ == '__main__':
    run_command(main)
