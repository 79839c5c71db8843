"""DINOv3 ConvNeXt image encoder (tiny, small, base, large), from transformers or timm files."""

from pathlib import Path

from torch import Tensor, nn

from expalign.models.utils.freeze import FreezableModule
from expalign.models.utils.pretrained import (
    PretrainedModelError,
    config_from_dict,
    explain_failure,
    load_exactly,
    load_pretrained,
    resolve_model_source,
)
from expalign.registry import MODELS

from .timm_keys import config_from_timm_keys, is_timm_layout, timm_to_transformers_keys

OUT_STAGES = ['stage2', 'stage3', 'stage4']
UNGATED_HINT = (
    "The same weights are published without a gate as 'timm/convnext_tiny.dinov3_lvd1689m' (also "
    'small, base, large), which this argument takes too, as it does a local copy of that '
    "repository's model.safetensors.")


@MODELS.register_module()
class DINOv3ConvNeXt(FreezableModule):
    """DINOv3 ConvNeXt: the raw outputs of the last three stages.

    No norm is applied to them: transformers' ``DINOv3ConvNextBackbone`` has none, the final
    ``layer_norm`` of the published files belongs to the pooled vector and is not loaded. Input is
    RGB, normalised with mean (123.675, 116.28, 103.53) and std (58.395, 57.12, 57.375) of
    0...255 values. Sides must be multiples of 32, or the strides of the maps are uneven.

    Widths and parameters: tiny 192, 384, 768 and 27,818,592; small the same and 49,453,152;
    base 256, 512, 1024 and 87,564,416; large 384, 768, 1536 and 196,227,264.

    Args:
        model: Hub name (``facebook/dinov3-convnext-{tiny,small,base,large}-pretrain-lvd1689m``,
            gated, or ``timm/convnext_{tiny,small,base,large}.dinov3_lvd1689m``, not gated), local
            folder or ``'package:NAME/SUBFOLDER'`` in either layout, or a ``.safetensors`` file in
            timm's; or a dict of ``DINOv3ConvNextConfig`` arguments for a randomly initialised
            network.
        frozen: Whether to freeze it.

    Raises:
        PretrainedModelError: The weights cannot be had or are of another network.
    """

    def __init__(self, model: str | dict = 'facebook/dinov3-convnext-tiny-pretrain-lvd1689m',
                 frozen: bool = True) -> None:
        network = _random(model) if isinstance(model, dict) else _pretrained(model)
        super().__init__(network, frozen)
        self.out_channels = tuple(network.config.hidden_sizes[1:])

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map (B, 3, H, W) to three maps (B, out_channels[i], H / s, W / s), s = 8, 16, 32."""
        return tuple(self.run_network(images).feature_maps)


def _random(config: dict) -> nn.Module:
    from transformers import DINOv3ConvNextBackbone, DINOv3ConvNextConfig
    config_from_dict(DINOv3ConvNextConfig, config, 'DINOv3ConvNeXt')
    return DINOv3ConvNextBackbone(DINOv3ConvNextConfig(**config, out_features=OUT_STAGES))


def _pretrained(model: str) -> nn.Module:
    from transformers import DINOv3ConvNextBackbone
    owner = 'DINOv3ConvNeXt(model=...)'
    with explain_failure(owner, model):
        weights = _timm_weights(model)
    if weights is None:
        return load_pretrained(
            DINOv3ConvNextBackbone, model, owner, hint=UNGATED_HINT, out_features=OUT_STAGES)
    network = _random(config_from_timm_keys(weights))
    load_exactly(network, timm_to_transformers_keys(weights), model, owner)
    return network


def _timm_weights(model: str) -> dict[str, Tensor] | None:
    """Return the state dict of a model in timm's layout; None where it is in transformers'."""
    from huggingface_hub import hf_hub_download
    from safetensors import safe_open
    from safetensors.torch import load_file
    path = Path(resolve_model_source(model))
    if path.is_dir():
        path = path / 'model.safetensors'
    elif not path.exists() and model.startswith('timm/'):
        path = Path(hf_hub_download(model, 'model.safetensors'))
    if not path.is_file():
        return None
    with safe_open(path, framework='pt') as file:
        timm_layout = is_timm_layout(list(file.keys()))
    if not timm_layout and path.name != 'model.safetensors':
        raise PretrainedModelError(
            f"{model!r} is not in timm's layout. Give the folder of the model, with its "
            'config.json, instead of the file.')
    return {key: value.float() for key, value in load_file(path).items()} if timm_layout else None
