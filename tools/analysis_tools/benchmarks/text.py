"""Task ``text``: prompts by the way they take: encoder, cache, adapter, folding.

The second table draws the prompts of training batches: the classes of a detection set and, by a
falling frequency, phrases. It shows how many of a batch's prompts a bounded cache finds.
"""

import argparse

import numpy as np
import torch
from prettytable import PrettyTable

from expalign.models.layers import TokenTable
from expalign.models.text_encoders.token_cache import TokenCache
from expalign.utils.load_config import load_config

from .comparison import MIB, table_bytes
from .random_model import RandomTokens, build_random_model, token_width
from .timing import clock_name, interleaved, median, seconds_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the task."""
    parser.add_argument('--config', default='configs/expalign_cnxt_o365.py')
    parser.add_argument('--prompts', type=int, nargs='+', default=[80, 1203])
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--cache-sizes', type=int, nargs='+', default=[1000, 10000],
                        help='prompts that the cache of the second table holds')
    parser.add_argument('--iterations', type=int, default=300, help='training batches drawn')
    parser.add_argument('--batch', type=int, default=16)
    parser.add_argument('--classes', type=int, default=365)
    parser.add_argument('--phrases', type=int, default=50000)


def run(args: argparse.Namespace) -> str:
    """Measure and describe."""
    model = build_random_model(load_config(args.config)).to(args.device)
    table = PrettyTable(['K', 'encoder (ms)', 'cache (ms)', 'adapter (ms)', 'folding (ms)',
                         'folded table (MiB)'], align='r')
    with torch.no_grad():
        for prompts in args.prompts:
            table.add_row(measure(model, prompts, args.repeats))
    hits = PrettyTable(['cache holds', 'prompts an iteration', 'found', 'found in the last half'],
                       align='r')
    for size in args.cache_sizes:
        hits.add_row(simulate(size, args))
    return (f'{args.config}, {torch.get_num_threads()} threads, {args.device}, {clock_name()}, '
            f'median of {args.repeats}\n{table}\nB = {args.batch}, 80 prompts an image, '
            f'{args.classes} classes and {args.phrases:,} phrases, {args.iterations} iterations\n'
            f'{hits}')


def measure(model: torch.nn.Module, prompts: int, repeats: int) -> list[str]:
    """A row of the first table."""
    encoder = model.text_encoder
    texts = [f'object number {index}' for index in range(prompts)]
    feats, masks = RandomTokens(token_width(model))(texts)
    feats, masks = feats.to(encoder.device), masks.to(encoder.device)
    adapted, adapted_masks = model.text_adapter(feats, masks)

    def fold() -> TokenTable:
        return model.bbox_head.head_module.fold(model.neck.fold_tokens(adapted, adapted_masks))

    def encode() -> float:
        encoder._forget()
        return seconds_of(lambda: encoder(texts))

    found = interleaved(dict(
        encoder=encode, cache=lambda: seconds_of(lambda: encoder(texts)),
        adapter=lambda: seconds_of(lambda: model.text_adapter(feats, masks)),
        folding=lambda: seconds_of(fold)), repeats)
    return [f'{prompts:,}', *(f'{1000 * median(values):.1f}' for values in found.values()),
            f'{table_bytes(fold()) / MIB:.1f}']


def simulate(size: int, args: argparse.Namespace) -> list[str]:
    """A row of the second table: what a cache of ``size`` prompts finds."""
    generator = torch.Generator().manual_seed(0)
    cache, rates, counts = TokenCache(size), [], []
    frequency = 1 / torch.arange(1, args.phrases + 1, dtype=torch.double)
    nothing = np.zeros(0, dtype=np.int64)
    for _ in range(args.iterations):
        prompts = set()
        for image in range(args.batch):
            if image % 2:  # of a detection set: its classes, drawn as negatives too
                drawn = torch.randperm(args.classes, generator=generator)[:80]
                prompts |= {f'class {i}' for i in drawn.tolist()}
            else:
                drawn = torch.multinomial(frequency, 80, generator=generator)
                prompts |= {f'phrase {i}' for i in drawn.tolist()}
        missing = [prompt for prompt, rows in cache.get(sorted(prompts)).items() if rows is None]
        for prompt in missing:
            cache.put(prompt, nothing)
        rates.append(1 - len(missing) / len(prompts))
        counts.append(len(prompts))
    info = cache.info()
    late = rates[len(rates) // 2:]
    return [f'{info.max_size:,}', f'{sum(counts) / len(counts):.0f}',
            f'{100 * info.hits / (info.hits + info.misses):.1f} %',
            f'{100 * sum(late) / len(late):.1f} %']
