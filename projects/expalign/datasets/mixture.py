"""Several data sets as one, each with its weight."""

import math
from collections.abc import Sequence

import numpy as np
from mmengine.dataset import ConcatDataset
from mmengine.dataset.base_dataset import BaseDataset, Compose
from mmengine.registry import DATASETS as MMENGINE_DATASETS

from expalign.registry import DATASETS

from .prompted_samples import PromptedSamples
from .sample_seed import SeededSamples


@DATASETS.register_module()
class MixtureDataset(SeededSamples, PromptedSamples, ConcatDataset):
    """Detection, grounding and referring data in one training set.

    An epoch has a data set of N images w x N times (rounded): 2 gives every image twice, 0.5 half
    of them, 1.5 every image once and half of them again. Which ones is drawn anew in every epoch,
    from the seed, the epoch and the place of the data set in the list.

    The mixture owns the pipeline, and its samples have it as their ``dataset``: mosaic mixes
    images of all data sets of the same ``text_kind`` at their weights, and
    ``mmdet.PipelineSwitchHook``, which sets ``dataset.pipeline``, reaches it. Its data sets must
    have none.

    Args:
        datasets: configs or data sets.
        weights: one positive number for each; 1 for all by default.
        pipeline: the transforms of every sample.
        test_mode: see mmengine's data sets.
        lazy_init: whether annotation files are read at first use.
        kwargs: of :class:`~expalign.datasets.prompted_samples.PromptedSamples`.

    Raises:
        TypeError: one of ``datasets`` is a wrapper.
        ValueError: numbers of weights and data sets differ, a weight is not positive, or a data
            set has a pipeline of its own.
    """

    def __init__(self, datasets: Sequence[BaseDataset | dict],
                 weights: Sequence[float] | None = None, pipeline: Sequence = (),
                 test_mode: bool = False, lazy_init: bool = False, **kwargs) -> None:
        if not datasets:
            raise ValueError("'datasets' of the mixture is empty")
        self.weights = [1] * len(datasets) if weights is None else list(weights)
        if len(self.weights) != len(datasets) or not all(
                math.isfinite(weight) and weight > 0 for weight in self.weights):
            raise ValueError(
                f"'weights' must be one positive number for each of the {len(datasets)} data sets, "
                f'got {weights}')
        built = [MMENGINE_DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
                 for dataset in datasets]
        for index, dataset in enumerate(built):
            if not isinstance(dataset, BaseDataset):
                raise TypeError(f'data set {index} of the mixture is a {type(dataset).__name__}: '
                                "list plain data sets and repeat them by 'weights'")
            if dataset.pipeline.transforms:
                raise ValueError(f"data set {index} of the mixture has a 'pipeline': give it to "
                                 'the mixture, which runs one for all of them')
        self.pipeline = Compose(pipeline)
        self.test_mode = test_mode
        self._index_map: tuple[tuple[int, int], np.ndarray] | None = None
        # Their meta information may differ: `metainfo` below joins it.
        keys = sorted({key for dataset in built for key in dataset.metainfo})
        super().__init__(built, lazy_init=lazy_init, ignore_keys=keys, **kwargs)

    @property
    def metainfo(self) -> dict:
        """``classes``: the names of all data sets, each once; ``palette``: of the first.

        Labels of samples index their own ``text``, not these.
        """
        names = [name for dataset in self.datasets for name in dataset.metainfo.get('classes', ())]
        return dict(classes=tuple(dict.fromkeys(names)),
                    palette=self.datasets[0].metainfo.get('palette', 'random'))

    @property
    def num_images(self) -> int:
        """The number of images of all data sets, each once."""
        return sum(map(len, self.datasets))

    def epoch_sizes(self) -> list[int]:
        """How many samples of each data set an epoch has."""
        return [max(round(weight * len(dataset)), 1)
                for weight, dataset in zip(self.weights, self.datasets, strict=True)]

    def __len__(self) -> int:
        self.full_init()
        return sum(self.epoch_sizes())

    def image_index(self, index: int) -> int:
        """The image of sample ``index`` of the current epoch, counted through all data sets."""
        seed_and_epoch = tuple(self._seed_and_epoch.tolist())
        if self._index_map is None or self._index_map[0] != seed_and_epoch:
            self._index_map = seed_and_epoch, self._draw(*seed_and_epoch)
        return int(self._index_map[1][index])

    def _draw(self, seed: int, epoch: int) -> np.ndarray:
        """The images of an epoch."""
        drawn, start = [], 0
        for place, (dataset, size) in enumerate(
                zip(self.datasets, self.epoch_sizes(), strict=True)):
            rounds, rest = divmod(size, len(dataset))
            generator = np.random.default_rng((seed, epoch, place))
            once_more = np.sort(generator.choice(len(dataset), rest, replace=False))
            drawn.append(start + np.concatenate([np.arange(len(dataset))] * rounds + [once_more]))
            start += len(dataset)
        return np.concatenate(drawn)

    def _record(self, image: int) -> dict:
        place, local = self._get_ori_dataset_idx(image)
        return self.datasets[place].get_data_info(local) | dict(sample_idx=image)

    def get_data_info(self, idx: int) -> dict:
        """The record of sample ``idx``; its ``sample_idx`` is :meth:`image_index`."""
        self.full_init()
        return self._record(self.image_index(idx))

    def path_of_image(self, sample_idx: int) -> str:
        """The file of a record."""
        return self._record(sample_idx)['img_path']

    def get_cat_ids(self, idx: int) -> list[int]:
        """The labels of sample ``idx`` in its own data set."""
        return [instance['bbox_label'] for instance in self.get_data_info(idx)['instances']]
