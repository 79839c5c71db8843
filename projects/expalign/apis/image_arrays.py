"""Images of other packages as arrays in OpenCV's order."""

import sys
from typing import Any

import numpy as np


def as_array(image: Any, name: str) -> Any:
    """A PIL image or a tensor as (H, W, 3) uint8 BGR; anything else as it is.

    Args:
        image: a PIL image, turned as its EXIF orientation says; or a tensor (3, H, W) or
            (1, H, W) in RGB order, uint8 or a float in [0, 1].
        name: of the input, for the message.

    Raises:
        ValueError: a tensor of another form.
    """
    # What was not imported, nobody can have made an image with.
    pil, torch = sys.modules.get('PIL.Image'), sys.modules.get('torch')
    if pil is not None and isinstance(image, pil.Image):
        from PIL import ImageOps
        return np.ascontiguousarray(
            np.asarray(ImageOps.exif_transpose(image).convert('RGB'))[..., ::-1])
    if torch is not None and isinstance(image, torch.Tensor):
        image = image.detach().cpu()
        return _of_tensor((image.float() if image.is_floating_point() else image).numpy(), name)
    return image


def _of_tensor(values: np.ndarray, name: str) -> np.ndarray:
    form = f'got {values.shape} of {values.dtype}'
    if values.ndim != 3 or values.shape[0] not in (1, 3) or not values.size:
        raise ValueError(f'{name}: a tensor is (3, H, W) in RGB order, {form}')
    if values.dtype != np.uint8:
        if values.dtype.kind != 'f' or not 0 <= values.min() <= values.max() <= 1:
            raise ValueError(f'{name}: a tensor is uint8 or of floats from 0 to 1, {form}'
                             f', from {values.min()} to {values.max()}: undo its normalisation')
        values = (values * 255).round().astype(np.uint8)
    rgb = np.broadcast_to(values, (3, *values.shape[1:])).transpose(1, 2, 0)
    return np.ascontiguousarray(rgb[..., ::-1])
