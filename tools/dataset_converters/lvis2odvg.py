"""LVIS annotations to ODVG detection lines: ``lvis2odvg.py SOURCE.json OUT.jsonl``."""


from expalign.data_tools.coco_to_odvg import MAX_BAD
from expalign.data_tools.file_names import add_outside_argument
from expalign.data_tools.lvis_to_odvg import convert_lvis
from expalign.utils import run_command
from expalign.utils.command_parser import CommandParser


def main() -> None:
    """Convert, and say what was found."""
    parser = CommandParser(description=__doc__, example='lvis_v1_train.json lvis.jsonl')
    parser.add_argument('source', help='annotation file')
    parser.add_argument('output', help='ODVG file to write')
    parser.add_argument('--label-map', help='file for the class names; OUTPUT with .label_map.json')
    parser.add_argument('--no-masks', action='store_true', help='leave segmentations out')
    parser.add_argument('--max-bad', type=int, default=MAX_BAD,
                        help='wrong annotations that are skipped; one more is an error')
    add_outside_argument(parser)
    args = parser.parse_args()
    label_map = args.label_map or f'{args.output.removesuffix(".jsonl")}.label_map.json'
    tally = convert_lvis(args.source, args.output, label_map, not args.no_masks, args.max_bad,
                         args.allow_outside_images)
    print(tally.report(args.output))


if __name__ == '__main__':
    run_command(main)
