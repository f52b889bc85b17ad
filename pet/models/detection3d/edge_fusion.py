"""What the cells at the edge of an image know of each other, for objects that it cuts.

Source: the edge fusion of MonoFlex, Zhang et al., 2021 (https://arxiv.org/abs/2104.02323), section 3.2. There the border of the map is a
line with repeated ends, here it is closed: the first cell is next to the last.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

GROUPS = 32
"""Of the group norm, as of the branches of the head."""


class EdgeFusion(nn.Module):
    """Two convolutions along the border of the image, whose results are added to the outputs of a branch there.

    It begins without an effect: the weights of the last convolution are 0.

    Args:
        channels: of the features.
        outputs: how many of the first channels of the branch get something added.
    """

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs
        norm = nn.GroupNorm(math.gcd(GROUPS, channels), channels)
        self.along = nn.Sequential(nn.Conv1d(channels, channels, 3), norm, nn.ReLU(inplace=True))
        self.last = nn.Conv1d(channels, outputs, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]  # it has one

    def forward(self, features: Tensor, outputs: Tensor, sizes: Sequence[tuple[int, int]]) -> Tensor:
        """Return the outputs (B, N, h, w) of a branch with what is added at the border of each image.

        Args:
            features: (B, C, h, w), what the branch's last convolution looked at.
            outputs: (B, N, h, w), what it gave.
            sizes: (rows, columns) of the cells of each image, at least two of each; those beyond are padding.
        """
        borders = [border_cells(*size, width=features.shape[3], device=features.device) for size in sizes]
        added = [self._added(own[None], border) for own, border in zip(features.flatten(2), borders, strict=True)]
        head, rest = outputs[:, : self.outputs], outputs[:, self.outputs :]
        return torch.cat([head + torch.cat(added).reshape(head.shape).to(head.dtype), rest], dim=1)

    def _added(self, flat: Tensor, cells: Tensor) -> Tensor:
        """Return (1, N, h * w) for the features (1, C, h * w) of an image: 0 but at its cells (L,)."""
        border = flat[:, :, cells]
        found: Tensor = self.last(self.along(torch.cat([border[..., -1:], border, border[..., :1]], dim=2)))
        return found.new_zeros(1, self.outputs, flat.shape[2]).index_copy(2, cells, found)


def border_cells(rows: int, columns: int, *, width: int, device: torch.device) -> Tensor:
    """Return the places, int64 (2 * rows + 2 * columns - 4,), of the border of an image in a map, clockwise from the upper left corner.

    Args:
        rows: of the image, at least 2.
        columns: likewise.
        width: of the map, whose cells are counted row by row.
        device: where the places go.
    """
    across, down = torch.arange(columns - 1, device=device), torch.arange(rows - 1, device=device)
    last_row, last_column = (rows - 1) * width, columns - 1
    return torch.cat([across, down * width + last_column, last_row + last_column - across, last_row - down * width])
