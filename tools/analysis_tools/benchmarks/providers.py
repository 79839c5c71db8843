"""Task ``providers``: an image in PyTorch and by each execution provider of onnxruntime, in turns.

Needs an export: ``tools/deploy/export_onnx.py CONFIG CKPT -o FOLDER/m.onnx --text-side
FOLDER/text.onnx``, and the package of onnxruntime with the providers, of which there can be one.
"""

import argparse
from collections.abc import Callable

import torch
from prettytable import PrettyTable

from expalign.deploy.parity import Parity
from expalign.runtime import OnnxDetector
from expalign.structures.detections import Detections

from .timing import clock_name, interleaved, median, seconds_of

DEFAULT = 'CPUExecutionProvider'
PHOTOGRAPH = 'demo/data/mini/val2017/000000160012.jpg'
THRESHOLD = 0.05  # lowest score of the boxes that are compared


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the task."""
    parser.add_argument('--onnx', required=True, help='folder of the export')
    parser.add_argument('--model', default='expalign-s', help='what was exported, for PyTorch')
    parser.add_argument('--weights', help='checkpoint, where the model is a config')
    parser.add_argument('--image', default=PHOTOGRAPH)
    parser.add_argument('--texts', default='coco', help='prompts, or the name of a vocabulary')
    parser.add_argument('--providers', nargs='+', metavar='NAME',
                        help='of onnxruntime; default: all that can run on a CPU')
    parser.add_argument('--repeats', type=int, default=15)


def run(args: argparse.Namespace) -> str:
    """Measure and describe."""
    import cv2
    import onnxruntime

    from expalign.apis import ExpAlignInferencer
    from expalign.apis.texts import read_vocabulary
    image, prompts = cv2.imread(args.image), read_vocabulary(args.texts)
    threads = torch.get_num_threads()
    inferencer = ExpAlignInferencer(args.model, args.weights, 'cpu', show_progress=False)
    inferencer.set_vocabulary(prompts)
    programs: dict[str, Callable[[], Detections]] = {
        f'PyTorch {torch.__version__}': lambda: inferencer.detect(image, score_thr=THRESHOLD)}
    for name in args.providers or providers_of_cpus(onnxruntime.get_available_providers()):
        detector = OnnxDetector(args.onnx, providers=[with_threads(name, threads)], threads=threads)
        detector.set_vocabulary(prompts)
        programs[name] = lambda detector=detector: detector(image, score_thr=THRESHOLD)[0]
    expected = next(iter(programs.values()))()
    parities = {name: Parity() for name in programs}
    for name, program in programs.items():
        parities[name].add(program(), expected)
    seconds = interleaved(
        {name: lambda program=program: seconds_of(program) for name, program in programs.items()},
        args.repeats)
    return report(seconds, parities, f'{args.model}, {len(prompts)} prompts, onnxruntime '
                  f'{onnxruntime.__version__}, {threads} threads, {clock_name()}')


def report(seconds: dict[str, list[float]], parities: dict[str, Parity], title: str) -> str:
    """The table: medians, ratios of neighbouring runs to onnxruntime's own provider, boxes."""
    table = PrettyTable(['program', 'ms an image', f'/ {DEFAULT}', 'boxes', 'without counterpart',
                         'worst score'], align='r')
    base = seconds.get(DEFAULT, next(iter(seconds.values())))
    for name, own in seconds.items():
        parity = parities[name]
        table.add_row([
            name, f'{1000 * median(own):.0f}',
            f'{median([a / b for a, b in zip(own, base, strict=True)]):.2f}', parity.boxes,
            parity.unmatched, f'{parity.worst_score:.0e}'])
    return f'{title}\n{table}'


def providers_of_cpus(available: list[str]) -> list[str]:
    """The default first, then others that run on CPUs."""
    return [DEFAULT, *(name for name in available if name == 'OpenVINOExecutionProvider')]


def with_threads(name: str, threads: int) -> str | tuple[str, dict[str, str]]:
    """A provider with so many threads; the default one takes them from the session."""
    if name != 'OpenVINOExecutionProvider':
        return name
    return name, dict(device_type='CPU', num_of_threads=str(threads))

