"""Task ``scaling``: images per second and memory for several batch sizes and numbers of threads."""

import argparse

import torch
from prettytable import PrettyTable

from expalign.utils.load_config import load_config

from .comparison import MIB, peak_bytes
from .model import sample
from .random_model import build_random_model, use_random_prompts
from .timing import interleaved, median, wall_seconds_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the task."""
    parser.add_argument('--config', default='configs/expalign_cnxt_o365.py')
    parser.add_argument('--batches', type=int, nargs='+', default=[1, 2, 4, 8, 16])
    parser.add_argument('--threads', type=int, nargs='+', default=[1, 2])
    parser.add_argument('--prompts', type=int, default=80)
    parser.add_argument('--size', type=int, default=640, help='side of the image in pixels')
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--device', default='cpu')


def run(args: argparse.Namespace) -> str:
    """Measure and describe: wall-clock time, as threads are compared."""
    model = build_random_model(load_config(args.config)).to(args.device)
    use_random_prompts(model)
    model.set_vocabulary([f'object {index}' for index in range(args.prompts)])
    images = torch.randn(max(args.batches), 3, args.size, args.size, device=args.device)

    @torch.inference_mode()
    def predict(batch: int, threads: int) -> float:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            return wall_seconds_of(lambda: model.predict(
                images[:batch], [sample(args.size) for _ in range(batch)]))
        finally:
            torch.set_num_threads(before)

    found = interleaved(
        {(batch, threads): lambda batch=batch, threads=threads: predict(batch, threads)
         for batch in args.batches for threads in args.threads}, args.repeats)
    table = PrettyTable(
        ['B', *(f'images/s, {n} threads' for n in args.threads), 'memory (MiB)', 'MiB an image'],
        align='r')
    for batch in args.batches:
        peak = peak_bytes(lambda batch=batch: predict(batch, args.threads[-1])) / MIB
        rates = [batch / median(found[batch, threads]) for threads in args.threads]
        table.add_row([batch, *(f'{rate:.2f}' for rate in rates), f'{peak:.0f}',
                       f'{peak / batch:.0f}'])
    return (f'{args.config}, K = {args.prompts:,}, {args.size} x {args.size}, {args.device}, '
            f'wall-clock time, median of {args.repeats}; memory is what a batch allocates at most '
            f'at a time\n{table}')
