"""Count parameters and floating-point operations by component: ``get_flops.py CONFIG``.

No weights are needed: encoders that the config names on a model hub are built at random.
"""

import argparse

import torch
from benchmarks.random_model import build_random_model
from mmengine.config import DictAction
from prettytable import PrettyTable
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.utils.load_config import load_config

TEXT_SIDE = ('text_encoder', 'text_adapter')


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Count parameters and FLOPs')
    parser.add_argument('config', help='config file')
    parser.add_argument('--shape', type=int, nargs='+', default=[640, 640], metavar='SIDE',
                        help='height and width of the image, or one number for both')
    parser.add_argument('--prompts', type=int, default=80, help='number of prompts')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of the config')
    args = parser.parse_args()
    if len(args.shape) > 2:
        parser.error('--shape takes one or two numbers')
    args.shape = (args.shape * 2)[:2] if len(args.shape) == 1 else args.shape
    return args


def components(model: nn.Module) -> dict[str, nn.Module]:
    """The parts of the detector that get a line: its children, of the neck the grandchildren."""
    parts = {}
    for name, child in model.named_children():
        if name == 'neck':
            parts.update({f'neck.{part}': module for part, module in child.named_children()})
        elif any(True for _ in child.parameters()):
            parts[name] = child
    return parts


def count_parameters(module: nn.Module) -> tuple[int, int]:
    """The number of parameters, trained and frozen."""
    trained = sum(p.numel() for p in module.parameters() if p.requires_grad)
    return trained, sum(p.numel() for p in module.parameters()) - trained


@torch.no_grad()
def count_flops(model: nn.Module, shape: tuple[int, int], num_prompts: int) -> dict[str, int]:
    """Floating-point operations of one image by module name; '' is the whole model.

    A multiply-add counts as two; only matrix products and convolutions are counted. Modules that
    are not called themselves, such as lists, have no entry.
    """
    model.set_vocabulary([f'object number {index}' for index in range(num_prompts)])
    root = type(model).__name__
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, *shape), mode='tensor')
    counts = counter.get_flop_counts()
    return {name.removeprefix(root).lstrip('.'): sum(ops.values())
            for name, ops in counts.items() if name.startswith(root)}


def flops_of(name: str, flops: dict[str, int]) -> int:
    """Operations of a module, or of the members of a list of modules."""
    if name in flops:
        return flops[name]
    return sum(number for other, number in flops.items() if other.rpartition('.')[0] == name)


def report(model: nn.Module, flops: dict[str, int], num_prompts: int) -> str:
    """The table and its footnotes."""
    rows = [(name, *count_parameters(module), flops_of(name, flops))
            for name, module in components(model).items()]
    rows.append(('alignment', 0, 0, flops[''] - sum(row[-1] for row in rows)))
    total = ('whole model', *count_parameters(model), flops[''])
    text_encoder = next(row for row in rows if row[0] == 'text_encoder')
    image_side = (whole - text for whole, text in zip(total[1:], text_encoder[1:], strict=True))
    rows += [total, ('without text encoder', *image_side)]

    table = PrettyTable(['component', 'parameters', 'trained', 'frozen', 'GFLOPs'], align='r')
    table.align['component'] = 'l'
    for name, trained, frozen, operations in rows:
        millions = (f'{number / 1e6:.2f} M' for number in (trained + frozen, trained, frozen))
        table.add_row([name, *millions, f'{operations / 1e9:.2f}'], divider=name == 'alignment')
    return (f'{table}\nA multiply-add counts as two operations. {num_prompts} prompts; '
            f'{" and ".join(TEXT_SIDE)} run once per vocabulary, the rest once per image.')


def main() -> None:
    """Print the table."""
    args = parse_args()
    model = build_random_model(load_config(args.config, args.cfg_options))
    flops = count_flops(model, tuple(args.shape), args.prompts)
    print(f'{args.config}, image {args.shape[0]} x {args.shape[1]}')
    print(report(model, flops, args.prompts))


if __name__ == '__main__':
    main()
