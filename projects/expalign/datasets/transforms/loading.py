"""Image loading that ends in one clear error for a file that cannot be used."""

from http.client import HTTPException
from urllib.error import URLError

import cv2
import mmcv
import numpy as np
from mmcv.transforms import LoadImageFromFile as MMCVLoadImageFromFile
from mmdet.registry import TRANSFORMS as MMDET_TRANSFORMS
from mmengine import fileio

from expalign.datasets.bad_samples import BadImage, ImageOfOtherSize, MissingImage
from expalign.datasets.image_cache import file_stamp, find_cache, make_cache
from expalign.registry import TRANSFORMS
from expalign.utils.file_kinds import is_address, special_kind
from expalign.utils.image_files import DAMAGED, OtherSize, UnreadableImage, decode, read_content

FLAGS = dict(color=cv2.IMREAD_COLOR, grayscale=cv2.IMREAD_GRAYSCALE)  # by `color_type`
NO_ANSWER = (URLError, ConnectionError, TimeoutError, HTTPException)


# mmdet's DetInferencer puts its own loader in place of the first transform, and that one builds
# 'LoadImageFromFile' in mmdet's registry, where mmcv's is only inherited: naming this class there
# too gives the inferencer the same errors.
@MMDET_TRANSFORMS.register_module()
@TRANSFORMS.register_module()
class LoadImageFromFile(MMCVLoadImageFromFile):
    """mmcv's loader, whose errors name the file and say what to do.

    Keys and other arguments are mmcv's. ``img_path`` -> ``img`` (H, W, 3) uint8 BGR, ``img_shape``
    and ``ori_shape`` (H, W). Grey, palette, CMYK and 16-bit images become 8-bit BGR; transparency
    is dropped.

    An image with an EXIF orientation is turned as viewers turn it, whatever its format, and boxes
    are taken to lie on the turned image, unless ``height`` and ``width`` of the record are those
    of the image as stored: then it is not turned. Where the record has a size, the image must have
    it. With another ``imdecode_backend`` than ``'cv2'`` all this is as mmcv does it.

    Args:
        cache_bytes: of memory for decoded images of a data set in training, for all transforms and
            worker processes of a training process together
            (:class:`~expalign.datasets.image_cache.ImageCache`). None is taken for a set of which
            less than half would fit. A file that has changed, by its time or size, is read again.

    Raises:
        ValueError: ``cache_bytes`` is no whole number of 0 or more.
        MissingImage: the file does not exist; a ``FileNotFoundError``.
        BadImage: it is empty, truncated, no image, no regular file, too large, not of the annotated
            size, or its address does not answer; an ``OSError``.
    """

    def __init__(self, *args, cache_bytes: int = 0, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if type(cache_bytes) is not int or cache_bytes < 0:
            raise ValueError(
                f'LoadImageFromFile: cache_bytes must be a whole number of 0 or more, got '
                f'{cache_bytes!r}')
        self.cache_bytes = cache_bytes
        if cache_bytes:
            make_cache(cache_bytes)  # before there are workers, which share it

    def transform(self, results: dict) -> dict | None:
        """Load ``results['img_path']``."""
        path, position = results['img_path'], results.get('sample_idx')
        annotated = results.get('width'), results.get('height')
        try:
            image = self._image(
                path, None if None in annotated else annotated, results.get('dataset', ()))
        except FileNotFoundError as error:
            raise MissingImage(
                f"image '{path}' not found: check the path or, for a data set, 'data_prefix' and "
                f"'data_root' of the dataset in the config", position) from error
        except NO_ANSWER as error:
            raise BadImage(
                f"cannot fetch image '{path}': {error}. Check the address and the connection, or "
                'give the path of a file', position) from error
        except OtherSize as error:
            raise ImageOfOtherSize(
                f"image '{path}' is {error.size[0]} x {error.size[1]} pixels, its annotation says "
                f'{annotated[0]} x {annotated[1]}: boxes would not fit. Replace the file or '
                "correct 'width', 'height' and the boxes", position) from error
        except OSError as error:
            if self.ignore_empty:
                return None
            remedy = '' if position is None else ' or remove the image from the annotation file'
            reason, kind = getattr(error, 'reason', None) or DAMAGED, getattr(error, 'kind', '')
            raise BadImage(
                f"cannot read image '{path}': {reason}. Replace the file{remedy}"
                f'{f"; it is {kind}" if kind else ""}', position) from error
        results['img'] = image.astype(np.float32) if self.to_float32 else image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results

    def _image(self, path: str, annotated: tuple[int, int] | None, dataset) -> np.ndarray:
        """The pixels of a file, from memory where they are kept.

        Args:
            path: of the file, or an address.
            annotated: (width, height) that it must have.
            dataset: that it is of, in training; empty elsewhere.
        """
        cache = find_cache(self.cache_bytes) if len(dataset) else None
        stamp = None if cache is None or self._has_backend(path) else file_stamp(path)
        if stamp is None:
            return self._decode(self._content(path), annotated)
        key = path, annotated, self.color_type, self.imdecode_backend
        image = cache.get(key, stamp)
        if image is None:
            image = self._decode(self._content(path), annotated)
            if len(dataset) * image.nbytes <= 2 * self.cache_bytes:
                cache.put(key, stamp, image)
        return image

    def _has_backend(self, path: str) -> bool:
        """Whether another file system than the machine's is asked."""
        return bool(self.file_client_args is not None or self.backend_args or is_address(path))

    def _content(self, path: str) -> bytes:
        kind = None if is_address(path) else special_kind(path)
        if kind is not None:
            raise UnreadableImage(f'it is {kind}')
        if self.file_client_args is not None:
            return fileio.FileClient.infer_client(self.file_client_args, path).get(path)
        if self._has_backend(path):
            return fileio.get(path, backend_args=self.backend_args)
        return read_content(path)

    def _decode(self, content: bytes, annotated: tuple[int, int] | None) -> np.ndarray:
        if self.imdecode_backend == 'cv2' and self.color_type in FLAGS:
            return decode(content, FLAGS[self.color_type], annotated)
        try:
            image = mmcv.imfrombytes(content, flag=self.color_type, backend=self.imdecode_backend)
        except (OSError, SyntaxError, ValueError, cv2.error) as error:
            raise UnreadableImage(DAMAGED) from error
        if image is None:
            raise UnreadableImage(DAMAGED)
        if annotated is not None and annotated != image.shape[1::-1]:
            raise OtherSize(image.shape[1::-1])
        return image


def read_image(path: str) -> np.ndarray:
    """An image (H, W, 3), uint8, BGR, from a path or an address.

    Raises:
        BadSample: it cannot be read.
    """
    return LoadImageFromFile().transform(dict(img_path=path))['img']
