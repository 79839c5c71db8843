"""NMS and soft-NMS of the compatibility layer against compiled mmcv's stored results.

``EXPALIGN_COMPILED_MMCV=FOLDER`` adds a direct comparison with the compiled mmcv in FOLDER.
"""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

import expalign  # noqa: F401  (before mmcv.ops: the compatibility layer)
from expalign.compat import mmcv_ext
from expalign.compat.nms import nms, softnms
from tests.test_compat.nms_cases import CASES, SWEEP, Case, run

HERE = Path(__file__).parent
GOLDEN = np.load(HERE / 'data' / 'nms_golden.npz')
COMPILED = os.environ.get('EXPALIGN_COMPILED_MMCV')


@pytest.fixture(autouse=True)
def our_operators(monkeypatch):
    """mmcv.ops calls the stand-in, also where the installed mmcv is compiled."""
    # As a string, `mmcv.ops.nms` would be the function of that name.
    monkeypatch.setattr(import_module('mmcv.ops.nms'), 'ext_module', mmcv_ext)


def greedy(boxes: np.ndarray, order: np.ndarray, threshold: float, offset: int) -> np.ndarray:
    """Independent reference: each kept box strikes out the later ones; float32 throughout."""
    x1, y1, x2, y2 = boxes[order].T
    offset, threshold = np.float32(offset), np.float32(threshold)
    areas = (x2 - x1 + offset) * (y2 - y1 + offset)
    alive = np.ones(len(order), bool)
    for i in range(len(order)):
        if alive[i]:
            width = np.minimum(x2[i], x2) - np.maximum(x1[i], x1) + offset
            height = np.minimum(y2[i], y2) - np.maximum(y1[i], y1) + offset
            inter = np.maximum(width, 0) * np.maximum(height, 0)
            with np.errstate(invalid='ignore', divide='ignore'):
                struck = inter / (areas[i] + areas - inter) > threshold
            struck[:i + 1] = False
            alive &= ~struck
    return order[alive]


@pytest.mark.parametrize('case', [c for c in CASES if c.layout != 'ties'], ids=lambda c: c.name)
def test_equals_compiled_mmcv(case: Case) -> None:
    result = run(case)
    np.testing.assert_array_equal(result['keep'], GOLDEN[f'{case.name}/keep'])
    if 'scores' in result:
        np.testing.assert_allclose(result['scores'], GOLDEN[f'{case.name}/scores'], rtol=1e-6)


@pytest.mark.parametrize('case', [c for c in CASES if c.layout == 'ties' and c.operator == 'nms'],
                         ids=lambda c: c.name)
def test_equals_compiled_mmcv_with_ties(case: Case) -> None:
    # The stored order replaces this machine's order of tied scores.
    order = GOLDEN[f'{case.name}/order'].astype(np.int64)
    boxes = torch.from_numpy(case.boxes()[order])
    keep = nms(boxes, torch.arange(case.count, 0, -1.), case.threshold, case.offset)
    np.testing.assert_array_equal(order[keep], GOLDEN[f'{case.name}/keep'])


@pytest.mark.parametrize('case', [c for c in CASES if c.layout == 'ties'
                                  and c.operator == 'soft_nms'], ids=lambda c: c.name)
def test_soft_nms_equals_compiled_mmcv_with_ties(case: Case) -> None:
    result = run(case)
    np.testing.assert_array_equal(result['keep'], GOLDEN[f'{case.name}/keep'])
    np.testing.assert_allclose(result['scores'], GOLDEN[f'{case.name}/scores'], rtol=1e-6)


@pytest.mark.parametrize('count', [1, 64, 65, 1_000])
@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('layout', ['clustered', 'ties'])
def test_equals_strike_out_reference(layout: str, offset: int, count: int) -> None:
    for threshold in (-0.5, 0.0, 1 / 3, 0.5, 1.0):
        case = Case('nms', layout, count, offset, threshold)
        scores = torch.from_numpy(case.scores())
        order = scores.sort(stable=True, dim=0, descending=True)[1].numpy()
        expected = greedy(case.boxes(), order, threshold, offset)
        keep = nms(torch.from_numpy(case.boxes()), scores, threshold, offset)
        np.testing.assert_array_equal(keep, expected)


def test_of_equal_scores_the_first_come_first() -> None:
    corners = 20. * torch.arange(40)[:, None]
    apart = torch.cat([corners, corners, corners + 10, corners + 10], 1)
    assert nms(apart, torch.ones(40), 0.5, 0).tolist() == list(range(40))


def test_threshold_is_strict() -> None:
    # IoU 50 / (100 + 50 - 50) = 1/2 exactly; with offset 1: 66 / (121 + 66 - 66) = 0.545
    boxes = torch.tensor([[0., 0., 10., 10.], [0., 0., 10., 5.]])
    scores = torch.tensor([0.9, 0.8])
    assert nms(boxes, scores, 0.5, 0).tolist() == [0, 1]
    assert nms(boxes, scores, 0.49, 0).tolist() == [0]
    assert nms(boxes, scores, 0.5, 1).tolist() == [0]
    assert nms(boxes, scores.flip(0), 0.49, 0).tolist() == [1]


def test_box_without_area_suppresses_nothing() -> None:
    point = torch.tensor([[5., 5., 5., 5.]] * 3)
    scores = torch.tensor([0.1, 0.3, 0.2])
    assert nms(point, scores, 0.5, 0).tolist() == [1, 2, 0]  # IoU 0 / 0
    assert nms(point, scores, 0.5, 1).tolist() == [1]  # with the offset, one pixel


