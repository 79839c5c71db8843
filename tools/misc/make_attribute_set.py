"""Make pictures whose objects differ in colour, texture and size: ``make_attribute_set.py OUT``.

Objects of real photographs are painted inside their masks, and simple shapes are drawn on
photographs and on made-up backgrounds; what every prompt is true of is then known. The files are in
LVIS's layout (attribute_set/layout.py), the splits of the test prompts in attribute_set/prompts.py.
Without --train-ann the photographs are those of coco-mini in the folder that EXPALIGN_DATA names.
The same seed gives the same set; what was interrupted goes on. The pictures are derived from
photographs of other people: look at their licences before handing them on.
"""

import argparse
import os
from pathlib import Path

from attribute_set.layout import Settings, make_set

from expalign.utils import run_command


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out', type=Path, help='folder to write')
    for split in ('train', 'test'):
        parser.add_argument(f'--{split}-ann', type=Path, help='COCO file with masks')
        parser.add_argument(f'--{split}-images', type=Path, help='folder of its photographs')
        parser.add_argument(f'--{split}', type=int, default=getattr(Settings, split),
                            help='number of pictures (default: %(default)s)')
    parser.add_argument('--side', type=int, default=Settings.side,
                        help='longer side of a photograph in pixels (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=Settings.seed)
    parser.add_argument('--workers', type=int, default=2, help='processes (default: %(default)s)')
    args = parser.parse_args()
    files = [args.train_ann, args.train_images, args.test_ann, args.test_images]
    if any(files) and not all(files):
        parser.error('--train-ann, --train-images, --test-ann and --test-images go together')
    if not any(files) and not os.environ.get('EXPALIGN_DATA'):
        parser.error('give --train-ann and its companions, or let the variable EXPALIGN_DATA name '
                     'the folder with coco-mini')
    if min(args.train, args.test, args.workers) < 1 or args.side < 128:
        parser.error('--train, --test and --workers must be 1 or more, --side 128 or more')
    return args


def coco_mini() -> list[Path]:
    """Annotations and photographs of its two halves."""
    root = Path(os.environ['EXPALIGN_DATA'], 'coco-mini')
    return [path for name in ('train2017', 'val2017')
            for path in (root / 'annotations' / f'instances_{name}.json', root / name)]


def main() -> None:
    """Make the set, and say what is in it."""
    args = parse_args()
    files = [args.train_ann, args.train_images, args.test_ann, args.test_images]
    if not any(files):
        files = coco_mini()
    settings = Settings(*(str(path.resolve()) for path in files), train=args.train,
                        test=args.test, side=args.side, seed=args.seed)
    counts = make_set(args.out, settings, args.workers)
    print(', '.join(f'{name} {count}' for name, count in counts.items()))


if __name__ == '__main__':
    run_command(main)
