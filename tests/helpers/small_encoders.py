"""Folders of encoders as a hub has them, with random weights and few layers."""

from pathlib import Path

import torch

from .tokenizers import make_clip_tokenizer, tiny_clip_config

WIDTHS = (24, 48, 96)  # of C3, C4, C5: an eighth of DINOv3 ConvNeXt-T's
TOKEN_WIDTH = 96  # an eighth of CLIP ViT-L/14's


def dinov3(folder: Path) -> str:
    """A DINOv3 ConvNeXt of one block a stage."""
    from transformers import DINOv3ConvNextConfig, DINOv3ConvNextModel
    torch.manual_seed(0)
    config = DINOv3ConvNextConfig(hidden_sizes=[12, *WIDTHS], depths=[1, 1, 1, 1])
    DINOv3ConvNextModel(config).save_pretrained(folder)
    return str(folder)


def clip(folder: Path) -> str:
    """A text tower of CLIP's form, with its tokenizer."""
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection
    torch.manual_seed(0)
    make_clip_tokenizer(folder)
    config = CLIPTextConfig(**tiny_clip_config(projection_dim=TOKEN_WIDTH))
    CLIPTextModelWithProjection(config).save_pretrained(folder)
    return str(folder)


def sam2(folder: Path) -> str:
    """A SAM 2 of 64 px and one block a stage."""
    from transformers import Sam2Config, Sam2Model
    torch.manual_seed(0)
    backbone = dict(
        model_type='sam2_hiera_det_model', hidden_size=8, num_attention_heads=1,
        image_size=[64, 64], blocks_per_stage=[1, 1, 2, 1], embed_dim_per_stage=[8, 16, 32, 64],
        num_attention_heads_per_stage=[1, 1, 2, 2], window_size_per_stage=[4, 2, 4, 2],
        global_attention_blocks=[3], window_positional_embedding_background_size=[2, 2])
    config = Sam2Config(
        vision_config=dict(
            model_type='sam2_vision_model', backbone_config=backbone, fpn_hidden_size=32,
            backbone_channel_list=[64, 32, 16, 8],
            backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]]),
        prompt_encoder_config=dict(hidden_size=32, image_size=64, mask_input_channels=4),
        mask_decoder_config=dict(hidden_size=32, mlp_dim=32, num_attention_heads=2,
                                 iou_head_hidden_dim=16))
    Sam2Model(config).save_pretrained(folder)
    return str(folder)


def small_model_options(folder: Path) -> list[str]:
    """``--cfg-options`` that make any ``expalign_cnxt`` config small, with encoders in folders."""
    pyramid, levels = '[32,64,64]', f'[{",".join(map(str, WIDTHS))}]'
    return [
        f'model.backbone.model={dinov3(folder / "dinov3")}',
        f'model.text_encoder.model={clip(folder / "clip")}',
        f'model.text_adapter.in_channels={TOKEN_WIDTH}',
        f'model.text_adapter.out_channels={TOKEN_WIDTH}',
        f'model.neck.pafpn.in_channels={levels}', f'model.neck.pafpn.out_channels={pyramid}',
        'model.neck.pafpn.num_csp_blocks=1', f'model.neck.in_channels={pyramid}',
        f'model.neck.embed_dims={TOKEN_WIDTH}',
        f'model.bbox_head.head_module.in_channels={pyramid}']
