"""Task ``stream``: resident memory while many small images go through the inferencer."""

import argparse
import gc
import resource
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from prettytable import PrettyTable

from expalign.utils import scratch_folder

from .comparison import MIB

CONFIG = 'configs/mini/expalign_mini.py'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the task."""
    parser.add_argument('--config', default=CONFIG, help='of a small model; weights are random')
    parser.add_argument('--images', type=int, default=10000)
    parser.add_argument('--size', type=int, default=64, help='side of the images in pixels')
    parser.add_argument('--batch', type=int, default=8)
    parser.add_argument('--rows', type=int, default=10, help='of the table')
    parser.add_argument('--device', default='cpu')


def run(args: argparse.Namespace) -> str:
    """Measure and describe."""
    from expalign.apis import ExpAlignInferencer
    from expalign.utils.load_config import load_config

    from .random_model import build_random_model
    cfg = load_config(args.config)
    shrink(cfg, args.size)
    model = build_random_model(cfg)
    with scratch_folder() as folder:
        weights = str(folder / 'random.pth')
        torch.save(dict(state_dict=model.state_dict()), weights)
        inferencer = ExpAlignInferencer(cfg, weights, args.device, show_progress=False)
        inferencer.set_vocabulary(['circle', 'square', 'triangle'])
        paths = write_pictures(folder, args.size)
        images = [paths[number % len(paths)] for number in range(args.images)]
        step = max(1, args.images // args.rows)
        table = PrettyTable(['images', 'resident (MiB)', 'images/s'], align='r')
        found, since = [], time.perf_counter()
        for number, _ in enumerate(inferencer.stream(images, batch_size=args.batch), start=1):
            if number % step == 0:
                gc.collect()
                found.append(resident())
                now = time.perf_counter()
                table.add_row(
                    [f'{number:,}', f'{found[-1] / MIB:.1f}', f'{step / (now - since):.1f}'])
                since = now
    growth = (found[-1] - found[0]) / MIB
    return (f'{args.config}, {args.size} x {args.size}, batches of {args.batch}, '
            f'{torch.get_num_threads()} threads\n{table}\n'
            f'from the first row to the last: {growth:+.1f} MiB')


def shrink(cfg, size: int) -> None:
    """Let the test pipeline make squares of ``size`` pixels."""
    for step in cfg.test_dataloader.dataset.pipeline:
        if 'scale' in step:
            step['scale'] = (size, size)


def write_pictures(folder: str, size: int, count: int = 50) -> list[str]:
    """Different pictures of noise."""
    rng = np.random.default_rng(0)
    paths = [str(Path(folder, f'{number}.png')) for number in range(count)]
    for path in paths:
        cv2.imwrite(path, rng.integers(0, 255, (size, size, 3), dtype=np.uint8))
    return paths


def resident() -> int:
    """Bytes that this process holds in memory now."""
    pages = Path('/proc/self/statm').read_text(encoding='utf-8').split()[1]
    return int(pages) * resource.getpagesize()
