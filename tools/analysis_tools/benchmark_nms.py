"""Time mmcv's NMS here and, side by side, in an mmcv with compiled operators.

    python tools/analysis_tools/benchmark_nms.py --compiled FOLDER

FOLDER is where ``pip install --no-deps --target FOLDER`` put the compiled mmcv; a worker process
with FOLDER on its path times the same boxes. The two take turns within every repeat, so a busy
machine slows both. The ratio is this environment's time over the compiled one's.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import zlib
from collections.abc import Callable

import mmcv
import numpy as np
import torch

import expalign  # noqa: F401  (before mmcv.ops: the compatibility layer)
from expalign.compat import mmcv_ops_compiled

SIZES = (1_000, 5_000, 30_000)
LAYOUTS = ('scattered', 'clustered')
OPERATORS = ('nms', 'batched_nms')
CLASSES = 80
IOU_THRESHOLD = 0.7


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Time NMS against compiled mmcv')
    parser.add_argument('--compiled', metavar='FOLDER', help='folder with a compiled mmcv')
    parser.add_argument('--repeats', type=int, default=9, help='times per row (median is shown)')
    parser.add_argument('--sizes', type=int, nargs='+', default=SIZES, help='numbers of boxes')
    parser.add_argument('--worker', action='store_true', help=argparse.SUPPRESS)
    return parser.parse_args()


def make_boxes(layout: str, count: int) -> tuple[torch.Tensor, ...]:
    """Boxes (N, 4) in a 640 x 640 image, scores (N, ) and classes (N, ), from a fixed seed.

    'scattered': hardly any overlap, most boxes stay; 'clustered': about 50 boxes an object.
    """
    rng = np.random.default_rng(count)
    centres, sides = rng.uniform(0, 640, (count, 2)), rng.uniform(4, 120, (count, 2))
    if layout == 'clustered':
        owner = rng.integers(0, max(count // 50, 1), count)
        centres = centres[owner] + rng.normal(0, 4, (count, 2))
        sides = sides[owner] * np.exp(rng.normal(0, 0.15, (count, 2)))
    boxes = np.concatenate([centres - sides / 2, centres + sides / 2], 1).astype(np.float32)
    scores = rng.random(count).astype(np.float32)
    return tuple(map(torch.from_numpy, (boxes, scores, rng.integers(0, CLASSES, count))))


def make_call(operator: str, layout: str, count: int) -> Callable[[], torch.Tensor]:
    """A function without arguments that runs the operator and returns the kept indices."""
    from mmcv.ops import batched_nms, nms
    boxes, scores, classes = make_boxes(layout, count)
    if operator == 'nms':
        return lambda: nms(boxes, scores, IOU_THRESHOLD)[1]
    config = dict(type='nms', iou_threshold=IOU_THRESHOLD)
    return lambda: batched_nms(boxes, scores, classes, config)[1]


def run_once(call: Callable[[], torch.Tensor]) -> tuple[float, int]:
    """Seconds of one call, and a checksum of what it kept."""
    start = time.perf_counter()
    keep = call()
    return time.perf_counter() - start, zlib.crc32(keep.numpy().tobytes())


def serve() -> None:
    """Worker: for each request line (operator, layout, count, or a bare repeat), time one call."""
    print(json.dumps([mmcv.__file__, mmcv_ops_compiled()]), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if request:
            call = make_call(*request)
        print(json.dumps(run_once(call)), flush=True)


class Worker:
    """A process that times the same calls with the mmcv of ``folder``."""

    def __init__(self, folder: str) -> None:
        path = [folder, *filter(None, [os.environ.get('PYTHONPATH')])]
        self.process = subprocess.Popen(
            [sys.executable, __file__, '--worker'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            encoding='utf-8', env={**os.environ, 'PYTHONPATH': os.pathsep.join(path)})
        file, compiled = self._read()
        if not compiled or not file.startswith(os.path.abspath(folder)):
            self.close()
            raise SystemExit(f'--compiled {folder}: no compiled mmcv there (found {file}); install '
                             f'one with pip install --no-deps --target {folder} WHEEL')

    def _read(self) -> list:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit('the worker with the compiled mmcv ended: see its error above')
        return json.loads(line)

    def time(self, request: tuple | None) -> tuple[float, int]:
        """Time one call; ``None`` repeats the last request."""
        self.process.stdin.write(json.dumps(request) + '\n')
        self.process.stdin.flush()
        return tuple(self._read())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def measure(request: tuple, repeats: int, worker: Worker | None) -> tuple[float, float | None]:
    """Median seconds here and in the worker, after one untimed call of each."""
    call = make_call(*request)
    here, there = [], []
    keep = run_once(call)[1]
    if worker is not None and worker.time(request)[1] != keep:
        raise SystemExit(f'{request}: the two keep different boxes')
    for _ in range(repeats):
        here.append(run_once(call)[0])
        if worker is not None:
            there.append(worker.time(None)[0])
    return statistics.median(here), statistics.median(there) if there else None


def main() -> None:
    """Print the table."""
    args = parse_args()
    torch.set_num_threads(1)
    if args.worker:
        serve()
        return
    worker = Worker(args.compiled) if args.compiled else None
    kind = 'compiled mmcv' if mmcv_ops_compiled() else "expalign's NMS"
    first = run_once(make_call('nms', 'clustered', args.sizes[0]))[0]
    print(f'{kind}; first call (loads the machine code, or compiles it): {first:.2f} s')
    print(f'{"operator":<12}{"layout":<11}{"boxes":>7}{"ms here":>10}{"compiled":>10}{"ratio":>7}')
    for request in ((o, la, n) for o in OPERATORS for la in LAYOUTS for n in args.sizes):
        here, there = measure(request, args.repeats, worker)
        row = '{:<12}{:<11}{:>7}'.format(*request) + f'{here * 1e3:>10.2f}'
        print(row if there is None else f'{row}{there * 1e3:>10.2f}{here / there:>7.2f}')
    if worker is not None:
        worker.close()


if __name__ == '__main__':
    main()
