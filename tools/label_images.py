"""Label many photographs: what words name, in the forms of other tools.

SOURCE: folders, patterns in quotes, lists (.txt, .jsonl), images, archives (.tar, .parquet), and
addresses of these. Interrupted in any way, the same command goes on. With everything done, it only
writes the forms of --format again.
"""

import argparse
import sys

from expalign.apis.command_line import add_model_arguments, check_arguments, config_settings
from expalign.data_tools.label_writers import FORMATS
from expalign.structures.thresholds import SCORE_THR, threshold_argument
from expalign.utils import run_command
from expalign.utils.command_parser import CommandParser, whole_number

INTERRUPTED = 130  # exit status, as shells have it


def parse_args() -> tuple[CommandParser, argparse.Namespace]:
    """Read the command line."""
    parser = CommandParser(
        description=__doc__, example='photos --texts "a cat. a red chair" --format coco yolo '
        '--out labels')
    parser.add_argument('source', nargs='+', metavar='SOURCE', help='where photographs are')
    parser.add_argument(
        '--texts', help="what to label: 'a cat. a red chair', a .txt or .json file, or a "
        'vocabulary: coco, o365, lvis; a model that knows its classes needs none')
    parser.add_argument(
        '-c', '--custom-entities', action=argparse.BooleanOptionalAction, default=True,
        help="split the text at line ends, ',', ';' and full stops, as is usual")
    parser.add_argument('--out', default='outputs/labels',
                        help='folder of the labels (outputs/labels)')
    parser.add_argument('--format', nargs='+', choices=FORMATS, default=['coco'],
                        help='; '.join(f'{name}: {what}' for name, what in FORMATS.items()))
    add_model_arguments(parser, positional=False)
    parser.add_argument('--score-thr', '--pred-score-thr', type=threshold_argument,
                        default=SCORE_THR, help="lowest score of a label; by default 'auto': the "
                        "model's own, else by the number of prompts")
    parser.add_argument('--batch-size', type=whole_number, metavar='N', help='images of a forward '
                        'pass; default: 2 on a processor, 16 on a GPU')
    parser.add_argument('--workers', type=whole_number, metavar='N',
                        help='processes; default: one a GPU, or one for two cores')
    parser.add_argument('--engine', choices=('local', 'ray'), default='local',
                        help='ray: several machines, by Ray Data (extra "ray")')
    parser.add_argument('--ray-address', metavar='ADDRESS', help='of a cluster, such as auto; '
                        'without it Ray is started on this machine')
    parser.add_argument('--retry', action='store_true',
                        help='try photographs again that could not be read')
    args = parser.parse_args()
    if args.texts is None and args.model is None:
        parser.error(f'say what to label: {parser.prog} {args.source[0]} --texts "a cat. a dog"')
    check_arguments(parser, args)
    if args.ray_address is not None and args.engine != 'ray':
        parser.error('--ray-address belongs to --engine ray')
    return parser, args


def main() -> None:
    """Label, and say where the labels are."""
    parser, args = parse_args()
    from expalign.apis.labelling.label import label
    try:
        found = label(
            args.source, args.texts, args.out, args.format, args.model, weights=args.weights,
            score_thr=args.score_thr, device=args.device, workers=args.workers,
            batch_size=args.batch_size, retry=args.retry, cfg_options=config_settings(args),
            engine=args.engine, ray_address=args.ray_address)
    except KeyboardInterrupt:
        print(f'stopped; what is done is in {args.out}: the same command goes on',
              file=sys.stderr)
        sys.exit(INTERRUPTED)
    print(f'{found.images - found.damaged:,} images with {found.boxes:,} labels, {found.damaged:,} '
          f'that could not be read (damaged.jsonl says why): {args.out}')


if __name__ == '__main__':
    run_command(main)
