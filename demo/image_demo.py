"""Detect free text in images: boxes, masks and explanations.

``python demo/image_demo.py photo.jpg --texts "a cat . a red chair" --explain``

Inputs are an image, a folder, a pattern in quotes or an address. ``OUT_DIR/vis`` has pictures with
boxes and masks, ``OUT_DIR/preds`` the predictions as JSON, ``OUT_DIR/explain`` the alignment maps.
With ``--patch-size`` large images are searched in overlapping windows too.
"""

import argparse

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.apis.command_line import (
    add_model_arguments,
    add_text_arguments,
    build_inferencer,
    check_arguments,
    positive,
)
from expalign.datasets.bad_samples import BadSample
from expalign.structures.prompts import prompt_key
from expalign.utils import run_command


def parse_args() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """Read the command line, and refuse what cannot work."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('inputs', help='image, folder, pattern such as "photos/*.jpg", or address')
    add_model_arguments(parser)
    add_text_arguments(parser)
    parser.add_argument('--out-dir', default='outputs/image_demo', help='folder for the results')
    parser.add_argument('--explain', action='store_true', help='write the alignment maps, too')
    parser.add_argument('--explain-prompts', nargs='+', metavar='PROMPT',
                        help='prompts in the explanation; default: the six best')
    parser.add_argument('--show', action='store_true', help='show each picture in a window')
    parser.add_argument('--no-save-vis', action='store_true', help='write no pictures')
    parser.add_argument('--no-save-pred', action='store_true', help='write no predictions')
    parser.add_argument('--print-result', action='store_true', help='print the predictions')
    parser.add_argument('--patch-size', type=positive, help='side of the windows in pixels')
    parser.add_argument('--patch-overlap-ratio', type=float, default=0.25,
                        help='part of a side that neighbouring windows share')
    parser.add_argument('--merge-iou-thr', type=float, default=0.5,
                        help='boxes of windows that overlap more are one')
    args = parser.parse_args()
    check_arguments(parser, args)
    if args.patch_size and args.explain:
        parser.error('--explain shows the maps of one forward pass: leave --patch-size out')
    if args.explain_prompts and not args.explain:
        parser.error('--explain-prompts belongs to --explain')
    known = {prompt_key(prompt) for prompt in args.texts}
    unknown = [prompt for prompt in args.explain_prompts or () if prompt_key(prompt) not in known]
    if unknown:
        parser.error(f'--explain-prompts {unknown[0]!r} is none of the prompts of --texts')
    if not 0 <= args.patch_overlap_ratio < 1:
        parser.error(f'--patch-overlap-ratio {args.patch_overlap_ratio} must be 0 or more, below 1')
    from expalign.apis.images import ImageStream
    try:
        args.images = ImageStream(args.inputs)
        args.images.check_results(args.out_dir, *args.read)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return parser, args


def detect(inferencer, args: argparse.Namespace) -> None:
    """Search the images, and write what is found."""
    options = dict(
        show=args.show, no_save_vis=args.no_save_vis, pred_score_thr=args.pred_score_thr)
    results = dict(no_save_pred=args.no_save_pred, print_result=args.print_result)
    if args.patch_size:
        inferencer.show_bar = False
        for number, image in enumerate(args.images, start=1):
            try:
                sample = inferencer.detect_large(
                    image, args.texts, patch_size=args.patch_size,
                    overlap=args.patch_overlap_ratio, iou_threshold=args.merge_iou_thr,
                    batch_size=args.batch_size)
            except BadSample as error:
                args.images.leave_out(image, error)
                continue
            inferencer.visualize([image], [sample], img_out_dir=args.out_dir, **options)
            inferencer.postprocess([sample], pred_out_dir=args.out_dir, **results)
            print(f'{number} of {len(args.images)} images', flush=True)
        args.images.report_left_out()
    else:
        inferencer(
            args.images, texts=args.texts, batch_size=args.batch_size, out_dir=args.out_dir,
            explain=args.explain, explain_prompts=args.explain_prompts, **options, **results)


def main() -> None:
    """Detect, and say where everything is."""
    parser, args = parse_args()
    inferencer = build_inferencer(parser, args)
    try:
        detect(inferencer, args)
    except OSError as error:  # an image, or a disk that is full
        parser.error(str(error))
    print(f'Written to {args.out_dir}')


if __name__ == '__main__':
    run_command(main)
