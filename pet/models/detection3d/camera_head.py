"""Boxes in space from one image: peaks of a heatmap of their projected centres, and what is read there.

Sources: SMOKE, Liu et al., 2020 (https://arxiv.org/abs/2002.10111) and MonoFlex, Zhang et al., 2021 (https://arxiv.org/abs/2104.02323).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from pet.losses.centers import START, center_focal_loss, mean_count
from pet.models.detection3d.camera_angles import AngleCode
from pet.models.detection3d.camera_depths import DepthCode, DepthTruth
from pet.models.detection3d.camera_geometry import centres_of, corners_of, place_boxes, project, view_boxes
from pet.models.detection3d.edge_fusion import EdgeFusion
from pet.structures.calibration import NEAR
from pet.structures.centers import Centers, draw_centers, find_peaks, gaussian_radius, locate_centers, values_at, values_at_peaks
from petlib.distributed.collectives import all_reduce_mean

GROUPS = 32
"""Of the group norm of the branches, as published."""
OFFSETS = 2
"""The first numbers of a place: where in it the centre is, x and y in cells."""
ROW_SCALE = 5.0
"""Brings rows, as shares of the focal length, to the size of other channels."""
LARGEST_RATIO = 2.0
"""Greatest logarithm of a box's edge in shares of the mean one of its class."""


class Sightings(NamedTuple):
    """The best candidates of each image of a batch, the most probable first.

    Attributes:
        views: float32 (B, K, 7), see :mod:`pet.models.detection3d.camera_geometry`.
        scores: float32 (B, K), from 0 to 1.
        labels: int64 (B, K).
    """

    views: Tensor
    scores: Tensor
    labels: Tensor


class _Objects(NamedTuple):
    """The objects of some images that a map can learn: N in all.

    Attributes:
        boxes: (N, 7), frame ``camera``.
        labels: int64 (N,).
        projections: (N, 3, 4), of the image of each.
        points: (N, 2), where each is a peak, pixels.
        inside: bool (N,), its centre lies there, and not outside of the image.
        extents: (N, 2), width and height in the image, pixels.
        limits: (N, 2), width and height of the image.
    """

    boxes: Tensor
    labels: Tensor
    projections: Tensor
    points: Tensor
    inside: Tensor
    extents: Tensor
    limits: Tensor


