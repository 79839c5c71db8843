"""Prompts that are trained themselves, while all that reads them stays as it is.

Axes: N prompts, L tokens, D width, K tuned prompts.
"""

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from expalign.registry import MODELS


@MODELS.register_module()
class TunedPrompts(BaseModule):
    """A vector for each known class, which is added to all tokens of its prompt.

    It starts at zero: an untrained model is the zero-shot one. Other prompts stay as they are, so
    training it costs no zero-shot ability. The sum is not normalised: its length is learnt, too.

    Args:
        num_prompts: K.
        embed_dims: D.
    """

    def __init__(self, num_prompts: int, embed_dims: int) -> None:
        super().__init__()
        self.offsets = nn.Parameter(torch.zeros(num_prompts, embed_dims))

    def forward(self, txt_feats: Tensor, txt_masks: Tensor, rows: Sequence[int]) -> Tensor:
        """Text features with what was learnt for them.

        Args:
            txt_feats: (N, L, D).
            txt_masks: (N, L) bool.
            rows: N places among the known classes; -1 where a prompt is none of them.
        """
        index = torch.tensor(list(rows), device=txt_feats.device)
        tuned = txt_masks & (index >= 0)[:, None]  # (N, L)
        offsets = self.offsets[index.clamp(min=0)][:, None]  # (N, 1, D)
        return txt_feats + offsets * tuned[..., None]
