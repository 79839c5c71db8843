"""A table of boxes (csv) to COCO's layout: ``csv2coco.py SOURCE OUT``."""

from functools import partial

from expalign.data_tools.csv_boxes import read_csv
from expalign.data_tools.label_converter import converter_arguments, run_converter
from expalign.utils import run_command


def main() -> None:
    """Convert, and say what was found."""
    parser = converter_arguments(__doc__, 'a csv file, or a folder that has some, with the images')
    parser.add_argument('--columns', metavar='A,B,...',
                        help='names of the columns of a file without a header, such as '
                             'filename,xmin,ymin,xmax,ymax,class')
    parser.add_argument('--name', help='the class of all boxes, where the file has none')
    args = parser.parse_args()
    columns = [name.strip() for name in args.columns.split(',')] if args.columns else None
    run_converter(args, partial(read_csv, columns=columns, name=args.name))


if __name__ == '__main__':
    run_command(main)
