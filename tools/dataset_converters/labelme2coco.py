"""labelme's JSON files, one an image, to COCO's layout: ``labelme2coco.py SOURCE OUT``."""

from expalign.data_tools.label_converter import converter_arguments, run_converter
from expalign.data_tools.labelme import read_labelme
from expalign.utils import run_command


def main() -> None:
    """Convert, and say what was found."""
    parser = converter_arguments(__doc__, 'a folder of JSON files, one an image, with the images')
    run_converter(parser.parse_args(), read_labelme)


if __name__ == '__main__':
    run_command(main)
