"""The parts that are trained on cached maps, and alignment with them.

Per level: F = A X + C Z + b with Z = SiLU(W Q + w), X the last hidden map of the class branch and Q
the backbone's first two maps, where colours and textures still are. A and b start as the branch's
own 1x1 convolution and norm, turned into the space of the tokens, and C as zero. Logits as in the
head: exp(scale) EAM + bias.

Axes: B images, K prompts, L tokens, N_s cells of level s, D embedding width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from expalign.models.layers import embedding_map, masked_softmax

WIDTH = 64  # of Z


class Branches(nn.Module):
    """Class branches, scales, biases and the temperature of Eq. 3.

    Args:
        model: the detector that they start from.
        early: width of Q.
        turn: (D, D of the detector), from its space into that of the tokens.
        tau: the temperature; 'learned': it starts at 1.
        width: of Z.
    """

    def __init__(self, model: nn.Module, early: int, turn: Tensor, tau: float | str = 1.0
                 ) -> None:
        super().__init__()
        neck, head = model.neck, model.bbox_head.head_module
        self.early = early
        self.looks = nn.ModuleList(nn.Linear(early, WIDTH) for _ in neck.embed_branches)
        self.embeds, self.adds = nn.ModuleList(), nn.ModuleList()
        for branch, norm in zip(neck.embed_branches, neck.embed_norms, strict=True):
            weight, offset = (turn @ x.detach() for x in embedding_map(branch[-1], norm))
            embed = nn.Linear(weight.shape[1], len(weight))  # C to D
            with torch.no_grad():
                embed.weight.copy_(weight)
                embed.bias.copy_(offset)
            self.embeds.append(embed)
            self.adds.append(nn.Linear(WIDTH, len(weight), bias=False))
            nn.init.zeros_(self.adds[-1].weight)
        self.scales = nn.Parameter(torch.stack([x.detach().clone() for x in head.logit_scales]))
        self.biases = nn.Parameter(torch.stack([x.detach().clone() for x in head.biases]))
        learned = tau == 'learned'
        self.log_tau = nn.Parameter(
            torch.tensor(float(tau) if not learned else 1.0).log(), requires_grad=learned)

    def new_parameters(self) -> list[nn.Parameter]:
        """Those of W, w and C, which learn from nothing."""
        return [*self.looks.parameters(), *self.adds.parameters()]

    def forward(self, features: Sequence[Tensor], tokens: Tensor, masks: Tensor) -> list[Tensor]:
        """Alignment maps (B, K, N_s) of every level, Eqs 1-4.

        Args:
            features: per level Q and X side by side, (B, N_s, early + C), see :class:`~.maps.Maps`.
            tokens: (B, K, L, D).
            masks: (B, K, L) bool.
        """
        return [self._align(x, level, tokens, masks) for level, x in enumerate(features)]

    def _align(self, features: Tensor, level: int, tokens: Tensor, masks: Tensor) -> Tensor:
        """As :func:`~expalign.models.layers.expectation_alignment`, F never being built."""
        seen, hidden = features.split([self.early, features.shape[2] - self.early], 2)
        look, embed, add = self.looks[level], self.embeds[level], self.adds[level]
        # Rows of a wider matrix, which a product reads where they are.
        seen = F.silu(torch.addmm(look.bias, seen.flatten(0, 1), look.weight.T))
        seen = seen.view(*hidden.shape[:2], -1)
        pooled = embed(hidden.mean(1)) + add(seen.mean(1))  # (B, D)
        scores = torch.einsum('bd,bkld->bkl', pooled, tokens)
        pi = masked_softmax(scores / self.log_tau.exp(), masks)
        prompts = torch.einsum('bkl,bkld->bkd', pi, tokens)
        shifts = prompts @ embed.bias  # (B, K)
        return torch.baddbmm(
            torch.baddbmm(shifts[..., None], prompts @ embed.weight, hidden.mT),
            prompts @ add.weight, seen.mT)

    def logits(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Class logits of the maps."""
        return [eam * scale.exp() + bias
                for eam, scale, bias in zip(maps, self.scales, self.biases, strict=True)]
