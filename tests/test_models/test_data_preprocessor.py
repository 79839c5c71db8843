"""Images come out as from mmdet's preprocessor, and the host does not wait."""

import pytest
import torch
from mmdet.models.data_preprocessors import DetDataPreprocessor as MMDetDataPreprocessor

from expalign.models.data_preprocessor import DetDataPreprocessor, channel_order
from tests.helpers.dispatch_counts import count

SETTINGS = dict(mean=[1.0, 2, 3], std=[4.0, 5, 6], pad_size_divisor=32)


def images(kind):
    gen = torch.Generator().manual_seed(0)
    sizes = [(64, 64)] * 2 if kind == 'tensor' else [(40, 64), (64, 50)]
    made = [torch.randint(0, 255, (3, *size), generator=gen).byte() for size in sizes]
    return torch.stack(made) if kind == 'tensor' else made


@pytest.mark.parametrize('kind', ['tensor', 'list'])
@pytest.mark.parametrize('order', ['RGB', 'BGR'])
def test_equals_mmdet(kind, order):
    ours, theirs = (
        cls(bgr_to_rgb=order == 'RGB', **SETTINGS)
        for cls in (DetDataPreprocessor, MMDetDataPreprocessor))
    assert channel_order(ours) == channel_order(theirs) == order
    data = dict(inputs=images(kind))
    found, expected = ours(data)['inputs'], theirs(dict(inputs=images(kind)))['inputs']
    assert torch.equal(found, expected) and found.shape == (2, 3, 64, 64)
    assert data['inputs'][0].dtype == torch.uint8  # what was given is as it was


def test_no_index_of_the_host():
    preprocessor = DetDataPreprocessor(bgr_to_rgb=True, **SETTINGS)
    counts = count(lambda: preprocessor(dict(inputs=images('tensor'))))
    assert 'index' not in counts.operations and counts.operations['flip'] == 1
