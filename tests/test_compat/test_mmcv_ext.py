"""The stand-in for ``mmcv._ext``, and what mmcv and mmengine do when they find it."""

from importlib.util import find_spec

import mmcv
import pytest
import torch
from torch import nn

import expalign  # noqa: F401  (before mmcv.ops: the compatibility layer)
from expalign.compat import mmcv_ext, mmcv_ops_compiled

stand_in_only = pytest.mark.skipif(mmcv_ops_compiled(), reason='mmcv has compiled operators here')


def test_missing_operator_names_itself_and_the_remedy() -> None:
    with pytest.raises(NotImplementedError) as error:
        mmcv_ext.roi_align_forward(torch.zeros(1), aligned=True)
    assert str(error.value).startswith("mmcv operator 'roi_align_forward' needs an mmcv with ")
    assert str(error.value).endswith(f'--force-reinstall onedl-mmcv=={mmcv.__version__}')
    assert mmcv_ext.roi_align_forward.__name__ == 'roi_align_forward'


def test_private_names_are_not_invented() -> None:
    for name in ('__path__', '__wrapped__', '_repr_html_'):
        assert not hasattr(mmcv_ext, name)


@stand_in_only
def test_module_has_a_real_spec() -> None:
    from mmcv import _ext
    from mmcv.utils import ext_loader
    assert find_spec('mmcv._ext') is _ext.__spec__
    assert _ext.__file__ == mmcv_ext.__file__
    assert ext_loader.check_ops_exist()


@stand_in_only
def test_operators_of_mmcv_and_mmdet() -> None:
    from mmcv.ops import DeformConv2d, RoIAlign
    from mmdet.models.layers import multiclass_nms
    with pytest.raises(NotImplementedError, match="'roi_align_forward' needs an mmcv"):
        RoIAlign(2)(torch.zeros(1, 3, 8, 8), torch.tensor([[0, 0, 0, 4, 4.]]))
    with pytest.raises(NotImplementedError, match="'deform_conv_forward' needs an mmcv"):
        DeformConv2d(3, 3, 3)(torch.zeros(1, 3, 8, 8), torch.zeros(1, 18, 6, 6))
    boxes = torch.tensor([[0., 0., 10., 10.], [0., 0., 10., 9.], [20., 20., 30., 30.]])
    scores = torch.tensor([[0.9, 0.], [0.8, 0.], [0.01, 0.]])  # last column: background
    dets, labels = multiclass_nms(boxes, scores, 0.05, dict(type='nms', iou_threshold=0.5))
    assert dets.tolist() == [[0, 0, 10, 10, pytest.approx(0.9)]] and labels.tolist() == [0]


@stand_in_only
def test_reports_say_not_compiled() -> None:
    from mmcv.ops import get_compiler_version, get_compiling_cuda_version
    assert (get_compiler_version(), get_compiling_cuda_version()) == ('not compiled', ) * 2


def test_mmengine_reverts_both_kinds_of_sync_batchnorm(monkeypatch) -> None:
    from mmcv.ops import SyncBatchNorm
    from mmengine.model import revert_sync_batchnorm
    from mmengine.utils.dl_utils import mmcv_full_available
    assert mmcv_full_available()
    monkeypatch.setattr('mmcv.ops.sync_bn.dist.get_world_size', lambda group: 1)
    model = nn.Sequential(nn.SyncBatchNorm(3), SyncBatchNorm(3))
    model[1].running_mean.fill_(2.)
    model[1].weight.data.fill_(1.)  # at random otherwise
    reverted = revert_sync_batchnorm(model).eval()
    # Fresh statistics are mean 0, variance 1; the second layer subtracts its mean 2.
    images = torch.ones(1, 3, 2, 2)
    torch.testing.assert_close(reverted(images), torch.full_like(images, -1.), atol=1e-4, rtol=0)


def test_mmengine_converts_to_torch_sync_batchnorm() -> None:
    from mmengine.model import convert_sync_batchnorm
    model = convert_sync_batchnorm(nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)))
    assert isinstance(model[1], nn.SyncBatchNorm)


@stand_in_only
def test_mmcv_sync_batchnorm_names_its_missing_operator(monkeypatch) -> None:
    from mmengine.model import convert_sync_batchnorm
    monkeypatch.setattr('mmcv.ops.sync_bn.dist.get_world_size', lambda group: 1)
    model = convert_sync_batchnorm(nn.Sequential(nn.BatchNorm2d(3)), implementation='mmcv')
    with pytest.raises(NotImplementedError, match="'sync_bn_forward_mean' needs an mmcv"):
        model.train()(torch.ones(2, 3, 2, 2))


def test_mmengine_builds_parameter_wise_optimizers() -> None:
    from mmengine.optim import build_optim_wrapper
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
    wrapper = build_optim_wrapper(model, dict(
        optimizer=dict(type='SGD', lr=0.1, weight_decay=0.5),
        paramwise_cfg=dict(norm_decay_mult=0., bias_decay_mult=0.)))
    decays = [group['weight_decay'] for group in wrapper.param_groups]
    assert decays[:4] == [0.5, 0., 0., 0.]  # mmengine adds a group without parameters
