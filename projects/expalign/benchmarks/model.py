"""Task ``model``: the time of an image by part, for several numbers of prompts.

Prompts are encoded before the clock runs, as they are in evaluation. So many (prior, prompt) pairs
pass the score threshold as ``--candidates`` says.
"""

import argparse
from copy import deepcopy

import torch
from mmdet.structures import DetDataSample
from prettytable import PrettyTable
from torch import Tensor, nn

from expalign.engine.config import load_config

from .random_model import build_random_model, set_number_of_candidates, use_random_prompts
from .timing import PartTimer, clock, clock_name, interleaved, median

PARTS = ('backbone', 'pyramid', 'alignment', 'head', 'post-processing', 'other')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the task."""
    parser.add_argument('--config', default='configs/expalign_cnxt_o365.py')
    parser.add_argument('--prompts', type=int, nargs='+', default=[80, 1203])
    parser.add_argument('--size', type=int, default=640, help='side of the image in pixels')
    parser.add_argument('--candidates', type=int, default=30000,
                        help='pairs of prior and prompt above the score threshold')
    parser.add_argument('--repeats', type=int, default=7, help='timed images (median is shown)')
    parser.add_argument('--device', default='cpu')


def run(args: argparse.Namespace) -> str:
    """Measure and describe."""
    runs = {}
    model = build_random_model(load_config(args.config))
    use_random_prompts(model)
    for number in args.prompts:
        own = ready_model(model, number, args)
        runs[number] = lambda own=own: time_image(own, args.size)
    results = interleaved(runs, args.repeats)
    return report(args, results)


@torch.no_grad()
def ready_model(model: nn.Module, number: int, args: argparse.Namespace) -> nn.Module:
    """A copy for one vocabulary, with the wanted number of candidates."""
    own = deepcopy(model).to(args.device)
    own.set_vocabulary([f'object {index}' for index in range(number)])
    logits: list[Tensor] = []
    hook = own.bbox_head.register_forward_hook(lambda _, __, output: logits.extend(output[0]))
    own.predict(image(own, args.size), [sample(args.size)])
    hook.remove()
    set_number_of_candidates(own, logits, args.candidates)
    return own


def image(model: nn.Module, size: int) -> Tensor:
    """An image of noise, (1, 3, size, size)."""
    device = next(model.parameters()).device
    return torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0)).to(device)


def sample(size: int) -> DetDataSample:
    """The sample of a square image that was not resized."""
    return DetDataSample(metainfo=dict(
        ori_shape=(size, size), img_shape=(size, size), scale_factor=(1.0, 1.0),
        pad_param=(0, 0, 0, 0)))


@torch.no_grad()
def time_image(model: nn.Module, size: int) -> dict[str, float]:
    """Seconds of one image by part, and ``'whole'``."""
    inputs = image(model, size)
    with PartTimer() as timer:
        timer.watch(model.backbone, 'forward', 'backbone')
        timer.watch(model.neck, 'forward', 'alignment')
        timer.watch(model.neck.pafpn, 'forward', 'pyramid')
        timer.watch(model.bbox_head, 'forward', 'head')
        timer.watch(model.bbox_head, 'predict_by_feat', 'post-processing')
        start = clock()
        model.predict(inputs, [sample(size)])
        whole = clock() - start
    seconds = dict(timer.seconds, whole=whole)
    return seconds | dict(other=whole - sum(timer.seconds.values()))


def report(args: argparse.Namespace, results: dict[int, list[dict]]) -> str:
    """A table of medians, and the ratio of the largest vocabulary to the smallest."""
    table = PrettyTable(
        ['part', *(f'K = {number:,}{unit}' for number in results for unit in (' (ms)', ' (%)'))],
        align='r')
    table.align['part'] = 'l'
    for part in (*PARTS, 'whole'):
        row = []
        for runs in results.values():
            row.append(f'{1000 * median([run[part] for run in runs]):.1f}')
            row.append(f'{100 * median([run[part] / run["whole"] for run in runs]):.1f}')
        table.add_row([part, *row], divider=part == PARTS[-1])
    first, last = list(results)[0], list(results)[-1]
    ratio = median([b['whole'] / a['whole'] for a, b in zip(
        results[first], results[last], strict=True)])
    return (f'{args.config}, {args.size} x {args.size}, {args.candidates:,} candidates, '
            f'{torch.get_num_threads()} threads, {args.device}, {clock_name()}, median of '
            f'{args.repeats}\n{table}\n'
            f'K = {last:,} takes {ratio:.2f} times as long as K = {first:,}')
