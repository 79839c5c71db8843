"""Grounding data in MDETR's form to ODVG lines: ``goldg2odvg.py SOURCE.json OUT.jsonl``.

SOURCE is Flickr30k's final_flickr_separateGT_train.json or GQA's final_mixed_train_no_coco.json.
Images of COCO are left out, as their source marks them; --keep-coco keeps them.
"""


from expalign.data_tools.coco_to_odvg import MAX_BAD
from expalign.data_tools.file_names import add_outside_argument
from expalign.data_tools.grounding_to_odvg import convert_mdetr
from expalign.datasets.formats.leakage import CocoLeakage
from expalign.utils import run_command
from expalign.utils.command_parser import CommandParser


def main() -> None:
    """Convert, and say what was found."""
    parser = CommandParser(description=__doc__, example='final_mixed_train.json mixed.jsonl')
    parser.add_argument('source', help="annotation file in MDETR's form")
    parser.add_argument('output', help='ODVG file to write')
    parser.add_argument('--vg-image-data', metavar='FILE',
                        help="Visual Genome's image_data.json, whose coco_id marks images of COCO")
    parser.add_argument('--keep-coco', action='store_true', help='leave no image out')
    parser.add_argument('--max-bad', type=int, default=MAX_BAD,
                        help='wrong annotations that are skipped; one more is an error')
    add_outside_argument(parser)
    args = parser.parse_args()
    leakage = None if args.keep_coco else CocoLeakage(args.vg_image_data)
    tally = convert_mdetr(args.source, args.output, leakage, max_bad=args.max_bad,
                          allow_outside=args.allow_outside_images)
    print(tally.report(args.output))
    if leakage is not None and leakage.note():
        print(leakage.note())


if __name__ == '__main__':
    run_command(main)
