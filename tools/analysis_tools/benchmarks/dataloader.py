"""Task ``dataloader``: images a second of a config's training loader.

With ``--workers 8 16`` the loader runs as in training, with so many processes, and collates its
batches; ``--step-rate`` says how many images a second a training step takes. Without, the pipeline
is timed in this process, next to mmyolo's own and step by step; see :mod:`.loader_comparison`.
"""

import argparse
import itertools
import os
import time

import cv2
import torch
from mmengine.config import Config, DictAction
from mmengine.runner import Runner
from prettytable import PrettyTable

from expalign.utils.load_config import load_config

from .loader_comparison import compare_pipelines

BATCHES_AHEAD = 2  # of each worker, which torch loads before they are asked for


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the task."""
    parser.add_argument('config', help='config file')
    parser.add_argument('--workers', type=int, nargs='+', metavar='N',
                        help='numbers of processes; without it, this process alone')
    parser.add_argument('--batches', type=int, default=40, help='timed, for each number')
    parser.add_argument('--step-rate', type=float, metavar='R',
                        help='images a second that a training step takes, to compare with')
    parser.add_argument('--pipeline', metavar='NAME', help='a pipeline of the config, by its name')
    parser.add_argument('--samples', type=int, default=64, help='samples of each pipeline a round')
    parser.add_argument('--rounds', type=int, default=7, help='rounds; the medians are shown')
    parser.add_argument('--seed', type=int, default=0, help='seed of the random transforms')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of the config')


def run(args: argparse.Namespace) -> str:
    """Measure and describe.

    Raises:
        ValueError: the config has no such pipeline.
    """
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    cfg = load_config(args.config, args.cfg_options)
    if args.pipeline:
        if args.pipeline not in cfg:
            names = sorted(name for name in cfg if 'pipeline' in name)
            raise ValueError(f'{args.config} has no {args.pipeline!r}; it has {", ".join(names)}')
        cfg.train_dataloader.dataset.pipeline = cfg[args.pipeline]
    if not args.workers:
        return compare_pipelines(cfg, args.samples, args.rounds, args.seed)
    table = PrettyTable(
        ['workers', 'images/s', 'images/s a worker', "of a step's rate",
         'ms a batch, this process'], align='r')
    for workers in args.workers:
        rate, taking = loader_rate(cfg, workers, args.batches, args.seed)
        table.add_row([workers, f'{rate:.1f}', f'{rate / max(workers, 1):.1f}',
                       f'{rate / args.step_rate:.2f}' if args.step_rate else '-',
                       f'{1000 * taking:.1f}'])
    return (f'{args.config}, batches of {cfg.train_dataloader.batch_size}, '
            f'{args.batches} timed, {os.cpu_count()} cores, wall-clock time; CPU time of this '
            f'process\n{table}')


def loader_rate(cfg: Config, workers: int, batches: int, seed: int) -> tuple[float, float]:
    """The training loader, once its workers are busy.

    Returns:
        Images a second, and the CPU seconds of a batch in the process that takes it, which no
        number of workers makes less.
    """
    settings = dict(
        cfg.train_dataloader, num_workers=workers, persistent_workers=False,
        sampler=dict(type='mmengine.InfiniteSampler', shuffle=True))
    # Memory is pinned for a GPU alone.
    settings['pin_memory'] = settings.get('pin_memory', False) and torch.cuda.is_available()
    loader = iter(Runner.build_dataloader(settings, seed=seed))
    # What was loaded ahead while nobody asked does not count.
    for _ in itertools.islice(loader, BATCHES_AHEAD * workers + 1):
        pass
    start, taking, images = time.perf_counter(), time.process_time(), 0
    for batch in itertools.islice(loader, batches):
        images += len(batch['inputs'])
    return (images / (time.perf_counter() - start),
            (time.process_time() - taking) / batches)
