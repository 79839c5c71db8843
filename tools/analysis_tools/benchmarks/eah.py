"""Task ``eah``: expectation alignment next to other class heads, for prediction or training.

All start from the hidden maps of the class branch. Prediction: the static head is a sentence-level
one whose prompts are folded into a 1x1 convolution, once as a convolution, once as a matrix
product; "folded" is what the detector runs with a kept vocabulary. These give logits, scale and
bias included; the other heads stop at the maps. Training: forward and backward pass with batch
normalisation in training mode.
"""

import argparse
from collections.abc import Callable

import torch
from prettytable import PrettyTable
from torch import Tensor

from expalign.models.layers import TokenTable, fold_tokens, folded_alignment

from .class_heads import (
    EmbeddedHead,
    StaticHead,
    align_expectation,
    align_literal,
    align_sentence,
    random_prompts,
)
from .comparison import MIB, Measured, compare, table_bytes
from .timing import clock_name, median

STATIC = ('static head, convolution', 'static head, matmul')
FOLDED = 'expectation, folded'
SENTENCE, EXPECTATION, LITERAL = 'sentence-level head', 'expectation', 'literal Eqs 1-4'
MATMUL, COPY = 'matmul of the same size', 'copy of the same bytes'
STRIDES = (8, 16, 32)
LOGIT_TERMS = 1.07, -9.0  # factor and bias, near those that training starts from


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the task."""
    parser.add_argument('--train', action='store_true', help='forward and backward pass')
    parser.add_argument('--prompts', type=int, nargs='+', help='K; 80 and 1203, training: 80')
    parser.add_argument('--tokens', type=int, help='L; 8, training: 16')
    parser.add_argument('--batch', type=int, help='images; 1, training: 16')
    parser.add_argument('--short', action='store_true',
                        help='prompts of 2 to L tokens; otherwise all have L')
    parser.add_argument('--without-literal', action='store_true',
                        help='leave out the literal equations, which take most of the time')
    parser.add_argument('--channels', type=int, default=256, help='C, of the hidden maps')
    parser.add_argument('--width', type=int, default=768, help='D, of the tokens')
    parser.add_argument('--size', type=int, default=640, help='side of the image in pixels')
    parser.add_argument('--repeats', type=int, default=9)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--dtype', default='float32', choices=('float32', 'bfloat16', 'float16'),
                        help='of maps and weights; training runs under autocast')


def run(args: argparse.Namespace) -> str:
    """Measure and describe."""
    torch.manual_seed(0)
    if args.device != 'cpu':
        # As cuDNN does for the static convolution: otherwise two precisions are compared.
        torch.set_float32_matmul_precision('high')
    length = args.tokens or (16 if args.train else 8)
    batch = args.batch or (16 if args.train else 1)
    reports = [
        f'B = {batch}, L = {length}, {args.size} x {args.size}, C = {args.channels}, '
        f'D = {args.width}, {torch.get_num_threads()} threads, {args.device}, {args.dtype}, '
        f'{clock_name()}, median of {args.repeats}']
    for prompts in args.prompts or ([80] if args.train else [80, 1203]):
        case = Case(args, batch, prompts, length)
        reports.append(case.train() if args.train else case.predict())
    return '\n'.join(reports)


class Case:
    """Hidden maps and prompts of one size, and what is measured on them."""

    def __init__(self, args: argparse.Namespace, batch: int, prompts: int, length: int) -> None:
        self.args, self.prompts = args, prompts
        self.dtype = getattr(torch, args.dtype)
        tokens, self.masks = (x.to(args.device) for x in random_prompts(
            1 if not args.train else batch, prompts, length, args.width, not args.short))
        self.tokens = tokens if args.train else tokens.to(self.dtype)
        self.hidden = [
            torch.randn(batch, args.channels, args.size // s, args.size // s, device=args.device)
            for s in STRIDES]
        if not args.train:
            self.hidden = [x.to(self.dtype) for x in self.hidden]

    def head(self, align: Callable[..., Tensor]) -> EmbeddedHead:
        """A head of the case's widths."""
        head = EmbeddedHead(align, self.args.channels, self.args.width, len(STRIDES))
        return head.to(self.args.device)

    def embedded_heads(self) -> dict[str, Callable[..., Tensor]]:
        """The heads that embed the hidden maps first, by name."""
        heads = {SENTENCE: align_sentence, EXPECTATION: align_expectation}
        return heads if self.args.without_literal else heads | {LITERAL: align_literal}

    @torch.inference_mode()
    def predict(self) -> str:
        """The table of prediction."""
        args = self.args
        statics = [
            StaticHead(args.channels, self.prompts, len(STRIDES), as_matmul).to(
                args.device, self.dtype) for as_matmul in (False, True)]
        plain = self.head(align_expectation).eval()
        table = fold_tokens(
            zip(plain.convs, plain.norms, strict=True), self.tokens[0].float(), self.masks[0]
        ).with_logits([LOGIT_TERMS] * len(STRIDES))
        variants = self.limits() | {
            STATIC[0]: lambda: statics[0](self.hidden),
            STATIC[1]: lambda: statics[1](self.hidden),
            FOLDED: lambda: folded_alignment(self.hidden, table).logits()}
        for name, align in self.embedded_heads().items():
            head = self.head(align).eval().to(self.dtype)
            variants[name] = lambda head=head: head(self.hidden, self.tokens, self.masks)
        return self.prediction_report(compare(variants, args.repeats), table)

    def limits(self) -> dict[str, Callable[[], object]]:
        """The product of maps with one vector a prompt, and a copy of what it reads and writes."""
        weight = self.hidden[0].new_zeros(self.prompts, self.args.channels)
        cells = [x.flatten(2).transpose(0, 1).flatten(1) for x in self.hidden]
        moved = sum(x.numel() + weight.numel() + self.prompts * x.shape[1] for x in cells)
        source, target = (weight.new_zeros(moved // 2) for _ in range(2))
        return {MATMUL: lambda: [weight @ x for x in cells], COPY: lambda: target.copy_(source)}

    def prediction_report(self, found: dict[str, Measured], folded: TokenTable) -> str:
        """Times relative to the faster static head and to the matrix product."""
        static = found[min(STATIC, key=lambda name: median(found[name].seconds))]
        table = new_table(f'K = {self.prompts:,}', '/ static', '/ matmul', 'memory / static')
        for name, one in found.items():
            table.add_row([*describe(name, one), f'{one.ratio(static):.2f}',
                           f'{one.ratio(found[MATMUL]):.2f}', f'{one.peak / static.peak:.2f}'])
        return (f'{table}\nexpectation, folded / sentence-level head: '
                f'{found[FOLDED].ratio(found[SENTENCE]):.2f}; table of {folded.keys.shape[1]:,} '
                f'tokens, kept: {table_bytes(folded) / MIB:.1f} MiB')

    def train(self) -> str:
        """The table of training."""
        leaves = [x.requires_grad_() for x in (*self.hidden, self.tokens)]
        variants = {}
        for name, align in self.embedded_heads().items():
            variants[name] = self.step(self.head(align).train(), leaves)
        found = compare(variants, self.args.repeats)
        base = found[SENTENCE]
        table = new_table(f'K = {self.prompts:,}', '/ sentence', 'memory / sentence')
        for name, one in found.items():
            table.add_row([*describe(name, one), f'{one.ratio(base):.2f}',
                           f'{one.peak / base.peak:.2f}'])
        if LITERAL not in found:
            return str(table)
        ours, literal = found[EXPECTATION], found[LITERAL]
        time = median([(a - c) / (b - c) for a, b, c in zip(
            ours.seconds, literal.seconds, base.seconds, strict=True)])
        memory = (ours.peak - base.peak) / (literal.peak - base.peak)
        return (f'{table}\nof what the literal equations cost above the sentence-level head: '
                f'{time:.3f} of the time, {memory:.3f} of the memory')

    def step(self, head: EmbeddedHead, leaves: list[Tensor]) -> Callable[[], None]:
        """A forward and backward pass of a head."""
        def call() -> None:
            with torch.autocast(
                    self.args.device, self.dtype, enabled=self.dtype != torch.float32):
                maps = head(self.hidden, self.tokens, self.masks)
            sum(x.float().square().mean() for x in maps).backward()
            for leaf in (*leaves, *head.parameters()):
                leaf.grad = None
        return call


def new_table(first: str, *others: str) -> PrettyTable:
    """A table whose rows start as :func:`describe` says."""
    table = PrettyTable([first, 'ms', 'GFLOP', 'memory (MiB)', *others], align='r')
    table.align[first] = 'l'
    return table


def describe(name: str, one: Measured) -> list[str]:
    """The first cells of a row."""
    return [name, f'{1000 * median(one.seconds):.2f}', f'{one.flops / 1e9:.2f}',
            f'{one.peak / MIB:.2f}']
