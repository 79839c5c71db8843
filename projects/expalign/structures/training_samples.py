"""The samples of a training batch and their instances, apart."""

from collections.abc import Iterator, Sequence

from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from .truth_batch import TruthBatch


class TrainingSamples:
    """Data samples of B images without their instances, and these as one padded batch.

    The instances stay on the host, pinned by the loader, until the detector copies them. This is
    no ``Sequence``, for data loaders and preprocessors would take it apart.

    Attributes:
        truth: the instances.

    Args:
        samples: B data samples; only their metainfo is read.
        truth: the instances of all of them.
    """

    def __init__(self, samples: Sequence[DetDataSample], truth: TruthBatch) -> None:
        self._samples, self.truth = list(samples), truth

    @classmethod
    def of(cls, samples: 'TrainingSamples | Sequence[DetDataSample]') -> 'TrainingSamples':
        """Samples as they are, or those of a list, whose ``gt_instances`` are padded."""
        if isinstance(samples, TrainingSamples):
            return samples
        found: list[InstanceData] = [sample.gt_instances for sample in samples]
        return cls(samples, TruthBatch.of(found))

    def pin_memory(self) -> 'TrainingSamples':
        """The same in pinned memory, as torch's loader asks for."""
        return TrainingSamples(self._samples, TruthBatch._make(
            part if part is None else part.pin_memory() for part in self.truth))

    def __len__(self) -> int:
        return len(self._samples)

    def __iter__(self) -> Iterator[DetDataSample]:
        return iter(self._samples)

    def __getitem__(self, index: int) -> DetDataSample:
        return self._samples[index]
