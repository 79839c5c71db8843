"""What every data set of this package does with a sample: skip bad images, check the contract."""

import numpy as np

from .bad_samples import BadImages, BadSample
from .sample_contract import check_record, check_sample

MAX_TRIES = 1000


class PromptedSamples:
    """Mixin of data sets and mixtures: from a record to a sample.

    List it after :class:`~expalign.datasets.sample_seed.SeededSamples` and before the class of
    mmengine or mmdet.

    In training, an image that cannot be used is reported, counted and replaced by another one,
    drawn at random; with more than ``max_bad_images`` of them training stops. In testing the first
    one is an error.

    Args:
        max_bad_images: how many images training may skip.
        check_samples: whether every record and every packed sample is checked against the
            contract of ``docs/training_data.md`` (:mod:`~expalign.datasets.sample_contract`); for
            debugging.
    """

    def __init__(self, *args, max_bad_images: int = 10, check_samples: bool = False,
                 **kwargs) -> None:
        if max_bad_images < 0:
            raise ValueError(f"'max_bad_images' must be 0 or more, got {max_bad_images}")
        self.max_bad_images = max_bad_images
        self.check_samples = check_samples
        self.bad_images: BadImages | None = None
        super().__init__(*args, **kwargs)

    def full_init(self) -> None:
        """Read the annotation files, if that was not done."""
        super().full_init()
        if self.bad_images is None:
            self.bad_images = BadImages(
                self.num_images, self.max_bad_images, self.path_of_image)

    @property
    def num_images(self) -> int:
        """The number of distinct records, which ``sample_idx`` counts."""
        return len(self)

    def path_of_image(self, sample_idx: int) -> str:
        """The file of a record."""
        return self.get_data_info(sample_idx)['img_path']

    def __getitem__(self, index: int) -> dict:
        """Sample ``index``, or in training the one that takes the place of an unusable image."""
        self.full_init()
        for _ in range(MAX_TRIES):
            sample = self.prepare_data(index)
            if sample is not None:
                return sample
            index = np.random.randint(len(self))
        raise RuntimeError(
            f'the pipeline dropped {MAX_TRIES} samples one after the other, the last one of image '
            f"'{self.get_data_info(index)['img_path']}'")

    def prepare_data(self, idx: int) -> dict | None:
        """Run record ``idx`` through the pipeline; None where the image is skipped.

        In training the record also has ``dataset``, from which mosaic draws further images.

        Raises:
            BadSample: in testing.
            ValueError: in testing, the pipeline returned None; with ``check_samples``, the sample
                breaks the contract.
        """
        record = self.get_data_info(idx)
        if self.check_samples:
            check_record(record)
        if self.test_mode:
            sample = self.pipeline(record)
            if sample is None:
                raise ValueError(f"the test pipeline dropped image '{record['img_path']}'")
        else:
            record['dataset'] = self
            sample_idx = record['sample_idx']
            try:
                sample = self.pipeline(record)
            except BadSample as error:
                known = error.sample_idx is not None
                self.bad_images.add(error.sample_idx if known else sample_idx, error)
                return None
        if self.check_samples and sample is not None:
            check_sample(sample, training=not self.test_mode)
        return sample
