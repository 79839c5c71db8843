"""A frozen network's copy in the type that autocast computes in.

Autocast keeps weights in float32 and converts them when they are used. Of weights that are trained
it keeps the converted form for the length of a step; those of a frozen network it converts anew
at every call, and norms, scales and residual sums between the layers stay in float32.
"""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn


class AutocastTwin:
    """Runs a frozen network wholly in autocast's type, of weights that are converted once.

    The copy follows the network: it is made anew when weights are loaded, changed in place or
    moved. It is no part of a ``state_dict``, and a copy of its owner makes its own.
    """

    def __init__(self) -> None:
        self._twin: nn.Module | None = None
        self._key: tuple = ()

    def __deepcopy__(self, memo: dict) -> 'AutocastTwin':
        return AutocastTwin()

    def __reduce__(self) -> tuple:
        return AutocastTwin, ()

    def __call__(self, network: nn.Module, images: Tensor) -> Any:
        """What ``network`` gives for images (B, 3, H, W), in autocast's type.

        Memory is laid out channels last, which is faster for convolutions in half precision and
        makes the transpositions of a ConvNeXt free.
        """
        device = images.device.type
        dtype = torch.get_autocast_dtype(device)
        key = dtype, *_version(network)
        if key != self._key:
            self._twin, self._key = _convert(network, dtype), key
        with torch.autocast(device, enabled=False):
            return self._twin(images.to(dtype, memory_format=torch.channels_last))


def twin_applies(images: Tensor) -> bool:
    """Whether it pays: on a GPU under autocast. A compiler merges the conversions by itself."""
    return (images.is_cuda and torch.is_autocast_enabled('cuda')
            and not torch.compiler.is_compiling())


def _convert(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    with torch.inference_mode(False), torch.no_grad():
        twin = deepcopy(network).to(dtype=dtype, memory_format=torch.channels_last)
    return twin.eval().requires_grad_(False)


def _version(network: nn.Module) -> tuple:
    """Changes whenever a weight is replaced, moved or written to."""
    tensors = [*network.parameters(), *network.buffers()]
    return (tensors[0].data_ptr(), *(0 if x.is_inference() else x._version for x in tensors))
