"""Search photographs for what words name: boxes, masks and, with --explain, why.

Inputs are images, folders, patterns in quotes, addresses or one film. OUT_DIR/vis has pictures,
OUT_DIR/preds the numbers and masks as JSON, OUT_DIR/explain the alignment maps. With --patch-size
large images are searched in overlapping windows too. With --examples things are found that boxes in
other photographs show.
"""

import argparse
import sys

from expalign.apis.command_line import (
    add_search_arguments,
    build_inferencer,
    check_arguments,
    sort_words,
)
from expalign.apis.example_arguments import add_example_arguments, prompts_with_examples
from expalign.apis.images import ImageStream
from expalign.apis.result_writer import FORMATS, ResultWriter
from expalign.structures.hint import HintTally
from expalign.structures.prompts import asks_everything, prompt_key
from expalign.utils import run_command
from expalign.utils.command_parser import CommandParser, whole_number


def build_parser() -> CommandParser:
    """The command line."""
    parser = CommandParser(description=__doc__, example='photo.jpg "a cat. a red chair"')
    add_search_arguments(parser)
    add_example_arguments(parser)
    parser.add_argument('--out-dir', default='outputs/detect', help='folder for the results')
    parser.add_argument(
        '--format', nargs='+', choices=FORMATS, default=['pictures', 'json'],
        help='what is written; default: pictures json')
    parser.add_argument('--explain', action='store_true', help='write the alignment maps, too')
    parser.add_argument('--explain-prompts', nargs='+', metavar='PROMPT',
                        help='prompts in the explanation; default: the six best')
    parser.add_argument('--explain-tokens', action='store_true',
                        help='a row with the maps of its tokens below each prompt, too')
    parser.add_argument('--show', action='store_true', help='show each picture in a window')
    parser.add_argument('--no-save-vis', action='store_true', help='write no pictures')
    parser.add_argument('--no-save-pred', action='store_true', help='write no predictions')
    parser.add_argument('--print-result', action='store_true',
                        help='print the results as JSON, a line an image')
    parser.add_argument('--patch-size', type=whole_number, help='side of the windows in pixels')
    parser.add_argument('--patch-overlap-ratio', type=float, default=0.25,
                        help='part of a side that neighbouring windows share')
    parser.add_argument('--merge-iou-thr', type=float, default=0.5,
                        help='boxes of windows that overlap more are one')
    return parser


def parse_args() -> tuple[CommandParser, argparse.Namespace]:
    """Read the command line, and refuse what cannot work."""
    parser = build_parser()
    args = parser.parse_args()
    sort_words(parser, args)
    if args.patch_size and args.explain:
        parser.error('--explain shows the maps of one forward pass: leave --patch-size out')
    for name in ('explain_prompts', 'explain_tokens'):
        if getattr(args, name) and not args.explain:
            parser.error(f'--{name.replace("_", "-")} belongs to --explain')
    if not 0 <= args.patch_overlap_ratio < 1:
        parser.error(f'--patch-overlap-ratio {args.patch_overlap_ratio} must be 0 or more, below 1')
    check_arguments(parser, args)
    args.everything = bool(args.texts) and asks_everything(args.texts)
    if args.everything and args.explain:
        parser.error("--explain shows the maps of prompts, and '*' has none: name what to explain")
    known = {prompt_key(prompt) for prompt in (
        *(args.texts or ()), *args.examples, *(name for made in args.prompt_sets for name in made))}
    unknown = [prompt for prompt in args.explain_prompts or () if prompt_key(prompt) not in known]
    if unknown and known:
        parser.error(f'--explain-prompts {unknown[0]!r} is none of the prompts of --texts')
    left_out = dict(pictures=args.no_save_vis, json=args.no_save_pred)
    args.format = [name for name in args.format if not left_out.get(name)]
    try:
        args.images = ImageStream(args.inputs)
        args.images.check_results(args.out_dir, *args.read)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return parser, args


def search(inferencer, args: argparse.Namespace) -> None:
    """Search the images, and write and print what is found."""
    from tqdm import tqdm

    from expalign.apis.found import detections_of, pairs_of
    windows = None if args.patch_size is None else dict(
        patch_size=args.patch_size, overlap=args.patch_overlap_ratio,
        iou_threshold=args.merge_iou_thr)
    pairs = pairs_of(inferencer, args.images, args.texts, args.batch_size, windows, args.explain,
                     args.explain_tokens)
    inferencer.show_bar = windows is not None  # of the windows of an image
    quiet = len(args.images) == 1
    hints = HintTally()
    classes = None if args.everything else args.texts
    with ResultWriter(args.out_dir, args.format, classes) as writer, tqdm(
            total=len(args.images), unit='image', disable=quiet, leave=False,
            mininterval=0.1 if sys.stderr.isatty() else 10) as bar:
        for image, sample in pairs:
            found = detections_of(inferencer, image, sample, args.score_thr)
            writer.write(found)
            hints.add(found)
            if args.explain:
                writer.explain(found, sample, args.explain_prompts)
            line = found.to_json() if args.print_result else f'{found.path}: {found}'
            bar.update()
            tqdm.write(line, file=sys.stdout)
            sys.stdout.flush()
            if args.show:
                found.show()
    for hint in hints.hints():
        # Not among the results, which may be read by a program.
        print(f'hint: {hint}', file=sys.stderr)


def main() -> None:
    """Search, and say where everything is."""
    parser, args = parse_args()
    inferencer = build_inferencer(parser, args)
    try:
        args.texts = prompts_with_examples(inferencer, args)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if args.texts is None and inferencer.model.own_prompts() is None:
        parser.error('say what to search for, as this model has no classes of its own: '
                     f'{parser.prog} photo.jpg "a cat. a red chair"')
    try:
        search(inferencer, args)
    except OSError as error:  # an image, or a disk that is full
        parser.error(str(error))
    if args.format or args.explain:
        print(f'Written to {args.out_dir}')


if __name__ == '__main__':
    run_command(main)
