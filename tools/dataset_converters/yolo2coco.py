"""A folder in YOLO's layout to COCO's: ``python tools/dataset_converters/yolo2coco.py SRC OUT``."""

import argparse

from expalign.convert.data.yolo_layout import read_layout, split_off_val
from expalign.convert.data.yolo_to_coco import PLACES, convert_yolo


def main() -> None:
    """Convert, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('source', help='data.yaml, or a folder in YOLO layout')
    parser.add_argument('output', help='folder for annotations/{train,val,test}.json')
    parser.add_argument('--names', nargs='+', metavar='NAME', help='class names, in YOLO order')
    parser.add_argument('--images', choices=PLACES, default='link',
                        help='make OUTPUT/{train,val,test} as links to the folders of images '
                             '(default), as copies, or not at all')
    parser.add_argument('--val-share', type=float, metavar='SHARE',
                        help='without a validation split: take this share of the training images')
    args = parser.parse_args()
    layout = read_layout(args.source, args.names)
    if args.val_share is not None:
        split_off_val(layout, args.val_share)
    tallies = convert_yolo(layout, args.output, args.images)
    for split, tally in tallies.items():
        print(tally.report(f'{args.output}/annotations/{split}.json'))
    if 'val' not in tallies:
        print('no validation split: --val-share 0.1 makes one of a tenth of the training images')


if __name__ == '__main__':
    main()
