"""A data set in YOLO's layout to COCO's: ``yolo2coco.py SOURCE OUT``."""

from expalign.data_tools.coco_folder import NO_VALIDATION, add_writing_options
from expalign.data_tools.yolo_layout import read_layout, split_off_val
from expalign.data_tools.yolo_to_coco import convert_yolo
from expalign.utils import run_command
from expalign.utils.command_parser import CommandParser


def main() -> None:
    """Convert, and say what was found."""
    parser = CommandParser(description=__doc__, example='path/to/folder out')
    parser.add_argument('source', help='data.yaml, obj.data, or a folder in YOLO layout')
    parser.add_argument('output', help='folder for annotations/{train,val,test}.json')
    parser.add_argument('--names', nargs='+', metavar='NAME', help='class names, in YOLO order')
    add_writing_options(parser, 'rows of labels in no form of YOLO')
    args = parser.parse_args()
    layout = read_layout(args.source, args.names)
    if args.val_share is not None:
        split_off_val(layout, args.val_share)
    tallies = convert_yolo(layout, args.output, args.images, args.max_bad)
    for split, tally in tallies.items():
        print(tally.report(f'{args.output}/annotations/{split}.json'))
    for note in layout.notes:
        print(note)
    if 'val' not in tallies:
        print(NO_VALIDATION)


if __name__ == '__main__':
    run_command(main)