def test_box_with_nan_is_kept_and_suppresses_nothing() -> None:
    boxes = torch.tensor([[0., 0., 10., 10.], [float('nan'), 0., 10., 10.], [0., 0., 10., 10.]])
    assert nms(boxes, torch.tensor([0.8, 0.9, 0.7]), 0.5, 0).tolist() == [1, 0]


def test_empty() -> None:
    keep = nms(torch.zeros(0, 4), torch.zeros(0), 0.5, 0)
    assert keep.shape == (0, ) and keep.dtype == torch.int64
    kept = softnms(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, 5), 0.5, 0.5, 0.1, 1, 0)
    assert kept.shape == (0, ) and kept.dtype == torch.int64


def test_inputs_stay_as_they_are() -> None:
    case = Case('soft_nms', 'clustered', 100)
    boxes, scores = torch.from_numpy(case.boxes()), torch.from_numpy(case.scores())
    before = boxes.clone(), scores.clone()
    nms(boxes, scores, 0.5, 0)
    softnms(boxes, scores, torch.empty(100, 5), 0.5, 0.5, 0.1, 1, 0)
    assert torch.equal(boxes, before[0]) and torch.equal(scores, before[1])


def test_soft_nms_by_hand() -> None:
    # IoU of the first two 1/2; the third is far away.
    boxes = torch.tensor([[0., 0., 10., 5.], [0., 0., 10., 10.], [50., 50., 60., 60.]])
    scores = torch.tensor([0.8, 0.9, 0.5])
    expected = {0: [0.9, 0.5], 1: [0.9, 0.5, 0.4], 2: [0.9, 0.5, 0.8 * np.exp(-0.25 / 0.5)]}
    order = {0: [1, 2], 1: [1, 2, 0], 2: [1, 2, 0]}
    for method, decayed in expected.items():
        dets = torch.full((3, 5), -1.)
        keep = softnms(boxes, scores, dets, 0.3, 0.5, 0.1, method, 0)
        assert keep.tolist() == order[method]
        assert dets[:len(keep), 4].tolist() == pytest.approx(decayed)
        torch.testing.assert_close(dets[:len(keep), :4], boxes[keep])
        assert (dets[len(keep):] == -1).all()  # rows past the last kept box are not written


def test_soft_nms_as_an_mmcv_user_calls_it() -> None:
    from mmcv.ops import soft_nms
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9]], np.float32)
    dets, keep = soft_nms(boxes, np.array([0.5, 0.9], np.float32), iou_threshold=0.3)
    assert keep.tolist() == [1, 0]
    np.testing.assert_allclose(dets[:, 4], [0.9, 0.05], rtol=1e-5)  # 0.5 * (1 - 90 / 100)


def test_batched_nms_keeps_classes_apart() -> None:
    from mmcv.ops import batched_nms
    boxes = torch.tensor([[0., 0., 10., 10.]] * 4)
    scores, classes = torch.tensor([0.6, 0.9, 0.7, 0.8]), torch.tensor([0, 0, 7, 7])
    for split_thr in (10_000, 4):  # one call with shifted boxes; one call a class
        config = dict(type='nms', iou_threshold=0.5, split_thr=split_thr)
        dets, keep = batched_nms(boxes, scores, classes, config)
        assert keep.tolist() == [1, 3]
        assert dets[:, 4].tolist() == pytest.approx([0.9, 0.8])
        keep = batched_nms(boxes, scores, classes, config | dict(class_agnostic=True))[1]
        assert keep.tolist() == ([1] if split_thr == 10_000 else [1, 3])


@pytest.mark.parametrize('dtype', [torch.float64, torch.float16])
def test_other_precision_is_refused(dtype: torch.dtype) -> None:
    boxes = torch.zeros(2, 4, dtype=dtype)
    with pytest.raises(TypeError, match=r"'nms' takes float32 boxes, got torch.float.*\.float\(\)"):
        nms(boxes, torch.zeros(2), 0.5, 0)
    with pytest.raises(TypeError, match="'softnms' takes float32 scores"):
        softnms(boxes.float(), boxes[:, 0], torch.zeros(2, 5), 0.5, 0.5, 0.1, 1, 0)


def test_kernels_work_without_a_folder_for_their_cache() -> None:
    from expalign.compat.nms_kernels import _compiled
    source: dict = {}
    exec(compile('def twice(x):\n    return 2 * x', '<no file>', 'exec'), source)
    assert _compiled(source['twice'])(21) == 42


@pytest.mark.gpu
def test_cuda_tensors() -> None:
    case = Case('nms', 'clustered', 1_000)
    boxes, scores = torch.from_numpy(case.boxes()), torch.from_numpy(case.scores())
    keep = nms(boxes.cuda(), scores.cuda(), 0.5, 0)
    assert keep.is_cuda
    assert torch.equal(keep.cpu(), nms(boxes, scores, 0.5, 0))


@pytest.mark.skipif(not COMPILED, reason='EXPALIGN_COMPILED_MMCV does not name a folder with mmcv')
def test_direct_comparison_with_compiled_mmcv(tmp_path: Path) -> None:
    out = tmp_path / 'compiled.npz'
    subprocess.run([sys.executable, HERE / 'make_golden.py', out], check=True,
                   env={**os.environ, 'PYTHONPATH': COMPILED})
    compiled = np.load(out)
    for case in (*CASES, *SWEEP):
        if case.layout == 'ties' and case.operator != 'soft_nms':
            continue  # mmcv's order of tied scores depends on the processor
        for key, value in run(case).items():
            np.testing.assert_array_equal(value, compiled[f'{case.name}/{key}'], case.name)
