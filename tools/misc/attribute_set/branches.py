"""The parts that are trained on cached maps, and alignment with them.

Per level: F = A [X; Z] + b with Z = SiLU(W P + w), X the last hidden map of the class branch and P
the pyramid's. A and b start as the branch's own 1x1 convolution and norm on X, and as zero on Z; so
the start is the detector as it is, and Z brings in what the branch has dropped. Logits as in the
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
        tau: the temperature; 'learned': it starts at 1.
        width: of Z.
    """

    def __init__(self, model: nn.Module, tau: float | str = 1.0, width: int = WIDTH) -> None:
        super().__init__()
        neck, head = model.neck, model.bbox_head.head_module
        widths = [branch[0].conv.in_channels for branch in neck.embed_branches]
        self.split = widths
        self.looks = nn.ModuleList(nn.Linear(channels, width) for channels in widths)
        self.embeds = nn.ModuleList()
        for branch, norm in zip(neck.embed_branches, neck.embed_norms, strict=True):
            weight, offset = (x.detach() for x in embedding_map(branch[-1], norm))  # (D, C), (D)
            embed = nn.Linear(weight.shape[1] + width, len(weight))
            with torch.no_grad():
                embed.weight.copy_(torch.cat([weight, weight.new_zeros(len(weight), width)], 1))
                embed.bias.copy_(offset)
            self.embeds.append(embed)
        self.scales = nn.Parameter(torch.stack([x.detach().clone() for x in head.logit_scales]))
        self.biases = nn.Parameter(torch.stack([x.detach().clone() for x in head.biases]))
        learned = tau == 'learned'
        self.log_tau = nn.Parameter(
            torch.tensor(float(tau) if not learned else 1.0).log(), requires_grad=learned)

    def forward(self, features: Sequence[Tensor], tokens: Tensor, masks: Tensor) -> list[Tensor]:
        """Alignment maps (B, K, N_s) of every level, Eqs 1-4.

        Args:
            features: per level (B, N_s, P_s + C), see :class:`~.maps.Maps`.
            tokens: (B, K, L, D).
            masks: (B, K, L) bool.
        """
        return [self._align(x, level, tokens, masks) for level, x in enumerate(features)]

    def _align(self, features: Tensor, level: int, tokens: Tensor, masks: Tensor) -> Tensor:
        """As :func:`~expalign.models.layers.expectation_alignment`, F never being built."""
        pyramid, hidden = features.split(
            [self.split[level], features.shape[2] - self.split[level]], 2)
        look, embed = self.looks[level], self.embeds[level]
        # Rows of a wider matrix, which a product reads where they are.
        seen = F.silu(torch.addmm(look.bias, pyramid.flatten(0, 1), look.weight.T))
        seen = seen.view(*hidden.shape[:2], -1)
        pooled = embed(torch.cat([hidden.mean(1), seen.mean(1)], 1))  # (B, D)
        scores = torch.einsum('bd,bkld->bkl', pooled, tokens)
        pi = masked_softmax(scores / self.log_tau.exp(), masks)
        prompts = torch.einsum('bkl,bkld->bkd', pi, tokens)
        keys, shifts = prompts @ embed.weight, prompts @ embed.bias  # (B, K, C), (B, K)
        of_hidden, of_seen = keys.split([hidden.shape[2], seen.shape[2]], 2)
        return torch.baddbmm(
            torch.baddbmm(shifts[..., None], of_hidden, hidden.mT), of_seen, seen.mT)

    def logits(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Class logits of the maps."""
        return [eam * scale.exp() + bias
                for eam, scale, bias in zip(maps, self.scales, self.biases, strict=True)]
