"""Memory, time and communication of a training on many GPUs: ``training_plan.py CONFIG``.

One image's cost is measured on the device at hand, without weights: encoders that the config names
on a model hub are built at random. What cannot be measured here (the speed of the GPUs and of the
network) is stated on the command line and repeated in the output.
"""

import argparse
import os

# Read when torch is imported; see tools/train.py.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

import torch
from benchmarks.random_model import build_random_model
from mmengine.config import DictAction
from prettytable import PrettyTable

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.engine.step_cost import StepCost, measure_step
from expalign.utils.load_config import load_config

GIB, MB = 2**30, 1e6


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Plan a training on many GPUs')
    parser.add_argument('config', help='config file')
    parser.add_argument('--gpus', type=int, nargs='+', default=[8, 64], help='numbers of GPUs')
    parser.add_argument('--batch-size', type=int, help="images a GPU (default: the config's)")
    parser.add_argument('--size', type=int, default=640, help='side of an image in pixels')
    parser.add_argument('--prompts', type=int, default=80, help='prompts an image')
    parser.add_argument('--instances', type=int, default=20, help='instances an image')
    parser.add_argument(
        '--tflops', type=float, default=30.0,
        help='sustained speed of one GPU, 10^12 operations a second; without effect where a GPU '
             'is measured')
    parser.add_argument(
        '--bandwidth', type=float, default=10.0,
        help='what one GPU sends to its neighbour, 10^9 bytes a second')
    parser.add_argument('--images', type=int, help='images an epoch: adds the time of an epoch')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
        help='override settings of the config')
    args = parser.parse_args()
    for name in ('size', 'prompts', 'instances', 'tflops', 'bandwidth'):
        if getattr(args, name) <= 0:
            parser.error(f'--{name} must be above 0')
    if min(args.gpus) < 1:
        parser.error('--gpus must be 1 or more')
    return args


def describe(cost: StepCost, device: str, args: argparse.Namespace) -> str:
    """What was measured, in lines."""
    return '\n'.join((
        f'{args.config}: {args.size} x {args.size}, {args.prompts} prompts and '
        f'{args.instances} instances an image',
        f'trained {cost.trained / 1e6:.1f} M, frozen and buffers {cost.frozen / 1e6:.1f} M',
        f'measured on {device}: {cost.sample_flops / 1e9:.0f} GFLOP and '
        f'{cost.sample_bytes / GIB:.2f} GiB for the backward pass an image (float32), '
        f'{cost.fixed_bytes / GIB:.2f} GiB a step; {cost.sample_seconds:.2f} s an image there',
        f'gradients {cost.gradient_bytes() / MB:.1f} MB; {cost.norms} layers of batch '
        'normalisation, each with one exchange a pass where it is synchronised'))


def table(
    cost: StepCost, seconds: float, batch_size: int, rate: float, args: argparse.Namespace
) -> PrettyTable:
    """One row a number of GPUs.

    Args:
        seconds: time for one image on one GPU.
        rate: learning rate for one image of the global batch.
    """
    names = ['GPUs', 'images a step', 'learning rate', 'GiB a GPU', 'GiB a GPU, half',
             'compute s', 'MB sent a GPU', 'all-reduce s', 's a step']
    rows = PrettyTable(names + (['h an epoch'] if args.images else []), align='r')
    for gpus in args.gpus:
        sent = cost.sent_bytes(gpus)
        compute, exchange = batch_size * seconds, sent / (args.bandwidth * 1e9)
        # The exchange runs behind the backward pass; what is longer decides at the least.
        step = max(compute, exchange)
        row = [gpus, gpus * batch_size, f'{rate * gpus * batch_size:.3g}',
               f'{cost.memory(batch_size) / GIB:.1f}', f'{cost.memory(batch_size, 0.5) / GIB:.1f}',
               f'{compute:.3f}', f'{sent / MB:.1f}', f'{exchange:.3f}', f'{step:.3f}']
        if args.images:
            row.append(f'{args.images // (gpus * batch_size) * step / 3600:.2f}')
        rows.add_row(row)
    return rows


def main() -> None:
    """Measure and print."""
    args = parse_args()
    cfg = load_config(args.config, args.cfg_options)
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    model = build_random_model(cfg).to(device)
    cost = measure_step(model, args.size, args.prompts, args.instances)
    batch_size = args.batch_size or cfg.train_dataloader.batch_size
    rate = cfg.optim_wrapper.optimizer.lr / cfg.auto_scale_lr.base_batch_size
    on_gpu = device.type == 'cuda'
    seconds = cost.sample_seconds if on_gpu else cost.sample_flops / (args.tflops * 1e12)
    name = torch.cuda.get_device_name(device) if on_gpu else f'{torch.get_num_threads()} CPU cores'
    print(describe(cost, name, args))
    print(table(cost, seconds, batch_size, rate, args))
    speed = 'as measured' if on_gpu else f'assumed: {args.tflops:g} TFLOP/s sustained'
    print(f'Compute {speed}; exchange assumed: {args.bandwidth:g} GB/s. "half": with --amp, all '
          'that the backward pass keeps in half precision, the least that it can be.')


if __name__ == '__main__':
    main()
