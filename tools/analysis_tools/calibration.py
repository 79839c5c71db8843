"""What scores mean: pooled F1 and AP, thresholds by name, how often a score is right.

    python tools/test.py CONFIG CHECKPOINT --out results.pkl
    python tools/analysis_tools/calibration.py CONFIG results.pkl

The images are the config's test set, with COCO annotations. All names' detections are in one list;
a box is right if it overlaps an instance of its name by IoU 0.5.
"""

import argparse
from collections.abc import Iterator

import numpy as np
from mmengine.config import DictAction

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.evaluation.pooled import Judged
from expalign.structures.thresholds import default_threshold
from expalign.utils.load_config import load_config

CURVE = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7)
EDGES = tuple(np.linspace(0, 1, 11))


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('results', help='predictions of tools/test.py --out')
    parser.add_argument(
        '--score-thr', type=float, help='default: that of as many prompts as there are classes')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
        help='override settings of the config; a list is written "[a,b]" without blanks')
    return parser.parse_args()


def annotation_file(cfg) -> str:
    """The annotations that the config's evaluator reads."""
    evaluators = cfg.test_evaluator
    for evaluator in evaluators if isinstance(evaluators, list | tuple) else [evaluators]:
        if evaluator.get('ann_file'):
            return evaluator['ann_file']
    raise SystemExit('the test_evaluator of this config names no ann_file: pooled figures need '
                     'COCO annotations')


def judged_detections(args: argparse.Namespace) -> tuple[Judged, list[str]]:
    """The detections of the test set, judged, and the classes."""
    from mmengine.registry import init_default_scope
    from tqdm import tqdm

    from expalign.evaluation.calibration import SampleJudge, gather
    from expalign.evaluation.coco_ground_truth import CocoGroundTruth
    from expalign.evaluation.results_file import load_results
    from expalign.registry import DATASETS
    cfg = load_config(args.config, args.cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    classes = list(DATASETS.build(cfg.test_dataloader.dataset).metainfo['classes'])
    judge = SampleJudge(CocoGroundTruth(annotation_file(cfg)), classes)
    results = tqdm(load_results(args.results), unit='image', disable=None, leave=False)
    return gather([judge(sample) for sample in results], len(classes)), classes


def report(judged: Judged, classes: list[str], score_thr: float) -> Iterator[str]:
    """The tables, line by line."""
    from expalign.evaluation.calibration import by_class
    from expalign.evaluation.metrics.pooled_metric import own_f1
    threshold, best = judged.best_threshold() or (float('nan'), 0.0)
    yield from (
        f'| pooled, {judged.truths.sum()} instances | |', '|---|---|',
        f'| AP50 | {judged.average_precision():.3f} |',
        f'| F1 at {score_thr:g} | {judged.f1(score_thr):.3f} |',
        f'| best F1 | {best:.3f} at {threshold:.3f} |',
        f'| F1 with a threshold of its own for each name | {own_f1(judged):.3f} |', '',
        '| threshold | F1 | shown | right |', '|---|---|---|---|')
    for value in CURVE:
        shown = judged.scores > value
        yield (f'| {value:g} | {judged.f1(value):.3f} | {shown.sum()} | '
               f'{judged.hits[shown].mean() if shown.any() else 0:.3f} |')
    yield from ('', '| score | detections | mean score | right |', '|---|---|---|---|')
    for low, high, number, mean, right in judged.reliability(EDGES):
        yield f'| {low:.1f} to {high:.1f} | {number} | {mean:.3f} | {right:.3f} |'
    yield from ('', '| name | instances | AP50 | best threshold | F1 there | F1 at '
                f'{score_thr:g} |', '|---|---|---|---|---|---|')
    for label, found in enumerate(by_class(judged)):
        mine = judged.of_class(label)
        if mine.truths.any():
            own = '- | 0.000' if found is None else f'{found[0]:.3f} | {found[1]:.3f}'
            yield (f'| {classes[label]} | {mine.truths.sum()} | {mine.average_precision():.3f} | '
                   f'{own} | {mine.f1(score_thr):.3f} |')


def main() -> None:
    """Judge and print."""
    args = parse_args()
    judged, classes = judged_detections(args)
    score_thr = args.score_thr
    if score_thr is None:
        score_thr = default_threshold(len(classes))
    print('\n'.join(report(judged, classes, score_thr)))


if __name__ == '__main__':
    main()
