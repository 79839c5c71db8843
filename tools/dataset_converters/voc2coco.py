"""A data set in Pascal VOC's layout to COCO's: ``voc2coco.py SOURCE OUT``."""

from expalign.data_tools.label_converter import converter_arguments, run_converter
from expalign.data_tools.voc import read_voc
from expalign.utils import run_command


def main() -> None:
    """Convert, and say what was found."""
    parser = converter_arguments(__doc__, 'folder of XML files, one an image, with the images')
    run_converter(parser.parse_args(), read_voc)


if __name__ == '__main__':
    run_command(main)
