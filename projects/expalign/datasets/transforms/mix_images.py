"""What our mosaic and mixup have in common: further images, and one vocabulary for all."""

import numpy as np
from mmdet.structures.bbox import autocast_box_type
from mmyolo.datasets.transforms.mix_img_transforms import BaseMixImageTransform

from .prompt_merge import merge_prompts

MAX_DRAWS = 64  # for one image of a kind, before any other will do


class MixImages(BaseMixImageTransform):
    """mmyolo's way to mix images, for samples with prompts; a base class.

    The images may have different ``text``, which is merged (:func:`merge_prompts`). They are of
    one ``text_kind``: among images of captions, the classes of a detection set would no longer be
    known to be absent. Only where 64 draws give none of the kind does another one do.

    An image that ``pre_transform`` drops is replaced by another one. The data set's records are
    used as they come, which both of mmengine's ways to store them allow: they are new objects
    each time.

    Args:
        kwargs: mmyolo's, without its cache, whose contents would depend on the worker.
    """

    def __init__(self, **kwargs) -> None:
        if kwargs.get('use_cached'):
            raise ValueError(
                f'{type(self).__name__}: with use_cached a sample would depend on those that its '
                'worker has loaded before; leave it out')
        super().__init__(**kwargs)

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        """Mix one image with others of ``results['dataset']``."""
        if np.random.uniform() > self.prob:
            return results
        if 'dataset' not in results:
            raise KeyError(
                f"{type(self).__name__} needs the data set in results['dataset'] to draw further "
                'images from: use a data set of expalign in training mode (test_mode=False)')
        dataset = results.pop('dataset')
        indices = np.atleast_1d(self.get_indexes(dataset))
        kind = results.get('text_kind')
        results['mix_results'] = [self._load(dataset, int(index), kind) for index in indices]
        if 'text' in results:
            merge_prompts(results, results['mix_results'])
        results = self.mix_img_transform(results)
        del results['mix_results']
        results['dataset'] = dataset
        return results

    def _load(self, dataset, index: int, kind: str | None) -> dict:
        """Record ``index`` through ``pre_transform``, or another one if that drops it."""
        for _ in range(self.max_refetch):
            results = dict(_record_of_kind(dataset, index, kind), dataset=dataset)
            if self.pre_transform is not None:
                results = self.pre_transform(results)
            if results is not None:
                del results['dataset']
                return results
            index = np.random.randint(len(dataset))
        raise RuntimeError(
            f'{type(self).__name__}: pre_transform dropped {self.max_refetch} images in a row, the '
            f"last before record {index}. Look at the data set with tools/check_dataset.py")


def _record_of_kind(dataset, index: int, kind: str | None) -> dict:
    """Record ``index``, or a random one of the ``text_kind`` if it is of another."""
    for _ in range(MAX_DRAWS):
        record = dataset.get_data_info(index)
        if record.get('text_kind') == kind:
            break
        index = np.random.randint(len(dataset))
    return record
