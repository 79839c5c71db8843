"""Task ``model``: the time of an image by part, for several numbers of prompts.

Prompts are encoded before the clock runs, as they are in evaluation; alignment then gives logits.
So many (prior, prompt) pairs pass the score threshold as ``--candidates`` says.
"""

import argparse
from collections.abc import Callable
from copy import deepcopy

import numpy as np
import torch
from mmcv.transforms import Compose
from mmdet.structures import DetDataSample
from mmengine.config import Config
from prettytable import PrettyTable
from torch import Tensor, nn

from expalign.models.dense_heads import detections
from expalign.models.layers.folded_alignment import FoldedMaps
from expalign.utils.load_config import load_config

from .random_model import build_random_model, set_number_of_candidates, use_random_prompts
from .timing import PartTimer, clock, clock_name, interleaved, median, seconds_of

PARTS = ('resize', 'backbone', 'pyramid', 'branches', 'alignment', 'decoding', 'NMS', 'other')
NETWORK = ('backbone', 'pyramid', 'branches')  # what every detector of this kind pays


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
    cfg = load_config(args.config)
    model, resize = build_random_model(cfg), letterbox(cfg, args.size)
    use_random_prompts(model)
    for number in args.prompts:
        own = ready_model(model, number, args)
        runs[number] = lambda own=own: time_image(own, resize, args.size)
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


def letterbox(cfg: Config, size: int) -> Callable[[], object]:
    """The resizing steps of the config's test pipeline, applied to a photograph of noise."""
    steps = Compose([step for step in cfg.test_dataloader.dataset.pipeline
                     if 'LetterResize' in step['type'] or 'KeepRatioResize' in step['type']])
    photograph = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    return lambda: steps(dict(img=photograph, img_shape=(480, 640), ori_shape=(480, 640)))


@torch.inference_mode()
def time_image(model: nn.Module, resize: Callable[[], object], size: int) -> dict[str, float]:
    """Seconds of one image by part, and ``'whole'``."""
    inputs = image(model, size)
    seconds = dict(resize=seconds_of(resize))
    with PartTimer() as timer:
        timer.watch(model.backbone, 'forward', 'backbone')
        timer.watch(model.neck, 'forward', 'alignment')
        timer.watch(FoldedMaps, 'logits', 'alignment')  # the product itself, asked for by the head
        timer.watch(model.neck.pafpn, 'forward', 'pyramid')
        for branch in model.neck.embed_branches:
            for layer in branch[:-1]:
                timer.watch(layer, 'forward', 'branches')
        for branch in model.bbox_head.head_module.box_branches:
            timer.watch(branch, 'forward', 'branches')
        timer.watch(model.bbox_head, 'predict_by_feat', 'decoding')
        timer.watch(detections, 'batch_nms', 'NMS')
        start = clock()
        model.predict(inputs, [sample(size)])
        whole = clock() - start
    seconds |= timer.seconds
    whole += seconds['resize']
    return seconds | dict(other=whole - sum(seconds.values()), whole=whole)


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
    shares = {
        number: median([1 - sum(run[part] for part in NETWORK) / run['whole'] for run in runs])
        for number, runs in results.items()}
    outside = ', '.join(f'{share:.1%} (K = {number:,})' for number, share in shares.items())
    first, last = list(results)[0], list(results)[-1]
    ratio = median([b['whole'] / a['whole'] for a, b in zip(
        results[first], results[last], strict=True)])
    return (f'{args.config}, {args.size} x {args.size}, {args.candidates:,} candidates, '
            f'{torch.get_num_threads()} threads, {args.device}, {clock_name()}, median of '
            f'{args.repeats}\n{table}\n'
            f'outside of {", ".join(NETWORK)}: {outside}\n'
            f'K = {last:,} takes {ratio:.2f} times as long as K = {first:,}')
