"""What is known of an object of which several windows of an image saw pieces."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

OVER_BOXES = ("masks", "parsing")
"""Fields that are maps (..., M, M) over the area of each object's box."""
POINTS = "keypoints"


def join_fields(fields: dict[str, Tensor], members: Sequence[np.ndarray], boxes: np.ndarray) -> dict[str, Tensor]:
    """Return the fields of G objects.

    Maps of several pieces are the means of what those say that cover a place, 0 where none does; each keypoint is that of the piece that
    gave it the greatest score; the score is the greatest, and all else is that of the piece which has it.

    Args:
        fields: of N pieces: ``boxes`` (N, 4), XYXY, ``scores`` (N,), and others by name.
        members: for each object the places of its pieces.
        boxes: (G, 4), around all pieces of each object.
    """
    scores = fields["scores"].detach().cpu().numpy()
    best = torch.from_numpy(np.array([own[scores[own].argmax()] for own in members], np.int64)).to(fields["scores"].device)
    joined = {name: values[best] for name, values in fields.items()}
    for place, own in enumerate(members):
        if len(own) == 1:
            continue
        pieces = {name: values[torch.from_numpy(own).to(values.device)] for name, values in fields.items()}
        whole = torch.from_numpy(boxes[place]).to(pieces["boxes"])
        joined["boxes"][place] = whole
        for name in OVER_BOXES:
            if name in fields:
                joined[name][place] = _join_maps(pieces[name].float(), pieces["boxes"], whole)
        if POINTS in fields:
            points = pieces[POINTS]
            chosen = points[..., 2].argmax(dim=0)
            joined[POINTS][place] = points[chosen, torch.arange(len(chosen), device=chosen.device)]
    return joined


def _join_maps(maps: Tensor, boxes: Tensor, whole: Tensor) -> Tensor:
    """Return the map (..., M, M) over the box ``whole`` (4,) of the maps (P, ..., M, M) of pieces over their ``boxes`` (P, 4)."""
    shape = maps.shape[1:]
    flat = maps.reshape(len(maps), -1, *shape[-2:])
    places = [_centres(whole, boxes, length, axis) for axis, length in ((1, shape[-2]), (0, shape[-1]))]
    rows, columns = places[0][:, :, None], places[1][:, None, :]
    grid = torch.stack([columns.expand(-1, shape[-2], -1), rows.expand(-1, -1, shape[-1])], dim=-1)
    covered = (grid.abs() <= 1).all(dim=-1)[:, None].float()
    values = F.grid_sample(flat, grid, mode="bilinear", padding_mode="border", align_corners=False)
    mean = (values * covered).sum(dim=0) / covered.sum(dim=0).clamp(min=1)
    return mean.reshape(shape)


def _centres(whole: Tensor, boxes: Tensor, length: int, axis: int) -> Tensor:
    """Return where the ``length`` cells of a box lie in others, (P, length), from -1 to 1 over each; axis 0 is x."""
    begin, end = whole[axis], whole[axis + 2]
    centres = begin + (end - begin) * (torch.arange(length, device=boxes.device) + 0.5) / length
    low, high = boxes[:, axis, None], boxes[:, axis + 2, None]
    return (centres - low) / (high - low).clamp(min=1e-6) * 2 - 1
