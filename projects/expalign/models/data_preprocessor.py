"""Images to the device, in the model's channel order and scale."""

from mmdet.models.data_preprocessors import DetDataPreprocessor as MMDetDataPreprocessor
from torch import Tensor

from expalign.registry import MODELS


@MODELS.register_module()
class DetDataPreprocessor(MMDetDataPreprocessor):
    """mmdet's, which gives the same, without a wait for the device.

    mmengine exchanges channels with an index that is copied from the host in every step, after
    everything that is queued on the device is done. Here they are flipped. Arguments are mmdet's.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.flips_channels, self._channel_conversion = self._channel_conversion, False

    def forward(self, data: dict, training: bool = False) -> dict:
        """See mmdet's class; ``inputs`` are (B, 3, H, W), or B of (3, H_i, W_i)."""
        if self.flips_channels:
            inputs = self.cast_data(data['inputs'])
            inputs = inputs.flip(1) if isinstance(inputs, Tensor) else [x.flip(0) for x in inputs]
            data = {**data, 'inputs': inputs}
        return super().forward(data, training)


def channel_order(preprocessor: MMDetDataPreprocessor) -> str:
    """The order in which a model gets the channels of images that were read as BGR."""
    exchanged = getattr(preprocessor, 'flips_channels', preprocessor._channel_conversion)
    return 'RGB' if exchanged else 'BGR'
