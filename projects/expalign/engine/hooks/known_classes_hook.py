"""Tells a model which classes it is trained for, so that they are saved with its weights."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from expalign.registry import HOOKS
from expalign.structures.known_classes import KnownClasses


@HOOKS.register_module()
class KnownClassesHook(Hook):
    """Takes the classes of the validation set, or of the training set where there is none.

    A model that is told in its config (``model.known_classes``) is left as it is.

    Raises:
        ValueError: the model tunes the prompts of other classes.
    """

    def before_train(self, runner: Runner) -> None:
        """Tell the model, or compare what it was told."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        loader = runner.train_dataloader if runner.val_loop is None else runner.val_dataloader
        classes = tuple(loader.dataset.metainfo.get('classes') or ())
        if model.known_classes is None and classes:
            model.known_classes = KnownClasses(classes)
        elif model.tuned_prompts is not None and set(classes) != set(model.known_classes.names):
            raise ValueError(
                f'the prompts of {list(model.known_classes.names)} are tuned, and the classes of '
                f'{loader.dataset.ann_file} are {list(classes)}: write these into `classes` of '
                'the config')