class CameraHead(nn.Module):
    """A heatmap of the projected centres of boxes for each class, and offset, size, depth and direction at each place.

    A box whose centre lies outside of the image is left out, as in SMOKE, or (``edge_centers``) is a peak where the line from the middle of
    what is seen of it to its centre leaves the image, as in MonoFlex.

    Args:
        channels: of the map.
        stride: of it.
        mean_sizes: mean length, width and height of each class, metres.
        depth: the code of depths.
        angle: the code of directions.
        hidden: channels of the branches.
        focal: of views, pixels.
        edge_centers: learn boxes whose centres lie outside.
        edge_fusion: let the cells at the edge of the image know of each other, see :mod:`pet.models.detection3d.edge_fusion`.
        corner_weight: of the mean distance of corners, as SMOKE takes it apart: direction, size and place are predicted in turn, with the
            other two as they are.
        offset_weight: of the error of the place of the centre in the image, in cells.
        most: candidates of an image.
        rows: the numbers are read from the map and the row of each cell, as the row where a box meets flat ground says how far away it is.
        reach: cells around a centre, in each direction, that learn the box too, as far as they show it. As published (0) only the cell of
            the centre does, and what is read is unlearned wherever a peak lies next to it.
    """

    waits_for_others = True

    def __init__(
        self,
        *,
        channels: int,
        stride: int,
        mean_sizes: Sequence[Sequence[float]],
        depth: DepthCode,
        angle: AngleCode,
        hidden: int,
        focal: float,
        edge_centers: bool,
        edge_fusion: bool = False,
        corner_weight: float,
        offset_weight: float,
        most: int,
        rows: bool = False,
        reach: int = 0,
    ) -> None:
        super().__init__()
        self.stride, self.focal, self.most = stride, focal, most
        self.rows, self.reach = rows, reach
        self.depth, self.angle = depth, angle
        self.edge_centers, self.corner_weight, self.offset_weight = edge_centers, corner_weight, offset_weight
        self.mean_sizes: Tensor
        self.register_buffer("mean_sizes", torch.tensor(mean_sizes, dtype=torch.float32), persistent=False)
        self.heatmap = _branch(channels, hidden, len(mean_sizes))
        self.numbers = _branch(channels + rows, hidden, OFFSETS + 3 + depth.channels + angle.channels)
        self.edge_heatmap = EdgeFusion(hidden, len(mean_sizes)) if edge_fusion else None
        self.edge_offset = EdgeFusion(hidden, OFFSETS) if edge_fusion else None
        nn.init.constant_(self.heatmap[-1].bias, math.log(START / (1 - START)))  # type: ignore[arg-type]  # the last is a convolution

    def detect(self, maps: Tensor, sizes: Sequence[tuple[int, int]]) -> Sightings:
        """Return what maps (B, C, h, w) show, as many candidates as asked for; no calibration is needed for it.

        Args:
            maps: of the images.
            sizes: (height, width) of the images without padding.
        """
        heatmap, numbers = self._look(maps, sizes)
        peaks = find_peaks(heatmap.float().sigmoid(), most=self.most)
        views, sure = self._decode(values_at_peaks(numbers.float(), peaks), peaks.cells, peaks.labels)
        return Sightings(views, peaks.scores * sure, peaks.labels)

    def losses(
        self, maps: Tensor, boxes: Sequence[Tensor], labels: Sequence[Tensor], projections: Tensor, sizes: Sequence[tuple[int, int]]
    ) -> dict[str, Tensor]:
        """Return the losses of maps (B, C, h, w).

        Args:
            maps: of the images.
            boxes: of each image (n, 7), frame ``camera``, mirrored where the image is.
            labels: of each image (n,).
            projections: float32 (B, 3, 4), of the images as the network sees them.
            sizes: (height, width) of the images without padding.
        """
        found = [self._objects(*image) for image in zip(boxes, labels, projections, sizes, strict=True)]
        objects = _Objects(*(torch.cat(field) for field in zip(*found, strict=True)))
        size = (maps.shape[2], maps.shape[3])
        centers = locate_centers([own.points / self.stride for own in found], size)
        counts = [len(own.labels) for own in found]
        drawn = [
            draw_centers(cells, gaussian_radius(own.extents / self.stride), own.labels, num_classes=len(self.mean_sizes), size=size)
            for cells, own in zip(torch.split(centers.cells, counts), found, strict=True)
        ]
        count = mean_count(centers)
        heatmap, numbers = self._look(maps, sizes)
        heatmap_loss = center_focal_loss(heatmap, torch.stack(drawn), count=count)
        centers, objects, shares = self._spread(centers, objects, size)
        values = values_at(numbers, centers.images, centers.cells).float()
        of_objects = self._object_losses(values, centers, objects)
        return {"loss_heatmap": heatmap_loss, **{f"loss_{name}": (shares * loss).sum() / count for name, loss in of_objects.items()}}

    def loss_counts(
        self, boxes: Sequence[Tensor], labels: Sequence[Tensor], projections: Tensor, sizes: Sequence[tuple[int, int]]
    ) -> Tensor:
        """Return how many objects of each image the losses count over, float32 (B,), a mean over the processes; see :meth:`losses`."""
        found = [self._objects(*image) for image in zip(boxes, labels, projections, sizes, strict=True)]
        return all_reduce_mean(torch.tensor([float(len(own.labels)) for own in found], device=projections.device))

    def _spread(self, centers: Centers, objects: _Objects, size: tuple[int, int]) -> tuple[Centers, _Objects, Tensor]:
        """Return each object once for each cell that learns it, and the share of its losses that is of this cell."""
        steps = torch.arange(-self.reach, self.reach + 1, device=centers.cells.device)
        moves = torch.cartesian_prod(steps, steps)
        cells = centers.cells[:, None] + moves
        seen = (moves.abs() * self.stride * 2 <= objects.extents[:, None]) | (moves == 0).all(1, keepdim=True)
        learns = (seen & (cells >= 0) & (cells < cells.new_tensor([size[1], size[0]]))).all(2)
        which = torch.nonzero(learns)[:, 0]
        shares = learns.sum(1).float().reciprocal()[which]
        spread = Centers(centers.images[which], cells[learns], centers.offsets[which])
        return spread, _Objects(*(field[which] for field in objects)), shares

    def _look(self, maps: Tensor, sizes: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        """Return the logits of the heatmap (B, classes, h, w), and the numbers of each place (B, N, h, w)."""
        with_rows = self._with_rows(maps) if self.rows else maps
        if self.edge_heatmap is None or self.edge_offset is None:
            return self.heatmap(maps), self.numbers(with_rows)
        cells = [tuple((length + self.stride - 1) // self.stride for length in size) for size in sizes]
        heatmap, numbers = self.heatmap[:-1](maps), self.numbers[:-1](with_rows)
        fused: tuple[Tensor, Tensor] = (
            self.edge_heatmap(heatmap, self.heatmap[-1](heatmap), cells),
            self.edge_offset(numbers, self.numbers[-1](numbers), cells),
        )
        return fused

    def _with_rows(self, maps: Tensor) -> Tensor:
        """Return maps (B, C, h, w) with another channel, how far down a cell lies."""
        rows = torch.arange(maps.shape[2], device=maps.device, dtype=maps.dtype) * (self.stride / self.focal * ROW_SCALE)
        return torch.cat([maps, rows[:, None].expand_as(maps[:, :1])], dim=1)

    def _decode(self, values: Tensor, cells: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return views (..., 7) and how sure their depths are, of the numbers read at cells (..., 2)."""
        offsets, edges, depth, angle = self._split(values)
        sizes = self.mean_sizes[labels] * edges.clamp(-LARGEST_RATIO, LARGEST_RATIO).exp()
        depths, sure = self.depth.decode(depth, sizes[..., 2])
        pixels = (cells + offsets) * self.stride
        return torch.cat([pixels, depths[..., None], sizes, self.angle.decode(angle)[..., None]], dim=-1), sure

    def _split(self, values: Tensor) -> Sequence[Tensor]:
        """Return offsets, edges, and the numbers of the depth and of the direction."""
        return torch.split(values, [OFFSETS, 3, self.depth.channels, self.angle.channels], dim=-1)

    def _objects(self, boxes: Tensor, labels: Tensor, projection: Tensor, size: tuple[int, int]) -> _Objects:
        """Return the objects of an image that can be learned."""
        boxes = boxes.reshape(-1, 7).float()
        limits = boxes.new_tensor([size[1], size[0]])
        pixels, depths = project(corners_of(boxes), projection)
        in_front = (depths > NEAR)[..., None]
        low = pixels.where(in_front, pixels.new_tensor(torch.inf)).amin(1).clamp(min=0).minimum(limits)
        high = pixels.where(in_front, pixels.new_tensor(-torch.inf)).amax(1).clamp(min=0).minimum(limits)
        points, depths = project(centres_of(boxes), projection)
        inside = ((points >= 0) & (points < limits)).all(1)
        kept = torch.where((depths > NEAR) & (high > low).all(1) & (inside | self.edge_centers))[0]
        middles = (low + high) / 2
        points = torch.where(inside[:, None], points, middles + _share_inside(middles, points - middles, limits) * (points - middles))
        return _Objects(
            boxes=boxes[kept],
            labels=labels[kept],
            projections=projection.expand(len(kept), 3, 4),
            points=points[kept],
            inside=inside[kept],
            extents=(high - low)[kept],
            limits=limits.expand(len(kept), 2),
        )

    def _object_losses(self, values: Tensor, centers: Centers, objects: _Objects) -> dict[str, Tensor]:
        """Return the losses (N,) of what was read at the centres of objects, (N, ...)."""
        true = view_boxes(objects.boxes, objects.projections, focal=self.focal)
        offsets, _, depth, angle = self._split(values)
        found, _ = self._decode(values, centers.cells, objects.labels)
        errors = (offsets - (true[:, :2] / self.stride - centers.cells)).abs().sum(1)
        # centres outside may be far away, and the error of one is not to hide those of the others
        errors = torch.where(objects.inside, errors, errors.log1p())
        return {
            "corners": self.corner_weight * self._corner_distances(found, true, objects),
            "offset": self.offset_weight * errors,
            **self.depth.losses(depth, found[:, 5], self._depth_truth(true, centers, objects)),
            **self.angle.losses(angle, true[:, 6]),
        }

    def _corner_distances(self, found: Tensor, true: Tensor, objects: _Objects) -> Tensor:
        """Return the mean absolute errors (N,) of corners: of wrong directions, of wrong sizes and of wrong places, added."""
        boxes = objects.boxes
        corners = corners_of(boxes)

        def placed(views: Tensor) -> Tensor:
            return place_boxes(views, objects.projections, focal=self.focal)

        directed = placed(torch.cat([true[:, :6], found[:, 6:]], dim=1))
        sized = placed(torch.cat([true[:, :3], found[:, 3:6], true[:, 6:]], dim=1))
        # the yaw is not to change with the line of sight
        moved = torch.cat([placed(torch.cat([found[:, :3], true[:, 3:]], dim=1))[:, :6], boxes[:, 6:]], dim=1)
        distances = [(corners_of(changed) - corners).abs().mean((1, 2)) for changed in (directed, sized, moved)]
        return torch.stack(distances).sum(0)

    def _depth_truth(self, true: Tensor, centers: Centers, objects: _Objects) -> DepthTruth:
        corners = corners_of(objects.boxes)
        faces = torch.stack([corners[:, :4].mean(1), corners[:, 4:].mean(1)], dim=1)
        pixels, depths = project(torch.cat([corners, faces], dim=1), objects.projections[:, None])
        visible = (depths > NEAR) & ((pixels >= 0) & (pixels < objects.limits[:, None])).all(-1)
        return DepthTruth(true[:, 2], centers.cells, pixels / self.stride, visible)


def _share_inside(start: Tensor, way: Tensor, limits: Tensor) -> Tensor:
    """Return (N, 1), up to which share of a way (N, 2) one is still in the image."""
    room = torch.where(way > 0, limits - start, start)
    return (room / way.abs().clamp(min=1e-6)).amin(1, keepdim=True).clamp(max=1)


def _branch(channels: int, hidden: int, outputs: int) -> nn.Sequential:
    """Return two convolutions, 3 x 3 and 1 x 1."""
    first = nn.Conv2d(channels, hidden, 3, padding=1)
    return nn.Sequential(first, nn.GroupNorm(math.gcd(GROUPS, hidden), hidden), nn.ReLU(inplace=True), nn.Conv2d(hidden, outputs, 1))
