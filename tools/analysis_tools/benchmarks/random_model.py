"""Models for benchmarks: of full size, with random weights, without access to a model hub."""

import math
import zlib
from collections.abc import Sequence

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from expalign.registry import MODELS
from expalign.utils import scratch_folder

from .random_encoders import with_random_encoders, write_placeholder_tokenizer


class RandomTokens(nn.Module):
    """Takes the place of a text encoder: 2 to 8 random tokens a prompt, the same every time.

    Args:
        channels: width of the tokens.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        # Follows the model from device to device, as an encoder's weights do.
        self.register_buffer('_anchor', torch.empty(0), persistent=False)

    def forward(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Tokens (N, L, D) and masks (N, L) of N prompts."""
        rows = []
        for text in texts:
            generator = torch.Generator().manual_seed(zlib.crc32(text.encode()))
            length = int(torch.randint(2, 9, (), generator=generator))
            rows.append(torch.randn(length, self.channels, generator=generator))
        tokens = pad_sequence(rows, batch_first=True)
        lengths = torch.tensor([len(row) for row in rows])
        masks = torch.arange(tokens.shape[1]) < lengths[:, None]
        return tokens.to(self._anchor.device), masks.to(self._anchor.device)


def build_random_model(cfg: Config, seed: int = 0) -> nn.Module:
    """The detector of a config in eval mode, encoders of the right size and random weights."""
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    torch.manual_seed(seed)
    with scratch_folder() as folder:
        cfg = with_random_encoders(cfg, write_placeholder_tokenizer(folder))
        return MODELS.build(cfg.model).eval()


def use_random_prompts(model: nn.Module) -> None:
    """Give a model prompts that differ: a placeholder tokenizer makes most of them equal."""
    model.text_encoder = RandomTokens(token_width(model))


def token_width(model: nn.Module) -> int:
    """Width of a text encoder's tokens; an adapter without weights gives what it takes."""
    return getattr(model.text_adapter, 'in_channels', model.neck.embed_dims)


@torch.no_grad()
def set_number_of_candidates(model: nn.Module, logits: Sequence[Tensor], candidates: int) -> None:
    """Shift the biases of the logits so that so many (prior, prompt) pairs pass the threshold.

    Random weights let none or all of them pass; how many do decides what post-processing costs.

    Args:
        model: a detector whose ``test_cfg.score_thr`` is above 0.
        logits: its class logits of one image, per level (1, K, H, W).
        candidates: the number of pairs.
    """
    values = torch.cat([x.flatten() for x in logits])
    score = model.bbox_head.test_cfg.score_thr
    lowest = values.topk(min(candidates, len(values)), sorted=False).values.min()
    for bias in model.bbox_head.head_module.biases:
        bias += math.log(score / (1 - score)) - lowest + 1e-4
