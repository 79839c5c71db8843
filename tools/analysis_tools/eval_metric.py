"""Evaluate saved predictions again, without inference.

    python tools/test.py CONFIG CHECKPOINT --out results.pkl
    python tools/analysis_tools/eval_metric.py CONFIG results.pkl

The metrics are those of the config's ``test_evaluator``; ``--cfg-options`` changes them.
"""

import argparse

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.utils.load_config import load_config


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    from mmengine.config import DictAction
    parser = argparse.ArgumentParser(description='Evaluate saved predictions')
    parser.add_argument('config', help='config file')
    parser.add_argument('results', help='file that tools/test.py --out wrote')
    parser.add_argument(
        '--json-prefix', metavar='PREFIX', help='also write result files for the official tools')
    parser.add_argument(
        '--format-only', action='store_true', help='write these files and do not evaluate')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
        help='override settings of the config; a list is written "[a,b]" without blanks')
    args = parser.parse_args()
    if args.format_only and args.json_prefix is None:
        parser.error('--format-only needs --json-prefix')
    return args


def main() -> dict[str, float]:
    """Evaluate and print."""
    args = parse_args()
    cfg = load_config(args.config, args.cfg_options)
    from mmengine.evaluator import Evaluator
    from mmengine.registry import EVALUATOR, init_default_scope

    from expalign.engine.result_export import set_json_prefix
    from expalign.evaluation.results_file import load_results
    from expalign.registry import DATASETS
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    if args.json_prefix is not None:
        set_json_prefix(cfg.test_evaluator, args.json_prefix, args.format_only)
    results = load_results(args.results)
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    if len(results) != len(dataset):
        raise ValueError(f'{args.results} has predictions of {len(results)} images, the data set '
                         f'of {args.config} has {len(dataset)}: they are not of the same test')
    evaluator = cfg.test_evaluator
    if isinstance(evaluator, dict) and 'metrics' in evaluator:
        evaluator = EVALUATOR.build(evaluator)
    else:
        evaluator = Evaluator(evaluator)
    evaluator.dataset_meta = dataset.metainfo
    scores = evaluator.offline_evaluate(results)
    for name, value in scores.items():
        print(f'{name}: {value}')
    return scores


if __name__ == '__main__':
    main()
