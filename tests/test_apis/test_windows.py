"""Windows of large images and the merging of what is found in them."""

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from expalign.apis.windows import cut_windows, merge_windows, window_corners
from expalign.structures.rle_masks import RLEMasks, encode_crop


def test_corners_cover_the_image():
    # 3 columns: 0 and 75, then the last one ends at the border; 1 row.
    assert window_corners((80, 200), 100, 0.25) == [(0, 0), (75, 0), (100, 0)]
    assert window_corners((100, 100), 100, 0.5) == [(0, 0)]
    corners = window_corners((251, 333), 64, 0.2)
    covered = np.zeros((251, 333), int)
    for x, y in corners:
        covered[y:y + 64, x:x + 64] += 1
        assert x + 64 <= 333
        assert y + 64 <= 251
    assert covered.min() >= 1


@pytest.mark.parametrize(('patch_size', 'overlap'), [(0, 0.2), (10, 1.0), (10, -0.1)])
def test_wrong_windows(patch_size, overlap):
    with pytest.raises(ValueError, match='patch size of 1 or more'):
        window_corners((10, 10), patch_size, overlap)


def test_cut():
    image = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    (part,) = cut_windows(image, [(5, 2)], 3)
    np.testing.assert_array_equal(part, image[2:5, 5:8])


def sample(boxes, scores, labels, size=None):
    found = InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        scores=torch.tensor(scores), labels=torch.tensor(labels, dtype=torch.long),
        label_names=['cat' if label == 0 else 'dog' for label in labels])
    if size is not None:
        crops = [(np.ones((int(y2 - y1), int(x2 - x1)), bool), int(x1), int(y1))
                 for x1, y1, x2, y2 in boxes]
        found.masks = RLEMasks((encode_crop(*crop, size) for crop in crops), size)
    return DetDataSample(pred_instances=found)


def test_one_object_in_two_windows_is_one_box():
    # The object at (90, 10)-(110, 30) is seen by both windows, once as a dog too.
    first = sample([[90, 10, 110, 30]], [0.6], [0], (100, 120))
    second = sample([[10, 10, 30, 30], [10, 10, 30, 30], [50, 0, 60, 8]], [0.9, 0.5, 0.3],
                    [0, 1, 0], (100, 120))
    merged = merge_windows([first, second], [(0, 0), (80, 0)], (100, 200), 0.5, 300)
    assert merged.bboxes.tolist() == [[90, 10, 110, 30], [90, 10, 110, 30], [130, 0, 140, 8]]
    assert merged.labels.tolist() == [0, 1, 0]
    assert merged.label_names == ['cat', 'dog', 'cat']
    torch.testing.assert_close(merged.scores, torch.tensor([0.9, 0.5, 0.3]))
    masks = merged.masks.to_ndarray()
    assert masks.shape == (3, 100, 200)
    for mask, (x1, y1, x2, y2) in zip(masks, merged.bboxes.int().tolist(), strict=True):
        assert mask.sum() == mask[y1:y2, x1:x2].sum() == (x2 - x1) * (y2 - y1)
    best = merge_windows([first, second], [(0, 0), (80, 0)], (100, 200), 0.5, 1)
    assert best.scores.tolist() == pytest.approx([0.9])
    across = merge_windows([first, second], [(0, 0), (80, 0)], (100, 200), 0.5, 300, True)
    assert across.label_names == ['cat', 'cat']
    torch.testing.assert_close(across.scores, torch.tensor([0.9, 0.3]))


def test_nothing_found():
    empty = sample([], [], [])
    assert len(merge_windows([empty, empty], [(0, 0), (5, 0)], (20, 20), 0.5, 300)) == 0
