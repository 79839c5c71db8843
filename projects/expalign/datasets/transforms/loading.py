"""Image loading that ends in one clear error for a file that cannot be used."""

import os
from http.client import HTTPException
from urllib.error import URLError

import cv2
from mmcv.transforms import LoadImageFromFile as MMCVLoadImageFromFile
from mmdet.registry import TRANSFORMS as MMDET_TRANSFORMS

from expalign.registry import TRANSFORMS

from ..bad_samples import BadImage, MissingImage

NO_ANSWER = (URLError, ConnectionError, TimeoutError, HTTPException)


# mmdet's DetInferencer puts its own loader in place of the first transform, and that one builds
# 'LoadImageFromFile' in mmdet's registry, where mmcv's is only inherited: naming this class there
# too gives the inferencer the same errors.
@MMDET_TRANSFORMS.register_module()
@TRANSFORMS.register_module()
class LoadImageFromFile(MMCVLoadImageFromFile):
    """mmcv's loader, whose errors name the file and say what to do.

    Arguments and keys are mmcv's. ``img_path`` -> ``img`` (H, W, 3) uint8 BGR, ``img_shape`` and
    ``ori_shape`` (H, W). Grey, palette, CMYK and 16-bit images become 8-bit BGR; transparency is
    dropped.

    An image with an EXIF orientation is turned as viewers turn it, and boxes are taken to lie on
    the turned image, unless ``height`` and ``width`` of the record are those of the image as
    stored: then it is not turned. Where the record has a size, the image must have it.

    Raises:
        MissingImage: the file does not exist; a ``FileNotFoundError``.
        BadImage: it is empty, truncated, no image, not of the annotated size, or its address does
            not answer; an ``OSError``.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self._as_stored = None
        if self.color_type in ('color', 'grayscale'):
            self._as_stored = MMCVLoadImageFromFile(
                **(kwargs | dict(color_type=f'{self.color_type}_ignore_orientation')))

    def transform(self, results: dict) -> dict | None:
        """Load ``results['img_path']``."""
        path, position = results['img_path'], results.get('sample_idx')
        try:
            loaded = super().transform(results)
            if loaded is None:  # by `ignore_empty`
                return None
            annotated = (results.get('height'), results.get('width'))
            if self._as_stored and loaded['img_shape'] == annotated[::-1] != annotated:
                loaded = self._as_stored.transform(results)
        except FileNotFoundError as error:
            raise MissingImage(
                f"image '{path}' not found: check the path or, for a data set, 'data_prefix' and "
                f"'data_root' of the dataset in the config", position) from error
        except NO_ANSWER as error:
            raise BadImage(
                f"cannot fetch image '{path}': {error}. Check the address and the connection, or "
                'give the path of a file', position) from error
        except (OSError, AssertionError, cv2.error) as error:  # mmcv asserts that it got an image
            remedy = '' if position is None else ' or remove the image from the annotation file'
            raise BadImage(
                f"cannot read image '{path}': {_reason(path, error)}. Replace the file{remedy}",
                position) from error
        if None not in annotated and loaded['img_shape'] != annotated:
            height, width = loaded['img_shape']
            raise BadImage(
                f"image '{path}' is {width} x {height} pixels, its annotation says "
                f'{annotated[1]} x {annotated[0]}: boxes would not fit. Replace the file or '
                "correct 'width', 'height' and the boxes", position)
        return loaded


def _reason(path: str, error: Exception) -> str:
    if os.path.isdir(path):
        return 'it is a folder'
    if os.path.isfile(path) and os.path.getsize(path) == 0:
        return 'the file is empty'
    if isinstance(error, PermissionError):
        return 'it may not be read by this user'
    return 'it is damaged, incomplete or not an image'
