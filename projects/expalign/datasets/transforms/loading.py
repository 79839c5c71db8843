"""Image loading that ends in one clear error for a file that cannot be read."""

import os

import cv2
from mmcv.transforms import LoadImageFromFile as MMCVLoadImageFromFile
from mmdet.registry import TRANSFORMS as MMDET_TRANSFORMS

from expalign.registry import TRANSFORMS


# mmdet's DetInferencer puts its own loader in place of the first transform, and that one builds
# 'LoadImageFromFile' in mmdet's registry, where mmcv's is only inherited: naming this class there
# too gives the inferencer the same errors.
@MMDET_TRANSFORMS.register_module()
@TRANSFORMS.register_module()
class LoadImageFromFile(MMCVLoadImageFromFile):
    """mmcv's loader, whose errors name the file and say what to do.

    Arguments and keys are mmcv's. ``img_path`` -> ``img`` (H, W, 3) uint8 BGR, ``img_shape`` and
    ``ori_shape`` (H, W).

    Raises:
        FileNotFoundError: the file does not exist.
        OSError: it is empty, truncated or no image.
    """

    def transform(self, results: dict) -> dict | None:
        """Load ``results['img_path']``."""
        path = results['img_path']
        try:
            return super().transform(results)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"image '{path}' not found: check the path or, for a data set, 'data_prefix' and "
                f"'data_root' of the dataset in the config") from error
        except (OSError, AssertionError, cv2.error) as error:  # mmcv asserts that it got an image
            raise OSError(
                f"cannot read image '{path}': {_reason(path)}. Replace the file or remove the "
                f'image from the annotation file') from error


def _reason(path: str) -> str:
    if os.path.isdir(path):
        return 'it is a folder'
    if os.path.isfile(path) and os.path.getsize(path) == 0:
        return 'the file is empty'
    return 'it is damaged, incomplete or not an image'
