"""Checkpoints that load without trusting them, and that a killed run can rely on."""

from collections.abc import Mapping

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from expalign.engine.plain_state import history_from_plain, to_plain
from expalign.registry import HOOKS

# Names of weights to tensors: plain by nature.
WEIGHTS = ('state_dict', 'ema_state_dict')


@HOOKS.register_module()
class PlainCheckpointHook(CheckpointHook):
    """:class:`mmengine.CheckpointHook` whose files pass ``torch.load(..., weights_only=True)``.

    Optimizer, schedulers, message hub and meta data are saved as plain data (see
    :func:`~expalign.engine.plain_state.to_plain`) and restored on resuming. Checkpoints of
    mmengine's own hook can be resumed too, with ``--trust-checkpoint``.

    An outdated checkpoint is removed after the new one is written; mmengine does so before, which
    leaves a run that is killed in between without any where ``max_keep_ckpts`` is 1.

    Args:
        kwargs: as of the parent.
    """

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Convert what other hooks (the moving average) have left; this hook comes last."""
        for name, value in checkpoint.items():
            if name not in WEIGHTS:
                checkpoint[name] = to_plain(value, f'checkpoint[{name!r}]')

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Give the message hub its histories back."""
        hub = checkpoint.get('message_hub')
        if isinstance(hub, Mapping):
            hub['log_scalars'] = {
                name: history_from_plain(value) for name, value in hub['log_scalars'].items()}

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        number, outdated = self.max_keep_ckpts, None
        if number > 0 and step not in self.keep_ckpt_ids:
            if len(self.keep_ckpt_ids) == number:
                outdated = self.keep_ckpt_ids.popleft()
            self.keep_ckpt_ids.append(step)
            runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        self.max_keep_ckpts = -1  # the parent is to remove nothing
        try:
            super()._save_checkpoint_with_step(runner, step, meta)
        finally:
            self.max_keep_ckpts = number
        if outdated is not None and is_main_process():
            path = self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(outdated))
            if self.file_backend.isfile(path):
                self.file_backend.remove(path)
