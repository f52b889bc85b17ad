"""The head that says how much of what is counted lies in each cell of an image."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pet.losses.density import count_loss, squared_loss, transport_loss, variation_loss
from pet.models.counting.maps import MapSource, choose_map, count_through_tiles, inside_cells
from pet.models.counting.targets import count_in_cells, spread_over_cells
from pet.models.features import FeatureInfo, Features, HeadOutput, Regions
from pet.typed import VisionConfig
from petlib.errors import name_in_errors

FIRST_OUTPUT = -4.0
"""Before the activation: a cell holds nearly nothing at first."""


@dataclass(frozen=True)
class DensityLosses:
    """What densities learn from; a weight of 0 switches a loss off.

    Attributes:
        count: weight of the difference of the counts.
        transport: weight of the cost of moving the mass to the dots.
        variation: weight of the difference of the normalised maps.
        squared: weight of the squared differences of cells.
        sigma: standard deviation of the Gaussians around dots that these are compared with, pixels.
        regularization: of the transport, square pixels.
        iterations: of its solver.
    """

    count: float = 1.0
    transport: float = 0.1
    variation: float = 0.01
    squared: float = 0.0
    sigma: float = 15.0
    regularization: float = 10.0
    iterations: int = 100

    def compute(self, density: Tensor, dots: Sequence[Tensor], stride: int) -> dict[str, Tensor]:
        """Return the losses that are on, of maps (B, h, w) and the dots (N, 2) of each image."""
        size = density.shape[1], density.shape[2]
        losses = {}
        if self.count:
            counts = torch.tensor([float(len(own)) for own in dots], device=density.device)
            losses["loss_count"] = self.count * count_loss(density, counts)
        if self.transport:
            costs = [
                transport_loss(own, points, stride, regularization=self.regularization, iterations=self.iterations)
                for own, points in zip(density, dots, strict=True)
            ]
            losses["loss_transport"] = self.transport * torch.stack(costs).mean()
        if self.variation:
            target = torch.stack([count_in_cells(own, size, stride) for own in dots])
            losses["loss_variation"] = self.variation * variation_loss(density, target)
        if self.squared:
            target = torch.stack([spread_over_cells(own, size, stride, sigma=self.sigma) for own in dots])
            losses["loss_squared"] = self.squared * squared_loss(density, target)
        return losses


class DensityHead(nn.Module):
    """3 x 3 convolutions of a map, enlarged to the stride first, and one number for each cell: CSRNet's and DM-Count's.

    Args:
        source: the map that it looks at.
        stride: height and width of a cell, pixels.
        channels: of the convolutions.
        dilation: of the convolutions.
        activation: what keeps the numbers from being negative: ``softplus``, or ``relu``, whose cells may cease to learn.
        losses: what it learns from.
    """

    def __init__(
        self, *, source: MapSource, stride: int, channels: Sequence[int], dilation: int, activation: str, losses: DensityLosses
    ) -> None:
        super().__init__()
        self.source, self.stride, self.losses = source, stride, losses
        layers: list[nn.Module] = []
        width = source.channels
        for count in channels:
            layers += [nn.Conv2d(width, count, 3, padding=dilation, dilation=dilation), nn.ReLU(inplace=True)]
            width = count
        self.convolutions = nn.Sequential(*layers)
        self.output = nn.Conv2d(width, 1, 1)
        self.activation = nn.ReLU() if activation == "relu" else nn.Softplus()
        for module in self.convolutions:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        nn.init.normal_(self.output.weight, std=0.01)
        nn.init.constant_(self.output.bias, 0.0 if activation == "relu" else FIRST_OUTPUT)  # type: ignore[arg-type]

    def forward(self, features: Features, batch: dict[str, Any], regions: Regions | None = None) -> HeadOutput:
        """Return losses and ``count_error`` in training, predictions in evaluation.

        Args:
            features: of the network.
            batch: in training ``dots``, (N, 2) of each image.
            regions: not used.
        """
        maps = self.predict_maps(features)
        if not self.training:
            return HeadOutput(predictions=self.decode_maps(maps, features.image_sizes))
        density = (maps * inside_cells(maps, features.image_sizes, self.stride))[:, 0]
        counts = torch.tensor([float(len(own)) for own in batch["dots"]], device=maps.device)
        error = (density.detach().sum(dim=(1, 2)) - counts).abs().mean()
        return HeadOutput(losses=self.losses.compute(density, batch["dots"], self.stride), metrics={"count_error": error})

    def predict_maps(self, features: Features) -> Tensor:
        """Return what lies in each cell of the padded batch, float32 (B, 1, h, w)."""
        found = self.source.of(features)
        if self.source.stride != self.stride:
            found = functional.interpolate(found, scale_factor=self.source.stride / self.stride, mode="bilinear", align_corners=False)
        found = self.output(self.convolutions(found))
        return torch.as_tensor(self.activation(found.float()))

    def look_through_windows(
        self, extract: Callable[[dict[str, Any]], Features], batch: dict[str, Any], *, window: int, overlap: float
    ) -> list[dict[str, Any]]:
        """Return the predictions of images that are looked at through tiles; see :func:`pet.models.counting.maps.count_through_tiles`."""
        return count_through_tiles(self, extract, batch, tile=window, overlap=overlap)

    def decode_maps(self, maps: Tensor, image_sizes: Sequence[tuple[int, int]]) -> list[dict[str, Tensor]]:
        """Return ``count``, ``density`` (h, w) and ``density_cell`` (2,) of each image, without its padding."""
        cells = (-(-height // self.stride) for height, _ in image_sizes), (-(-width // self.stride) for _, width in image_sizes)
        cell = torch.full((2,), float(self.stride), device=maps.device)
        cut = [own[0, :rows, :columns] for own, rows, columns in zip(maps, *cells, strict=True)]
        return [{"count": own.sum(), "density": own, "density_cell": cell} for own in cut]


def trace_density(head: DensityHead, features: Features) -> tuple[Tensor, Tensor, Tensor]:
    """Return ``count`` (B,), ``density`` (B, h, w), 0 in the padding, and ``density_cell`` (B, 2), without branches on values."""
    maps = head.predict_maps(features)
    density = (maps * inside_cells(maps, features.image_sizes, head.stride))[:, 0]
    counts = density.sum(dim=(1, 2))
    return counts, density, (counts * 0.0 + head.stride)[:, None].repeat(1, 2)


def build_density_head(cfg: VisionConfig, info: FeatureInfo) -> DensityHead:
    """Return the head for the ``MODEL.DENSITY`` section of a config.

    Raises:
        ConfigError: no map of the network has a stride that suits.
    """
    settings = cfg.MODEL.DENSITY
    with name_in_errors({"choose_map.stride": "MODEL.DENSITY.STRIDE"}):
        source = choose_map(info, settings.STRIDE)
    return DensityHead(
        source=source,
        stride=settings.STRIDE,
        channels=settings.CHANNELS,
        dilation=settings.DILATION,
        activation=settings.ACTIVATION,
        losses=_build_losses(cfg),
    )


def _build_losses(cfg: VisionConfig) -> DensityLosses:
    settings = cfg.MODEL.DENSITY
    losses = DensityLosses(
        count=settings.COUNT_WEIGHT,
        transport=settings.TRANSPORT.WEIGHT,
        variation=settings.VARIATION_WEIGHT,
        squared=settings.SQUARED.WEIGHT,
    )
    # what is off has settings that are not used
    if losses.transport:
        losses = replace(losses, regularization=settings.TRANSPORT.REGULARIZATION, iterations=settings.TRANSPORT.ITERATIONS)
    return replace(losses, sigma=settings.SQUARED.SIGMA) if losses.squared else losses
