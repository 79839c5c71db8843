"""RefCOCO, RefCOCO+ or RefCOCOg to ODVG lines: ``refcoco2odvg.py SOURCE OUT.jsonl``.

SOURCE is MDETR's finetune_refcoco*_train.json, or the official refs(*).p (or the same as JSON)
together with --instances. Training data must leave out what is evaluated: give --coco-val and
--eval-splits, or say --keep-all (for val and test data).
"""


from expalign.data_tools.coco_to_odvg import MAX_BAD
from expalign.data_tools.file_names import add_outside_argument
from expalign.data_tools.grounding_to_odvg import convert_mdetr, convert_refs
from expalign.datasets.formats.leakage import RefCocoLeakage
from expalign.utils import run_command
from expalign.utils.command_parser import CommandParser


def main() -> None:
    """Convert, and say what was found."""
    parser = CommandParser(description=__doc__, example='finetune_refcoco_train.json refcoco.jsonl')
    parser.add_argument('source', help="MDETR's file, or official references")
    parser.add_argument('output', help='ODVG file to write')
    parser.add_argument('--instances', help='instances.json beside official references')
    parser.add_argument('--splits', nargs='+', default=['train'],
                        help='splits of official references (default: train)')
    parser.add_argument('--coco-val', help='instances_val2017.json of COCO')
    parser.add_argument('--eval-splits', nargs='+', metavar='FILE',
                        help='references of all three sets, official or MDETR val and test files')
    parser.add_argument('--lvis-val', help='lvis_v1_val.json: count the images that it shares')
    parser.add_argument('--keep-all', action='store_true', help='leave no image out')
    parser.add_argument('--max-bad', type=int, default=MAX_BAD,
                        help='wrong annotations that are skipped; one more is an error')
    add_outside_argument(parser)
    args = parser.parse_args()
    if not args.keep_all and not (args.coco_val and args.eval_splits):
        parser.error('give --coco-val and --eval-splits, so that evaluated images are left out, '
                     'or --keep-all')
    leakage = None if args.keep_all else RefCocoLeakage(
        args.coco_val, args.eval_splits, args.lvis_val)
    if args.instances:
        tally = convert_refs(args.source, args.instances, args.output, args.splits, leakage,
                             args.max_bad, args.allow_outside_images)
    else:
        tally = convert_mdetr(args.source, args.output, leakage, True, args.max_bad,
                              args.allow_outside_images)
    print(tally.report(args.output))
    if leakage is not None and leakage.note():
        print(leakage.note())


if __name__ == '__main__':
    run_command(main)
