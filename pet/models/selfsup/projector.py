"""What is between the features of a backbone and a loss without labels, and is thrown away afterwards."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, normalize

Norm = Literal["batch", "layer", "none"]


def build_mlp(in_features: int, *, hidden: int, out: int, layers: int, norm: Norm = "batch", norm_at_end: bool = False) -> nn.Sequential:
    """Return linear layers with a norm and ReLU between them: a projector (B, in_features) -> (B, out), or a predictor.

    A layer in front of a norm has no bias. With one layer there is no hidden one.

    Args:
        in_features: length of the features.
        hidden: width of the layers between.
        out: length of the result.
        layers: number of linear layers, at least 1.
        norm: what follows hidden layers; ``none`` and ``layer`` let each sample alone count, so that the batch may be split.
        norm_at_end: a norm without scale and offset follows the last layer too, as in SimCLR and MoCo v3.
    """
    assert layers >= 1, f"{layers} layers"
    widths = [in_features, *[hidden] * (layers - 1), out]
    parts: list[nn.Module] = []
    for place, (before, after) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
        is_last = place == layers - 1
        has_norm = norm != "none" and (norm_at_end or not is_last)
        parts.append(nn.Linear(before, after, bias=not has_norm))
        if has_norm:
            parts.append(_norm(norm, after, affine=not is_last))
        if not is_last:
            parts.append(nn.ReLU(inplace=True))
    return nn.Sequential(*parts)


def _norm(norm: Norm, width: int, *, affine: bool) -> nn.Module:
    return nn.BatchNorm1d(width, affine=affine) if norm == "batch" else nn.LayerNorm(width, elementwise_affine=affine)


class PrototypeHead(nn.Module):
    """The head of DINO: an MLP, vectors of unit length, and their products with prototypes of unit length (B, out).

    Source: Caron et al., 2021 (https://arxiv.org/abs/2104.14294), whose last layer is weight-normalised with a fixed length of 1.

    Attributes:
        prototypes: (out, bottleneck); their lengths do not count.

    Args:
        in_features: length of the features.
        hidden: width of the MLP.
        bottleneck: length of its result.
        out: number of prototypes.
        layers: linear layers of the MLP.
    """

    def __init__(self, in_features: int, *, hidden: int, bottleneck: int, out: int, layers: int = 3) -> None:
        super().__init__()
        widths = [in_features, *[hidden] * (layers - 1), bottleneck]
        parts: list[nn.Module] = []
        for before, after in zip(widths[:-1], widths[1:], strict=True):
            parts += [nn.Linear(before, after), nn.GELU()]
        self.mlp = nn.Sequential(*parts[:-1])
        for module in self.mlp:
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        self.prototypes = nn.Parameter(torch.empty(out, bottleneck))
        nn.init.trunc_normal_(self.prototypes, std=0.02)

    def forward(self, features: Tensor) -> Tensor:
        """Return the cosines with the prototypes."""
        return linear(normalize(self.mlp(features), dim=1), normalize(self.prototypes, dim=1))
