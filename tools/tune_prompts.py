"""Fit prompts to labelled photographs: the model stays as it is, and a file of prompts results.

``tune_prompts.py DATA`` runs the image side once over the photographs, and fits a few numbers for
each class to what it says of them, in seconds. Words lose nothing: the prompts are used alone or
beside them, as in ``expalign detect photo.jpg "a cat" --examples mine.safetensors``.
"""

import argparse

from expalign.utils import check_outputs, run_command, without_lines
from expalign.utils.command_parser import CommandParser, seed_number, whole_number


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(description=__doc__, example='my_photos --out mine.safetensors')
    parser.add_argument('data', help='a folder, file or archive of labelled images in any format '
                        'that expalign train takes')
    parser.add_argument('--names', nargs='+', metavar='NAME',
                        help='what the prompts are called and start from, one a class, in the '
                        "order of the data set's; default: the classes")
    parser.add_argument('--images', type=whole_number, metavar='N',
                        help='images with a box to use; default: all, those without one, too')
    parser.add_argument('--val-images', type=whole_number, default=50, metavar='N',
                        help='images of the validation part to compare words and prompts on '
                        '(default 50)')
    parser.add_argument('--steps', type=seed_number, default=200,
                        help='of the fitting (default 200); 0: the closed form or the words')
    parser.add_argument('--start', choices=('best', 'words', 'boxes', 'noise'), default='best',
                        help='what prompts start from: words, what boxes give in closed form, '
                        'noise, or (best, default) boxes where words find next to nothing')
    parser.add_argument('--augment', action='store_true', help='fit to each photograph mirrored '
                        'and from farther away, too; the image side runs three times as often')
    parser.add_argument('--seed', type=seed_number, default=0,
                        help='of the choice of images, and of noise')
    parser.add_argument('--model', default='expalign-s-boxes',
                        help='name, config or checkpoint (default expalign-s-boxes, whose prompts '
                        'expalign-s takes, too)')
    parser.add_argument('--weights', help='checkpoint, where the model is a config')
    parser.add_argument('--device', help="'cpu', 'cuda:0', ...; default: what is there")
    parser.add_argument('--out', default='prompts.safetensors',
                        help='file to write (prompts.safetensors)')
    parser.add_argument('--work-dir', default='work_dirs/own_data',
                        help='folder for data that have to be converted')
    args = parser.parse_args()
    if not args.out.lower().endswith('.safetensors'):
        parser.error(f'--out {args.out}: the name must end in .safetensors')
    return args


def main() -> None:
    """Fit, write, compare."""
    args = parse_args()
    check_outputs([args.out], [args.data, *filter(None, (args.weights, args.model))])
    from expalign.apis import ExpAlignInferencer
    from expalign.apis.tune import check_names, tune
    from expalign.checkpoints.prompt_file import save_prompts
    from expalign.data_tools.own_data import recognise
    data = recognise(args.data, args.work_dir)
    names = check_names(args.names, data.classes)
    check_outputs([args.out], [file for file, _ in data.splits.values()])
    print(data.said, flush=True)
    with without_lines('Loads checkpoint by '):
        inferencer = ExpAlignInferencer(args.model, args.weights, device=args.device,
                                        show_progress=False)
    tuned = tune(data, inferencer, names, args.images, args.steps, args.seed, args.start,
                 args.augment)
    save_prompts(tuned.prompts, args.out)
    print(f'{args.out}: {len(tuned.prompts)} prompts, {tuned.images} images')
    report(args, data, inferencer, names, tuned)


def report(args: argparse.Namespace, data, inferencer, names: list[str], tuned) -> None:
    """A row a class: boxes, start, and what words and prompts find in the validation images."""
    import numpy as np

    from expalign.apis.labelled_images import choose, read_labelled
    from expalign.apis.prompt_precision import precision_of
    part = next((part for part in ('val', 'test') if part in data.splits), None)
    records = [] if part is None else choose(
        read_labelled(*data.splits[part], data.classes), args.val_images, len(names), args.seed)
    aps = precision_of(inferencer, records, [names, tuned.prompts]) if records else np.full(
        (2, len(names)), np.nan)
    print(f'{"boxes":>7} {"words AP":>9} {"tuned AP":>9}  prompt, and what it started from')
    rows = zip(names, tuned.boxes, aps.T, tuned.starts, strict=True)
    for name, boxes, (before, after), start in rows:
        print(f'{boxes:>7,} {before:>9.3f} {after:>9.3f}  {name} ({start})')
    if records:
        print(f'{sum(tuned.boxes):>7,} {np.nanmean(aps[0]):>9.3f} {np.nanmean(aps[1]):>9.3f}  '
              f'mean, on {len(records)} images of {part}')


if __name__ == '__main__':
    run_command(main)
