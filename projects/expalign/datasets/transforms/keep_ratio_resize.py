"""mmyolo's resizing, for very long images too."""

import mmcv
from mmyolo.datasets.transforms import YOLOv5KeepRatioResize
from mmyolo.registry import TRANSFORMS as MMYOLO_TRANSFORMS


# Under mmyolo's name: configs of earlier models, in their checkpoints too, ask for that one.
@MMYOLO_TRANSFORMS.register_module(name='YOLOv5KeepRatioResize', force=True)
class KeepRatioResize(YOLOv5KeepRatioResize):
    """mmyolo's, except that an image keeps at least one row and one column of pixels.

    mmyolo asks for a side of 0 where one side is more than ``scale`` times the other, and OpenCV
    fails. :func:`expalign.runtime.preprocess.letterbox` does the same as this.
    """

    def _resize_img(self, results: dict) -> None:
        image = results.get('img')
        if image is not None:
            height, width = image.shape[:2]
            ratio = self._get_rescale_ratio((width, height), self.scale)
            if min(height, width) * ratio < 1:
                size = (max(int(width * ratio), 1), max(int(height * ratio), 1))
                results['img'] = mmcv.imresize(
                    image, size, interpolation='area', backend=self.backend)
                results['img_shape'] = size[::-1]
                results['scale_factor'] = (size[0] / width, size[1] / height)
                return
        super()._resize_img(results)
