"""How thresholds of classes are best chosen: ``python tools/misc/own_data_thresholds.py RUN...``.

Every RUN is a folder that ``expalign train`` wrote. Its best weights find the validation images'
boxes; thresholds are chosen on a half of these images and their F1, over all classes' boxes, is
measured on the other half, in 40 halvings. A row a run, in Markdown.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from expalign.utils import run_command

HALVINGS = 40
PRIORS = (0, 2, 10, 50)
COLUMNS = ('run', 'images', 'classes', 'zero-shot default', *(
    f'own, {prior} more' if prior else 'own' for prior in PRIORS), 'one for all')


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('runs', nargs='+', type=Path, metavar='RUN')
    return parser.parse_args()


def judged_images(run: Path) -> list:
    """The validation images of a run, judged, boxes chosen as when its classes are drawn."""
    from expalign.apis.own_data.measure import measure
    from expalign.apis.own_data.results import BEST, without_others
    from expalign.evaluation.found_and_true import judge_image
    from expalign.utils.load_config import load_config
    cfg = load_config(run / 'config.py')
    with tempfile.TemporaryDirectory() as folder:
        images = measure(cfg, run / BEST, folder).images
    if cfg.model.known_classes.exclusive:
        images = list(map(without_others, images))
    return [judge_image(image, len(cfg.classes)) for image in images]


def halves(number: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Places to choose on and to measure on, both ways of each halving."""
    generator = np.random.default_rng(0)
    for _ in range(HALVINGS):
        order = generator.permutation(number)
        yield order[:number // 2], order[number // 2:]
        yield order[number // 2:], order[:number // 2]


def pooled_f1(judged, thresholds: Sequence[float]) -> float:
    """F1 of all classes' boxes, each class at its threshold."""
    shown = judged.scores > np.asarray(thresholds)[judged.labels]
    return 2 * judged.hits[shown].sum() / max(shown.sum() + judged.truths.sum(), 1)


def figures(images: Sequence) -> list[float]:
    """Mean F1 of the ways to choose."""
    from expalign.evaluation.calibration import gather
    from expalign.structures.thresholds import default_threshold
    number = len(images[0].truths)
    default, rows = default_threshold(number), []
    for chosen, measured in halves(len(images)):
        fit, test = (gather([images[i] for i in part], number) for part in (chosen, measured))
        best = fit.best_threshold()
        ways = [[default] * number, *(fit.class_thresholds(prior) for prior in PRIORS),
                [default if best is None else best[0]] * number]
        rows.append([pooled_f1(test, [default if value is None else value for value in way])
                     for way in ways])
    return np.mean(rows, axis=0).tolist()


def main() -> None:
    """Measure and print."""
    args = parse_args()
    print('| ' + ' | '.join(COLUMNS) + ' |\n|' + '---|' * len(COLUMNS), flush=True)
    for run in args.runs:
        images = judged_images(run)
        cells = [run.name, len(images), len(images[0].truths),
                 *(f'{value:.3f}' for value in figures(images))]
        print('| ' + ' | '.join(map(str, cells)) + ' |', flush=True)


if __name__ == '__main__':
    run_command(main)
