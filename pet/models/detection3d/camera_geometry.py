"""Boxes before a camera and how it sees them, as tensors; :class:`pet.structures.boxes3d.Boxes3D` says what their numbers mean.

A *view* of a box has seven numbers that an image shows without its calibration: u and v, the pixel of the box's centre; its depth; its
length, width and height in metres; and the yaw relative to the line of sight (KITTI's alpha). The depth is that from which a camera with
the focal length ``focal`` would see the box as large as it is in this image, so that images of any size and camera share one scale.

A projection is (3, 4), in pixels of the network's input; where that is mirrored, so is the world before the camera, see
:meth:`pet.structures.calibration.Calibration.with_moved_image`. All sums are of float32 even where matrix products are not.
"""

import torch
from torch import Tensor

from pet.structures.calibration import NEAR


def project(places: Tensor, projections: Tensor) -> tuple[Tensor, Tensor]:
    """Return pixels (..., 2) and depths (...,) of places (..., 3) before cameras; pixels of what is not in front of one mean nothing.

    Args:
        places: float32.
        projections: float32 (..., 3, 4), of a shape that goes with that of the places.
    """
    flat = (projections[..., :3] * places[..., None, :]).sum(-1) + projections[..., 3]
    depths = flat[..., 2]
    return flat[..., :2] / depths.clamp(min=NEAR)[..., None], depths


def unproject(pixels: Tensor, depths: Tensor, projections: Tensor) -> Tensor:
    """Return the places (..., 3) at pixels (..., 2) and depths (...,); the inverse of :func:`project`."""
    flat = torch.cat([pixels * depths[..., None], depths[..., None]], dim=-1) - projections[..., 3]
    places: Tensor = (torch.linalg.inv(projections[..., :3]) * flat[..., None, :]).sum(-1)
    return places


def focal_lengths(projections: Tensor) -> Tensor:
    """Return (...,) how many pixels a metre upwards at a depth of one metre is long."""
    lengths: Tensor = torch.linalg.vector_norm(projections[..., :2, 1], dim=-1)
    return lengths


def centres_of(boxes: Tensor) -> Tensor:
    """Return the centres (..., 3) of boxes (..., 7), whose own places are those of their lower faces."""
    return torch.stack([boxes[..., 0], boxes[..., 1] - boxes[..., 5] / 2, boxes[..., 2]], dim=-1)


def corners_of(boxes: Tensor) -> Tensor:
    """Return (..., 8, 3) of boxes (..., 7): the lower face, its front edge first, and then the upper one in the same order."""
    along, across = boxes.new_tensor([1, 1, -1, -1]) / 2, boxes.new_tensor([1, -1, -1, 1]) / 2
    cosine, sine = boxes[..., 6:].cos(), boxes[..., 6:].sin()
    along, across = along * boxes[..., 3:4], across * boxes[..., 4:5]
    right = boxes[..., :1] + along * cosine + across * sine
    ahead = boxes[..., 2:3] - along * sine + across * cosine
    bottom = boxes[..., 1:2].expand_as(right)
    lower = torch.stack([right, bottom, ahead], dim=-1)
    upper = torch.stack([right, bottom - boxes[..., 5:6], ahead], dim=-1)
    return torch.cat([lower, upper], dim=-2)


def view_boxes(boxes: Tensor, projections: Tensor, *, focal: float) -> Tensor:
    """Return the views (..., 7) of boxes (..., 7) that lie before cameras."""
    pixels, depths = project(centres_of(boxes), projections)
    depths = depths * focal / focal_lengths(projections)
    alphas = boxes[..., 6] - torch.atan2(boxes[..., 0], boxes[..., 2])
    return torch.cat([pixels, depths[..., None], boxes[..., 3:6], wrapped(alphas)[..., None]], dim=-1)


def place_boxes(views: Tensor, projections: Tensor, *, focal: float) -> Tensor:
    """Return the boxes (..., 7) of views (..., 7); the inverse of :func:`view_boxes`."""
    depths = views[..., 2] * focal_lengths(projections) / focal
    x, y, z = unproject(views[..., :2], depths, projections).unbind(-1)
    yaws = wrapped(views[..., 6] + torch.atan2(x, z))
    return torch.cat([torch.stack([x, y + views[..., 5] / 2, z], dim=-1), views[..., 3:6], yaws[..., None]], dim=-1)


def mirrored(boxes: Tensor) -> Tensor:
    """Return boxes (..., 7) after left and right changed places."""
    x, others, yaw = boxes[..., :1], boxes[..., 1:6], boxes[..., 6:]
    return torch.cat([-x, others, wrapped(torch.pi - yaw)], dim=-1)


def wrapped(angles: Tensor) -> Tensor:
    """Return the same angles from -pi to pi."""
    return torch.remainder(angles + torch.pi, 2 * torch.pi) - torch.pi
