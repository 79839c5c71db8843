"""The best and the last weights of a run, in files of what was trained."""

from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from expalign.checkpoints.trained_part import save_trained_part
from expalign.registry import HOOKS

from .zero_shot_report_hook import averaged_weights

KEPT = 'best_trained_part'  # in the message hub: a resumed run goes on from it


@HOOKS.register_module()
class TrainedPartHook(Hook):
    """Writes ``best.safetensors`` and ``last.safetensors`` into the work folder.

    See :mod:`expalign.checkpoints.trained_part`. Weights are the averaged ones where
    the run averages them. Where nothing is validated there is the last one alone.

    Args:
        metric: of the validation, the larger the better.
    """

    # After the hook that averages weights has put them in, and before it takes them out.
    priority = 'ABOVE_NORMAL'

    def __init__(self, metric: str = 'coco/bbox_mAP') -> None:
        self.metric = metric

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Keep weights that are better than all before."""
        value = (metrics or {}).get(self.metric)
        best = runner.message_hub.get_info(KEPT) if KEPT in runner.message_hub.runtime_info else -1
        if value is not None and float(value) > best:
            runner.message_hub.update_info(KEPT, float(value))
            self._save(runner, 'best')

    def after_train(self, runner: Runner) -> None:
        """Keep the last weights."""
        with averaged_weights(runner):
            self._save(runner, 'last')

    def _save(self, runner: Runner, name: str) -> None:
        if is_main_process():
            model = runner.model.module if is_model_wrapper(runner.model) else runner.model
            save_trained_part(
                model, runner.cfg, Path(runner.work_dir) / f'{name}.safetensors',
                runner.cfg.get('load_from'), epoch=str(runner.epoch))
