"""Says how many training instances have a mask, and refuses to train masks where none has."""

from collections.abc import Iterator

from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from expalign.registry import HOOKS
from expalign.structures.instance_polygons import is_polygon

MAX_IMAGES = 20_000  # of a data set, spread over it: records take a tenth of a millisecond each


@HOOKS.register_module()
class MaskShareHook(Hook):
    """Counts the instances with a mask before a model with a mask branch is trained.

    The first lines of the log have their share in every data set. If there are none at all, masks
    cannot be learnt: ``loss_mask`` would be zero from the first to the last step, and the masks of
    the trained model random. Of a data set of more than 20,000 images that many are looked at, and
    all of them before a run is refused. Crowds do not count, which no mask is trained on.

    Args:
        allow_none: train without any mask all the same.

    Raises:
        ValueError: the model trains masks, and no instance has one.
    """

    def __init__(self, allow_none: bool = False) -> None:
        self.allow_none = allow_none

    def before_train(self, runner: Runner) -> None:
        """Count, report, refuse."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        leaves = list(data_sets_in(runner.train_dataloader.dataset))
        if not trains_masks(model) or not leaves:
            return
        counts = [count_masks(leaf, MAX_IMAGES) for leaf in leaves]
        if not any(masks for masks, _, _ in counts):
            counts = [count_masks(leaf, len(leaf)) for leaf in leaves]
        for leaf, (masks, instances, images) in zip(leaves, counts, strict=True):
            share = f' ({masks / instances:.1%})' if instances else ''
            looked = f' of {images:,} images looked at' if images < len(leaf) else ''
            print_log(f'masks: {masks:,} of the {instances:,} instances{share} of '
                      f'{name_of(leaf)} have one{looked}', 'current')
        if not any(masks for masks, _, _ in counts) and not self.allow_none:
            files = ', '.join(map(name_of, leaves))
            raise ValueError(
                f'the model trains masks ({type(model.bbox_head).__name__}), and none of the '
                f'{sum(instances for _, instances, _ in counts):,} instances of {files} has one: '
                'use the config without -seg, or add masks to the annotations (docs/method.md). To '
                'train without any all the same, set default_hooks.mask_share.allow_none=True')


def trains_masks(model: nn.Module) -> bool:
    """Whether a model has a mask branch with trained weights."""
    from expalign.models.dense_heads import ExpAlignInsHead
    head = getattr(model, 'bbox_head', None)
    if not isinstance(head, ExpAlignInsHead):
        return False
    branches = head.head_module.coeff_branches, head.head_module.prototype_branch
    return any(p.requires_grad for branch in branches for p in branch.parameters())


def count_masks(dataset: BaseDataset, limit: int) -> tuple[int, int, int]:
    """Instances with a mask, instances, and images that were looked at.

    Args:
        dataset: its records have ``instances``.
        limit: images to look at, at even distances.
    """
    step = max(1, -(-len(dataset) // limit)) if limit else 1
    masks = instances = images = 0
    for index in range(0, len(dataset), step):
        # Of the base class: the prompts that others add are not needed.
        record = BaseDataset.get_data_info(dataset, index)
        images += 1
        for instance in record.get('instances', ()):
            if not instance.get('ignore_flag'):
                instances += 1
                masks += has_area(instance.get('mask'))
    return masks, instances, images


def has_area(segmentation: list | dict | None) -> bool:
    """Whether a segmentation may have an area; compressed encodings are not read."""
    if isinstance(segmentation, dict):
        counts = segmentation.get('counts')
        return bool(any(counts[1::2]) if isinstance(counts, list) else counts)
    return any(isinstance(p, list) and is_polygon(p) for p in segmentation or ())


def data_sets_in(dataset: object) -> Iterator[BaseDataset]:
    """The data sets with records in a data set and all that it wraps."""
    # mmengine's ConcatDataset has `datasets`, its other wrappers `dataset`.
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    if isinstance(dataset, BaseDataset):
        yield dataset
        return
    for child in inner:
        if child is not None:
            yield from data_sets_in(child)


def name_of(dataset: BaseDataset) -> str:
    return str(dataset.ann_file or getattr(dataset, 'source', type(dataset).__name__))
