"""Padding of instances, and the collation of samples."""

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import PolygonMasks
from mmengine.structures import InstanceData
from torch.utils.data import DataLoader

from expalign.datasets import collate_samples
from expalign.structures.drawn_masks import draw_masks
from expalign.structures.training_samples import TrainingSamples
from expalign.structures.truth_batch import TruthBatch

SQUARE = [np.array([0, 0, 16, 0, 16, 16, 0, 16], dtype=np.float32)]


def image(number, size=None, **fields):
    """Instances whose boxes and labels count up."""
    instances = InstanceData(
        bboxes=torch.arange(4.0 * number).view(number, 4), labels=torch.arange(number), **fields)
    if size:
        instances.masks = PolygonMasks([SQUARE] * number, *size)
    return instances


def test_padding():
    batch = TruthBatch.of([image(2), image(0), image(3)])
    assert batch.boxes.shape == (3, 3, 4) and batch.labels.dtype == torch.long
    assert batch.real.tolist() == [[True, True, False], [False] * 3, [True] * 3]
    assert batch.labels.tolist() == [[0, 1, 0], [0, 0, 0], [0, 1, 2]]
    assert batch.boxes[2, 2].tolist() == [8, 9, 10, 11] and not batch.boxes[0, 2].any()
    assert not batch.has_mask.any() and batch.cells is None and batch.grid is None
    assert TruthBatch.of(batch) is batch
    # One place at least, so that losses have the same operations for every batch.
    assert TruthBatch.of([image(0), image(0)]).boxes.shape == (2, 1, 4)


def test_boxes_of_mmdet():
    instances = image(2)
    instances.bboxes = HorizontalBoxes(instances.bboxes.double())
    assert torch.equal(TruthBatch.of([instances]).boxes[0], image(2).bboxes)


def test_masks_of_images_of_several_sizes():
    images = [image(1, (32, 24)), image(2), image(2, (16, 64), has_mask=np.array([True, False]))]
    batch = TruthBatch.of(images)
    assert batch.has_mask.tolist() == [[True, False], [False, False], [True, False]]
    assert batch.cells.shape == (3, 2, 4, 8) and batch.grid.shape == (3, 2, 8, 16)
    assert batch.cells[0, 0].nonzero().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    # What a placeholder holds does not matter.
    assert (batch.cells.sum((2, 3)) * batch.has_mask).tolist() == [[4, 0], [0, 0], [4, 0]]
    assert (batch.grid.sum((2, 3)) * batch.has_mask).tolist() == [[16, 0], [0, 0], [16, 0]]
    # As PackInstances has drawn them.
    cells, grid = draw_masks(images[0].masks)
    drawn = image(1, mask_cells=torch.from_numpy(cells), mask_grid=torch.from_numpy(grid))
    for a, b in zip(TruthBatch.of([drawn, *images[1:]]), batch, strict=True):
        assert torch.equal(a, b)


def test_maps_of_a_larger_input():
    batch = TruthBatch.of([image(1, (32, 24))])
    assert torch.equal(batch.cells_on((5, 7))[..., :4, :3], batch.cells)
    assert batch.masks_on((9, 9)).shape == (1, 1, 9, 9) and batch.masks_on((9, 9)).sum() == 16
    assert not TruthBatch.of([image(2)]).masks_on((3, 5)).any()
    with pytest.raises(ValueError, match=r'masks of \(32, 24\) pixels are larger than the input, '
                                         r'\(16, 24\)'):
        batch.masks_on((4, 6))


def sample(index, side=32):
    data_sample = DetDataSample(metainfo=dict(img_id=index, text=['cat']))
    data_sample.gt_instances = image(index, (side, side))
    return dict(inputs=torch.full((3, side, side), index, dtype=torch.uint8),
                data_samples=data_sample)


def test_loader_collates_in_its_worker():
    loader = DataLoader([sample(2), sample(1)], batch_size=2, num_workers=1,
                        collate_fn=collate_samples)
    [batch] = loader
    assert batch['inputs'].shape == (2, 3, 32, 32) and batch['inputs'].is_shared()
    samples = batch['data_samples']
    assert isinstance(samples, TrainingSamples) and len(samples) == 2
    assert [one.img_id for one in samples] == [2, 1] and samples[1].img_id == 1
    assert all(set(one.keys()) == set() for one in samples)  # the instances are in one batch
    assert samples.truth.real.tolist() == [[True, True], [True, False]]
    assert samples.truth.cells.shape == (2, 2, 4, 4) and samples.truth.grid.shape == (2, 2, 8, 8)
    assert TrainingSamples.of(samples) is samples


def test_images_of_several_sizes_stay_apart():
    batch = collate_samples([sample(1), sample(1, 64)])
    assert [image.shape for image in batch['inputs']] == [(3, 32, 32), (3, 64, 64)]
