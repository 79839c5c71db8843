"""Checkpoints that load without trusting them, and that a killed run can rely on."""

from collections.abc import Mapping
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from expalign.checkpoints.frozen_encoders import HEADER_KEY, encoders_of_state_dict
from expalign.checkpoints.plain_state import history_from_plain, to_plain
from expalign.checkpoints.whole_file_backend import WHOLE_FILES
from expalign.engine.resumed_schedule import PER_EPOCH
from expalign.registry import HOOKS

# Names of weights to tensors: plain by nature.
WEIGHTS = ('state_dict', 'ema_state_dict')


@HOOKS.register_module()
class PlainCheckpointHook(CheckpointHook):
    """:class:`mmengine.CheckpointHook` whose files pass ``torch.load(..., weights_only=True)``.

    Optimizer, schedulers, message hub and meta data are saved as plain data (see
    :func:`~expalign.checkpoints.plain_state.to_plain`) and restored on resuming. Checkpoints of
    mmengine's own hook can be resumed too, with ``--trust-checkpoint``.

    An outdated checkpoint is removed after the new one is written; mmengine does so before, which
    leaves a run that is killed in between without any where ``max_keep_ckpts`` is 1. A local file
    is written beside its name and then renamed.

    A checkpoint says how many iterations an epoch has, and the digests of the frozen encoders in
    it, which are checked when it is loaded.

    Args:
        out_dir: as of the parent.
        backend_args: as of the parent; by default, for a local ``out_dir``, whole files.
        kwargs: as of the parent.
    """

    def __init__(self, *args, out_dir: str | Path | None = None, backend_args: dict | None = None,
                 **kwargs) -> None:
        if backend_args is None and '://' not in str(out_dir or ''):
            backend_args = dict(WHOLE_FILES)
        super().__init__(*args, out_dir=out_dir, backend_args=backend_args, **kwargs)
        self._digests: dict[str, dict[str, str]] | None = None

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Convert what other hooks (the moving average) have left; this hook comes last."""
        checkpoint['meta'][PER_EPOCH] = len(runner.train_dataloader)
        self._record_encoders(runner, checkpoint['state_dict'])
        for name, value in checkpoint.items():
            if name not in WEIGHTS:
                checkpoint[name] = to_plain(value, f'checkpoint[{name!r}]')

    def _record_encoders(self, runner: Runner, state_dict: dict) -> None:
        """Write the digests of frozen encoders, which stay the same all through a run."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if self._digests is None:
            self._digests = encoders_of_state_dict(model, state_dict, runner.cfg.get('model'))
        metadata = getattr(state_dict, '_metadata', None)
        if metadata is not None and self._digests:
            metadata.setdefault('', {})[HEADER_KEY] = self._digests

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Give the message hub its histories back."""
        hub = checkpoint.get('message_hub')
        if isinstance(hub, Mapping):
            hub['log_scalars'] = {
                name: history_from_plain(value)
                for name, value in hub.get('log_scalars', {}).items()}
            # Values that a run does not resume have no business in a checkpoint.
            hub['resumed_keys'] = {
                name: True for name, value in hub.get('resumed_keys', {}).items() if value}

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
