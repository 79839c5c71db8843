"""What a fine-tuning run costs in zero-shot ability: the same set before and after training."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import EMAHook, Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from expalign.registry import HOOKS
from expalign.utils import finished_file
from expalign.utils.logged_progress import logged_progress

Metrics = dict[str, float]


@HOOKS.register_module()
class ZeroShotReportHook(Hook):
    """Tests the model on a set that it is not trained for, before the first and after the last
    step.

    Both results and their difference go to the log and to ``zero_shot_report.json`` in the work
    folder. The weights after training are the averaged ones where the run averages them, those
    that the checkpoints hold. A resumed run takes the result before training from the file.

    Args:
        dataloader: config of the set's dataloader, as ``val_dataloader``.
        evaluator: config of its metrics, as ``val_evaluator``.
    """

    # After the hook that averages weights has built its copy.
    priority = 'LOW'

    def __init__(self, dataloader: dict, evaluator: dict | list[dict]) -> None:
        self.dataloader = dataloader
        self.evaluator = evaluator

    def before_train(self, runner: Runner) -> None:
        """Test the weights that training starts from."""
        self.path = Path(runner.work_dir) / 'zero_shot_report.json'
        self.before: Metrics | None = None
        if runner.iter == 0:
            self.before = self._evaluate(runner)
            self._write(dict(before=self.before))
        elif self.path.is_file():
            self.before = json.loads(self.path.read_text(encoding='utf-8'))['before']
        else:
            print_log(
                f'{self.path} is not there: this resumed run cannot say what the zero-shot '
                'results were before training', 'current', logging.WARNING)

    def after_train(self, runner: Runner) -> None:
        """Test the final weights and report the difference."""
        with averaged_weights(runner):
            after = self._evaluate(runner)
        report = dict(before=self.before, after=after)
        if self.before is not None:
            report['change'] = {
                name: value - self.before[name] for name, value in after.items()
                if name in self.before}
        self._write(report)
        print_log(_table(report), 'current')

    def _evaluate(self, runner: Runner) -> Metrics:
        """Metrics of the current weights; hooks of validation are not called."""
        dataloader = runner.build_dataloader(self.dataloader, seed=runner.seed)
        evaluator = runner.build_evaluator(self.evaluator)
        evaluator.dataset_meta = dataloader.dataset.metainfo
        runner.model.eval()
        with torch.no_grad():
            for batch in logged_progress(dataloader, 'batches of the zero-shot set'):
                evaluator.process(data_samples=runner.model.val_step(batch), data_batch=batch)
        metrics = evaluator.evaluate(len(dataloader.dataset))
        return {name: float(value) for name, value in metrics.items()}

    def _write(self, report: dict) -> None:
        if is_main_process():
            with finished_file(self.path) as temporary:
                temporary.write_text(json.dumps(report, indent=1) + '\n', encoding='utf-8')


@contextmanager
def averaged_weights(runner: Runner) -> Iterator[None]:
    """Within it the model has the averaged weights, where a hook of the run averages them."""
    hooks = [hook for hook in runner.hooks if isinstance(hook, EMAHook)]
    for hook in hooks:
        hook.before_val_epoch(runner)
    try:
        yield
    finally:
        for hook in hooks:
            hook.after_val_epoch(runner)


def _table(report: dict) -> str:
    """One line a metric: before, after, change."""
    lines = ['zero-shot set: metric, before, after, change']
    for name, after in report['after'].items():
        row = [report['before'] and report['before'].get(name), after,
               report.get('change', {}).get(name)]
        cells = ['unknown' if value is None else f'{value:.4f}' for value in row[:2]]
        cells.append('unknown' if row[2] is None else f'{row[2]:+.4f}')
        lines.append(f'  {name}: ' + ', '.join(cells))
    return '\n'.join(lines)
