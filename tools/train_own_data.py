"""Train a detector on a folder of labelled photographs: ``expalign train FOLDER``.

The folder may be in COCO's, YOLO's, Pascal VOC's, labelme's, VIA's or CVAT's layout, or have a csv
of boxes. It is checked, split where it has no validation part, measured before and after; OUT gets
the weights, which know their classes, and report.html. The same command goes on with a run that was
interrupted.
"""

import argparse
import os
import sys

# Read when torch is imported. Threads that spin while they wait for each other make training on
# a busy CPU many times slower.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

from expalign.apis.own_data.modes import DEFAULT_MODE, DEFAULT_MODEL, MODELS, MODES
from expalign.utils import run_command
from expalign.utils.command_parser import CommandParser, seed_number, whole_number

INTERRUPTED = 130  # the exit status that shells give to Ctrl-C


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(description=__doc__, example='path/to/photographs')
    parser.add_argument('data', help='folder, annotation file or archive of labelled images')
    parser.add_argument('--model', choices=MODELS, default=DEFAULT_MODEL,
                        help=f'where training starts from (default: {DEFAULT_MODEL})')
    parser.add_argument('--mode', choices=MODES, default=DEFAULT_MODE,
                        help=f'what is trained, see docs/own_data.md (default: {DEFAULT_MODE})')
    parser.add_argument('--epochs', type=whole_number, help='default: 10, more for few images')
    parser.add_argument('--imgsz', type=whole_number, help='side of the input in pixels, a '
                        'multiple of 32 (default: 640)')
    parser.add_argument('--batch', type=whole_number, help='images of a step (default: 8, fewer '
                        'for few images)')
    parser.add_argument('--seed', type=seed_number, default=0,
                        help='of the order of the images and of their transforms (default: 0)')
    parser.add_argument('--device', help="'cpu', 'cuda:0', ...; default: what is there")
    parser.add_argument('--out', help='folder for everything that is written '
                        '(default: trained/DATA_MODE)')
    return parser.parse_args()


def choose_device(name: str | None) -> None:
    """Let torch see this device alone; before it is used.

    Raises:
        ValueError: there is no such device.
    """
    if name is None:
        return
    kind, _, index = name.partition(':')
    if kind not in ('cpu', 'cuda') or (index and not index.isdecimal()):
        raise ValueError(f"--device {name}: 'cpu' and 'cuda:0' are examples")
    os.environ['CUDA_VISIBLE_DEVICES'] = '' if kind == 'cpu' else index or '0'
    import torch
    if kind == 'cuda' and not torch.cuda.is_available():
        raise ValueError(f'--device {name}: this machine has no such GPU that torch can use')


def main() -> None:
    """Train, and say where everything is."""
    args = parse_args()
    choose_device(args.device)
    from expalign.apis.own_data.train import train_own_data
    try:
        train_own_data(args.data, args.out, args.model, args.mode, args.epochs, args.imgsz,
                       args.batch, args.seed)
    except KeyboardInterrupt:
        print('stopped; the same command goes on from the last validation', file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None


if __name__ == '__main__':
    run_command(main)
