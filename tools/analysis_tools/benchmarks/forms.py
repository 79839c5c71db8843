"""Task ``forms``: a whole image with the same model in other forms, next to the form as built.

- ``inference_mode``: under ``torch.inference_mode`` instead of ``torch.no_grad``.
- ``channels_last``: weights and image with channels last in memory.
- ``fused``: batch normalisation folded into convolutions (``mmcv.cnn.fuse_conv_bn``).
- ``fused_channels_last``: both.
- ``compiled``: image encoder and pyramid through ``torch.compile``, which needs a C++ compiler.
"""

import argparse
from collections.abc import Callable
from copy import deepcopy

import torch
from mmcv.cnn import fuse_conv_bn
from prettytable import PrettyTable
from torch import Tensor, nn

from expalign.utils.load_config import load_config

from .model import image, ready_model, sample
from .random_model import build_random_model, use_random_prompts
from .timing import clock_name, interleaved, median, seconds_of

FORMS = ('inference_mode', 'channels_last', 'fused', 'fused_channels_last', 'compiled')
PLAIN = 'as built'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the task."""
    parser.add_argument('--config', default='configs/expalign_cnxt_o365.py')
    parser.add_argument('--forms', nargs='+', choices=FORMS, default=FORMS[:-1])
    parser.add_argument('--prompts', type=int, default=80)
    parser.add_argument('--size', type=int, default=640, help='side of the image in pixels')
    parser.add_argument('--candidates', type=int, default=30000,
                        help='pairs of prior and prompt above the score threshold')
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--device', default='cpu')


def run(args: argparse.Namespace) -> str:
    """Measure and describe."""
    built = build_random_model(load_config(args.config))
    use_random_prompts(built)
    built = ready_model(built, args.prompts, args)
    inputs = image(built, args.size)
    runs, differences = {PLAIN: predictor(built, inputs, args.size)}, {PLAIN: 0.0}
    reference = runs[PLAIN]()
    for form in args.forms:
        runs[form] = make_form(form, built, inputs, args.size)
        differences[form] = largest_difference(reference, runs[form]())
    seconds = interleaved(
        {name: lambda call=call: seconds_of(call) for name, call in runs.items()}, args.repeats)
    table = PrettyTable(['form', 'ms', '/ as built', 'largest difference of a logit'], align='r')
    table.align['form'] = 'l'
    for name, values in seconds.items():
        ratio = median([a / b for a, b in zip(values, seconds[PLAIN], strict=True)])
        table.add_row([name, f'{1000 * median(values):.0f}', f'{ratio:.2f}',
                       f'{differences[name]:.1e}'])
    return (f'{args.config}, K = {args.prompts:,}, {args.size} x {args.size}, '
            f'{torch.get_num_threads()} threads, {args.device}, {clock_name()}, median of '
            f'{args.repeats}\n{table}')


def predictor(model: nn.Module, inputs: Tensor, size: int) -> Callable[[], list[Tensor]]:
    """Predicts an image and returns its logits per level."""
    @torch.no_grad()
    def call() -> list[Tensor]:
        seen: list[Tensor] = []
        handle = model.bbox_head.register_forward_hook(
            lambda module, args, output: seen.extend(output[0]))
        model.predict(inputs, [sample(size)])
        handle.remove()
        return seen
    return call


def make_form(
    form: str, built: nn.Module, inputs: Tensor, size: int
) -> Callable[[], list[Tensor]]:
    """The predictor of a form."""
    model = deepcopy(built)
    if form == 'inference_mode':
        return torch.inference_mode()(predictor(model, inputs, size))
    if form.startswith('fused'):
        model = fuse_conv_bn(model)
    if form.endswith('channels_last'):
        model = model.to(memory_format=torch.channels_last)
        inputs = inputs.to(memory_format=torch.channels_last)
    if form == 'compiled':
        model.backbone.compile()
        model.neck.pafpn.compile()
    return predictor(model, inputs, size)


def largest_difference(first: list[Tensor], second: list[Tensor]) -> float:
    """Between the logits of two forms."""
    return max((a - b).abs().max().item() for a, b in zip(first, second, strict=True))
