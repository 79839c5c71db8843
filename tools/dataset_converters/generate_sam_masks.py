"""Pseudo instance masks from boxes by SAM 2.1.

    generate_sam_masks.py SOURCE OUTPUT --image-root FOLDER [--num-processes N]

SOURCE is an ODVG (.jsonl) or COCO (.json) file; OUTPUT is the same with run-length encoded masks.
Finished images are kept in --work-dir: the same command goes on where a killed one stopped. On
several machines, give each --shard I/N (and a --work-dir that all can write), then run once with
--merge.
"""

import argparse

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.data_tools.file_names import add_outside_argument
from expalign.data_tools.sam_generate import Job, merge
from expalign.data_tools.sam_masks import MaskRules
from expalign.data_tools.sam_processes import Machine, run_process, run_processes
from expalign.utils import run_command


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    rules = MaskRules()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', help='ODVG (.jsonl) or COCO (.json) file')
    parser.add_argument('output', help='file to write, of the same kind')
    parser.add_argument('--image-root', required=True, help='folder that file names start from')
    parser.add_argument('--model', default='facebook/sam2.1-hiera-large', help='SAM 2.1 weights')
    parser.add_argument('--work-dir', help='folder of finished images; OUTPUT with .work')
    parser.add_argument('--device', default='cpu', help='"cuda" spreads processes over all GPUs')
    parser.add_argument('--images-per-batch', type=int, default=4)
    parser.add_argument('--boxes-per-batch', type=int, default=64)
    how = parser.add_mutually_exclusive_group()
    how.add_argument('--num-processes', type=int, default=1, help='processes on this machine')
    how.add_argument('--shard', metavar='I/N', help='do part I (from 0) of N and do not merge')
    how.add_argument('--merge', action='store_true', help='only write OUTPUT')
    parser.add_argument('--max-unreadable', type=int, default=100,
                        help='images that cannot be used before a process gives up')
    add_outside_argument(parser)
    for name, value in vars(rules).items():
        parser.add_argument(f'--{name.replace("_", "-")}', type=float, default=value,
                            help=f'see tools/README.md (default {value})')
    args = parser.parse_args()
    if args.shard is not None:
        args.shard = parse_shard(parser, args.shard)
    return args


def parse_shard(parser: argparse.ArgumentParser, text: str) -> tuple[int, int]:
    """``'I/N'`` as numbers with 0 <= I < N."""
    index, _, count = text.partition('/')
    if not (index.isdigit() and count.isdigit() and int(index) < int(count)):
        parser.error(f'--shard {text}: expected I/N with 0 <= I < N, such as 0/8')
    return int(index), int(count)


def main() -> None:
    """Generate masks, and write them into a copy of the source."""
    args = parse_args()
    rules = MaskRules(**{name: getattr(args, name) for name in vars(MaskRules())})
    work_dir = args.work_dir or f'{args.output}.work'
    job = Job(args.source, args.image_root, work_dir, args.model, rules, args.max_unreadable,
              args.allow_outside_images)
    job.check()
    machine = Machine(args.device, args.images_per_batch, args.boxes_per_batch)
    if args.shard is not None:
        run_process(job, machine, *args.shard)
        return
    if not args.merge:
        run_processes(job, machine, args.num_processes)
    print(merge(job, args.output).report(args.output))


if __name__ == '__main__':
    run_command(main)
