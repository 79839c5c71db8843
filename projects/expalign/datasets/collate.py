"""From samples to a training batch."""

from collections.abc import Sequence

from mmdet.structures import DetDataSample
from torch import Tensor
from torch.utils.data import default_collate

from expalign.registry import FUNCTIONS
from expalign.structures.training_samples import TrainingSamples
from expalign.structures.truth_batch import TruthBatch


@FUNCTIONS.register_module()
def collate_samples(batch: Sequence[dict]) -> dict[str, Tensor | list[Tensor] | TrainingSamples]:
    """Images in one tensor and all instances in one padded batch, in the loader's worker.

    Args:
        batch: packed samples: ``inputs`` (3, H, W) uint8 and ``data_samples`` with
            ``gt_instances``.

    Returns:
        ``inputs``, (B, 3, H, W) or, where the images have several sizes, a list of (3, H_i, W_i);
        ``data_samples``, whose instances are padded tensors.
    """
    images = [sample['inputs'] for sample in batch]
    samples = [sample['data_samples'] for sample in batch]
    alike = len({image.shape for image in images}) == 1
    return dict(
        inputs=default_collate(images) if alike else images,
        data_samples=TrainingSamples(
            [DetDataSample(metainfo=sample.metainfo) for sample in samples],
            TruthBatch.of([sample.gt_instances for sample in samples])))
