"""Task ``train_step``: a training step by part, its memory, and what the text cache saves.

A step is forward pass, losses, backward pass and AdamW. The consistency losses (GACO and InfoNCE)
are measured again alone, forward and backward, on maps of the same size. With the image
encoder's features precomputed, the same step shows what a frozen encoder adds to memory.
"""

import argparse
from collections.abc import Callable

import torch
from prettytable import PrettyTable
from torch import Tensor, nn

from expalign.engine.step_cost import generated_batch
from expalign.structures.training_samples import TrainingSamples
from expalign.utils.load_config import load_config

from .comparison import MIB, peak_bytes
from .random_model import build_random_model
from .timing import PartTimer, clock, clock_name, interleaved, median, seconds_of

STRIDES = (8, 16, 32)
PARTS = ('text', 'backbone', 'pyramid', 'branches and alignment', 'detection losses',
         'consistency losses', 'backward', 'optimiser', 'other')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the task."""
    parser.add_argument('--config', default='configs/expalign_cnxt_o365.py')
    parser.add_argument('--batch', type=int, default=4)
    parser.add_argument('--prompts', type=int, default=80)
    parser.add_argument('--instances', type=int, default=8, help='of an image, with masks')
    parser.add_argument('--size', type=int, default=640, help='side of the images in pixels')
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--device', default='cpu')


def run(args: argparse.Namespace) -> str:
    """Measure and describe."""
    cfg = load_config(args.config)
    if cfg.model.get('consistency') is None:
        cfg.model.consistency = dict(type='expalign.ConsistencyRegularizer')
    model = build_random_model(cfg).to(args.device).train()
    images, samples = generated_batch(
        model, args.batch, args.size, args.prompts, args.instances)
    text = encode_twice(model, samples)
    step = Step(model, images, samples)
    alone = ConsistencyAlone(model.consistency, samples, args)
    found = interleaved(dict(
        step=step.by_part, consistency=lambda: seconds_of(alone)), args.repeats)
    memory = dict(step=peak_bytes(step), consistency=peak_bytes(alone))
    with torch.no_grad():
        features = model.backbone(images)
    model.backbone = Precomputed(features)
    memory['precomputed'] = peak_bytes(Step(model, images, samples))
    return report(args, found, memory, alone, features, text)


class Step:
    """A training step on the same batch again and again."""

    def __init__(self, model: nn.Module, images: Tensor, samples: TrainingSamples) -> None:
        self.model, self.images, self.samples = model, images, samples
        self.optimizer = torch.optim.AdamW(
            [p for p in model.parameters() if p.requires_grad], lr=0.0)
        self()  # the optimiser's state is there from the first step on

    def __call__(self) -> None:
        loss = self.losses()
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def losses(self) -> Tensor:
        """The sum of all losses."""
        return sum(self.model(self.images, self.samples, mode='loss').values())

    def by_part(self) -> dict[str, float]:
        """Seconds by part, and ``'whole'``."""
        model = self.model
        with PartTimer() as timer:
            timer.watch(model, '_encode_text', 'text')
            timer.watch(model.backbone, 'forward', 'backbone')
            timer.watch(model.neck, 'forward', 'branches and alignment')
            timer.watch(model.neck.pafpn, 'forward', 'pyramid')
            timer.watch(model.bbox_head, 'loss', 'detection losses')
            timer.watch(model.consistency, 'forward', 'consistency losses')
            timer.watch(self.optimizer, 'step', 'optimiser')
            start = clock()
            loss = self.losses()
            seconds = dict(backward=seconds_of(loss.backward))
            self.optimizer.step()
            self.optimizer.zero_grad()
            whole = clock() - start
        seconds |= timer.seconds
        return seconds | dict(other=whole - sum(seconds.values()), whole=whole)


class ConsistencyAlone:
    """Forward and backward pass of the consistency losses on random maps."""

    def __init__(
        self, losses: nn.Module, samples: TrainingSamples, args: argparse.Namespace
    ) -> None:
        self.losses, self.size = losses, (args.size, args.size)
        self.instances = samples.truth.to(args.device)
        self.maps = [
            torch.randn(args.batch, args.prompts, args.size // s, args.size // s,
                        device=args.device, requires_grad=True) for s in STRIDES]
        self.masks = torch.ones(args.batch, args.prompts, dtype=torch.bool, device=args.device)

    def __call__(self) -> None:
        terms = self.losses(self.maps, self.masks, self.instances, self.size)
        sum(terms.values()).backward()
        for maps in self.maps:
            maps.grad = None


class Precomputed(nn.Module):
    """An image encoder that has been run before."""

    def __init__(self, features: tuple[Tensor, ...]) -> None:
        super().__init__()
        self.features = features

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """The features, whatever the images."""
        return self.features


def encode_twice(model: nn.Module, samples: TrainingSamples) -> str:
    """Encode the batch's prompts as two iterations do; a line on time and cache."""
    texts = list(dict.fromkeys(text for sample in samples for text in sample.text))
    encode: Callable[[], object] = lambda: model.text_encoder(texts)  # noqa: E731
    before = model.text_encoder.cache_info()
    first, second = seconds_of(encode), seconds_of(encode)
    after = model.text_encoder.cache_info()
    return (f'{len(texts)} distinct prompts: {1000 * first:.0f} ms when they are new, '
            f'{1000 * second:.1f} ms from the cache; {after.misses - before.misses} encoded, '
            f'{after.hits - before.hits} found, {after.size} of at most {after.max_size} kept')


def report(
    args: argparse.Namespace, found: dict[str, list], memory: dict[str, int],
    alone: ConsistencyAlone, features: tuple[Tensor, ...], text: str,
) -> str:
    """The table and what it says about the consistency losses and the frozen encoder."""
    table = PrettyTable(['part', 'ms', '%'], align='r')
    table.align['part'] = 'l'
    steps = found['step']
    for part in (*PARTS, 'whole'):
        share = 100 * median([run.get(part, 0) / run['whole'] for run in steps])
        table.add_row([part, f'{1000 * median([run.get(part, 0) for run in steps]):.0f}',
                       f'{share:.1f}'], divider=part == PARTS[-1])
    share = 100 * median([
        one / run['whole'] for one, run in zip(found['consistency'], steps, strict=True)])
    kept = sum(x.nbytes for x in features)
    largest = memory['consistency'] / alone.maps[0].nbytes
    return '\n'.join([
        f'{args.config}, B = {args.batch}, K = {args.prompts}, {args.size} x {args.size}, '
        f'{torch.get_num_threads()} threads, {args.device}, {clock_name()}, median of '
        f'{args.repeats}', str(table),
        f'consistency losses alone, both passes: {share:.2f} % of the step; they hold at most '
        f'{largest:.2f} times the map of P3 at a time, gradients of the maps included',
        f'memory of a step: {memory["step"] / MIB:.0f} MiB; with features precomputed '
        f'{memory["precomputed"] / MIB:.0f} MiB and {kept / MIB:.0f} MiB of features',
        text])
