"""Pictures of predictions, alone and through mmdet's visualizer."""

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from expalign.structures.rle_masks import RLEMasks, encode_crop
from expalign.utils.labelled_boxes import draw_labelled_boxes
from expalign.visualization import InstanceVisualizer, draw_instances

GREY = np.full((100, 200, 3), 90, np.uint8)


@pytest.fixture(params=[False, True])
def found(request):
    """Two instances, with and without masks."""
    instances = InstanceData(
        bboxes=torch.tensor([[20.0, 40, 80, 90], [110, 40, 190, 90]]),
        scores=torch.tensor([0.9, 0.4]), labels=torch.tensor([1, 0]), label_names=['a', 'b'])
    if request.param:
        crop = np.ones((50, 60), bool)
        instances.masks = RLEMasks(
            [encode_crop(crop, left, 40, (100, 200)) for left in (20, 110)], (100, 200))
    return instances


def test_texts_colours_and_masks(found):
    expected = draw_labelled_boxes(
        GREY, found.bboxes.numpy(), ['a 0.90', 'b 0.40'], [1, 0], masks=found.get('masks'))
    np.testing.assert_array_equal(draw_instances(GREY, found), expected)
    assert (expected[65, 50] != 90).any() == ('masks' in found)


@pytest.mark.parametrize(('threshold', 'number'), [(0.3, 2), (0.5, 1), (0.95, 0)])
def test_visualizer_draws_what_is_above_the_threshold(found, threshold, number, tmp_path):
    visualizer = InstanceVisualizer()
    visualizer.add_datasample(
        'a', GREY, DetDataSample(pred_instances=found), draw_gt=False, pred_score_thr=threshold,
        out_file=str(tmp_path / 'a.png'))
    np.testing.assert_array_equal(
        visualizer.get_image(), draw_instances(GREY, found[:number]))
    assert (tmp_path / 'a.png').is_file()
