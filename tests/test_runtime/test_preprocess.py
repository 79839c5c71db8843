"""Letterboxing equals the test pipeline's, bit by bit."""

import numpy as np
import pytest

from expalign.runtime.preprocess import letterbox, read_image
from expalign.runtime.settings import DetectorSettings


def settings(size=(640, 640), order='RGB') -> DetectorSettings:
    return DetectorSettings(
        image_size=size, pad_value=114, channel_order=order, embed_dims=8, score_thr=0.001,
        nms_pre=100, iou_threshold=0.7, class_agnostic=False, max_per_img=10, multi_label=True)


@pytest.mark.parametrize('shape', [
    (480, 640), (640, 427), (1000, 713), (333, 500), (20, 31), (640, 640), (3, 700), (1281, 719),
    (2, 3000), (1500, 1)])
@pytest.mark.parametrize('side', [640, 320])
def test_equals_the_pipeline(shape, side):
    from mmcv.transforms import Compose
    from mmengine.registry import init_default_scope

    import expalign.datasets  # noqa: F401
    init_default_scope('mmdet')
    pipeline = Compose([
        dict(type='mmyolo.YOLOv5KeepRatioResize', scale=(side, side)),
        dict(type='mmyolo.LetterResize', scale=(side, side), allow_scale_up=False,
             pad_val=dict(img=114))])
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    expected = pipeline(dict(img=image.copy(), img_shape=shape, ori_shape=shape))
    frame = letterbox(image, settings((side, side), 'BGR'))
    assert np.array_equal(frame.pixels, expected['img'].transpose(2, 0, 1))
    assert frame.scale == pytest.approx(expected['scale_factor'], rel=1e-12)
    top, _, left, _ = expected['pad_param']
    assert frame.pad == (left, top) and frame.size == shape
    turned = letterbox(image, settings((side, side), 'RGB'))
    assert np.array_equal(turned.pixels, frame.pixels[::-1])


def test_a_frame_that_is_no_square():
    frame = letterbox(np.full((100, 50, 3), 7, np.uint8), settings((64, 32)))
    assert frame.pixels.shape == (3, 32, 64) and frame.scale == (0.32, 0.32)
    assert frame.pad == (24, 0) and (frame.pixels == 7).sum() == 3 * 32 * 16


def test_an_image_that_is_a_line():
    assert letterbox(np.zeros((1, 2000, 3), np.uint8), settings()).scale == (0.32, 1.0)


def test_what_is_no_image(tmp_path):
    (tmp_path / 'a.jpg').write_bytes(b'text')
    (tmp_path / 'b.jpg').write_bytes(b'')
    for name, reason in (('a.jpg', 'it is damaged'), ('b.jpg', 'the file is empty')):
        with pytest.raises(OSError, match=f"cannot read image '.*{name}': {reason}"):
            read_image(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / 'c.jpg')
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(ValueError, match=r'an image is an array \(H, W, 3\) of uint8 in BGR'):
            letterbox(wrong, settings())
