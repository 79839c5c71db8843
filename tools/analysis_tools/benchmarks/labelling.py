"""Task ``labelling``: photographs a second of ``expalign label``, by workers, start left out.

Each number of workers labels N photographs and 2 N; what the second run takes longer is N
photographs without the start of processes and models.
"""

import argparse
import os
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from prettytable import PrettyTable

from expalign.apis.labelling.crew import run_crew
from expalign.apis.labelling.label import run as run_labelling
from expalign.apis.labelling.labeller import Builder, Facts, ModelBuilder
from expalign.utils import scratch_folder
from expalign.utils.image_files import SUFFIXES

NONE = 'none'
SIDE = 640  # pixels that a photograph is scaled to where there is no model
PROMPTS = ('person', 'dog', 'cat', 'horse')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the task."""
    parser.add_argument('--photographs', default='demo/data/mini', help='folder of photographs, '
                        'which are labelled again and again under other names')
    parser.add_argument('--images', type=int, default=48, help='N')
    parser.add_argument('--workers', type=int, nargs='+', default=[1, 2])
    parser.add_argument('--threads', type=int, default=1, help='of the model')
    parser.add_argument('--batch', type=int, default=2)
    parser.add_argument('--model', default='expalign-s',
                        help="'none': photographs are read and scaled, and nothing is searched for")
    parser.add_argument('--wait', type=float, default=0.0, metavar='MS', help="milliseconds an "
                        "image that 'none' waits, as for a GPU")


@dataclass(frozen=True)
class Nothing:
    """A labeller that scales photographs, waits and finds nothing."""

    seconds: float = 0.0
    facts: Facts = Facts(list(PROMPTS), [0.5] * len(PROMPTS), NONE)

    def __call__(self, device: str, threads: int) -> 'Nothing':
        """Itself."""
        cv2.setNumThreads(0)
        return self

    def prepare(self, pixels: np.ndarray) -> np.ndarray:
        """The photograph in the model's size."""
        scale = SIDE / max(pixels.shape[:2])
        return cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)

    def label(self, prepared: Sequence[Any]) -> list[list[dict[str, Any]]]:
        """Nothing in any of them."""
        time.sleep(self.seconds * len(prepared))
        return [[] for _ in prepared]


def run(args: argparse.Namespace) -> str:
    """Measure and describe."""
    build: Builder = Nothing(args.wait / 1000) if args.model == NONE else ModelBuilder(
        args.model, prompts=PROMPTS)
    table = PrettyTable(['workers', 'images/s', 'CPU ms an image', 'bytes written an image'],
                        align='r')
    with scratch_folder() as folder:
        links = _links(Path(args.photographs), folder / 'photographs', 2 * args.images)
        for workers in args.workers:
            lists = [folder / f'{count}.txt' for count in (args.images, 2 * args.images)]
            runs = []
            for path, count in zip(lists, (args.images, 2 * args.images), strict=True):
                path.write_text('\n'.join(map(str, links[:count])))
                runs.append(_measure(path, folder / f'{workers}-{count}', build, workers, args))
            (wall, cpu, _), (wall2, cpu2, written) = runs
            table.add_row([workers, f'{args.images / max(wall2 - wall, 1e-9):.1f}',
                           f'{1000 * (cpu2 - cpu) / args.images:.0f}',
                           f'{written / (2 * args.images):,.0f}'])
        size = sum(path.stat().st_size for path in links) / len(links)
    return (f'{args.model}, {args.images} photographs of {size / 1000:,.0f} kB on average, batches '
            f'of {args.batch}, {args.threads} threads a worker\n{table}')


def _links(source: Path, folder: Path, count: int) -> list[Path]:
    photographs = sorted(path for path in source.rglob('*') if path.suffix.lower() in SUFFIXES)
    folder.mkdir()
    links = [folder / f'{number:06d}{photographs[number % len(photographs)].suffix}'
             for number in range(count)]
    for number, link in enumerate(links):
        os.symlink(photographs[number % len(photographs)].resolve(), link)
    return links


def _measure(photographs: Path, out: Path, build: Builder, workers: int,
             args: argparse.Namespace) -> tuple[float, float, int]:
    """Seconds, seconds of all processors in workers, bytes of their parts."""
    start, before = time.perf_counter(), _cpu()
    run_labelling([photographs], build, dict(model=args.model), out, ['jsonl'],
                  partial(run_crew, devices=['cpu'] * workers), args.batch, args.threads)
    written = sum(path.stat().st_size for path in (out / 'parts').iterdir())
    return time.perf_counter() - start, _cpu() - before, written


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
