"""How many prompts of training the text encoder finds in its cache."""

from mmengine.hooks import Hook, LoggerHook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from expalign.models.text_encoders import TokenEncoder
from expalign.registry import HOOKS


@HOOKS.register_module()
class TextCacheHook(Hook):
    """Adds ``text_cache_hit_rate`` to the lines of the training log.

    It is the share of prompts, each distinct one of a batch counted once, that were found in the
    cache of a frozen :class:`~expalign.models.text_encoders.TokenEncoder` since the last line (in
    process 0, where there are several). Only what training iterations ask for is counted, so that
    validation in between changes nothing. Silent for encoders that are trained or keep nothing.
    """

    def before_train(self, runner: Runner) -> None:
        """Find the cache and the hook that writes the lines."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        encoder = getattr(model, 'text_encoder', None)
        cached = isinstance(encoder, TokenEncoder) and encoder.cache_info().max_size > 0
        self._encoder = encoder if cached else None
        self._logger = next((hook for hook in runner.hooks if isinstance(hook, LoggerHook)), None)
        self._hits = self._asked = 0

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        """Note what was counted before."""
        if self._encoder is not None:
            self._before = self._encoder.cache_info()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch=None, outputs: dict | None = None
    ) -> None:
        """Publish the share since the last line."""
        if self._encoder is None:
            return
        after = self._encoder.cache_info()
        hits = after.hits - self._before.hits
        self._hits += hits
        self._asked += hits + after.misses - self._before.misses
        if self._asked:
            runner.message_hub.update_scalar(
                'train/text_cache_hit_rate', self._hits / self._asked)
        if self._is_logged(runner, batch_idx):
            self._hits = self._asked = 0

    def _is_logged(self, runner: Runner, batch_idx: int) -> bool:
        """Whether mmengine's hook, which comes after this one, writes a line now."""
        logger = self._logger
        if logger is None:
            return False
        loader = runner.train_dataloader
        return self.every_n_inner_iters(batch_idx, logger.interval) or (
            self.end_of_epoch(loader, batch_idx)
            and (not logger.ignore_last or len(loader) <= logger.interval))
