"""Where identities break: each switch of CLEAR with what may have caused it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from pet.metrics.tracking import Switch
from pet.metrics.tracking_frames import FrameBoxes, overlaps_of_extents

CROSSING = 0.3
"""Overlap from which on another object may have been taken for this one."""
EDGE = 0.02
"""Share of the extent of all boxes that is the border."""
GAPS = ((0, "next frame"), (5, "1 to 5 frames"), (15, "6 to 15 frames"), (30, "16 to 30 frames"), (None, "more than 30 frames"))
"""Greatest number of frames without a match, and its name."""
CAUSES = ("border", "crossing", "occlusion", "none of these")


class Break(NamedTuple):
    """A switch of an identity.

    Attributes:
        frame: number, from 1 on.
        identity: of the truth.
        before: track that it was matched with.
        after: track that it is matched with now.
        gap: frames between both matches: hidden, or not found.
        cause: ``border``: its box touches the border of where boxes are, before or after; ``crossing``: another one overlapped it
            where it was matched last, or does so now; ``occlusion``: it was not matched for some frames; else ``none of these``.
    """

    frame: int
    identity: int
    before: int
    after: int
    gap: int
    cause: str


def explain_switches(
    frames: Sequence[FrameBoxes], numbers: Sequence[int], switches: Sequence[Switch], truth_ids: np.ndarray, track_ids: np.ndarray
) -> Iterator[Break]:
    """Yield each switch with its cause.

    Args:
        frames: of the sequence; those in which there is nothing may be left out.
        numbers: of the frames, ascending.
        switches: places of frames, identities and tracks.
        truth_ids: the id behind each place of an identity.
        track_ids: the id behind each place of a track.
    """
    if not switches:
        return
    border = _border(frames)
    for switch in switches:
        identity = int(truth_ids[switch.truth])
        gap = numbers[switch.frame] - numbers[switch.last] - 1
        views = [_view(frames[place], identity) for place in (switch.last, switch.frame)]
        touches = any((box[:2] <= border[:2]).any() or (box[:2] + box[2:] >= border[2:]).any() for box, _ in views)
        crosses = any(overlaps_of_extents(box[None], others).max(initial=0.0) >= CROSSING for box, others in views)
        cause = CAUSES[0] if touches else CAUSES[1] if crosses else CAUSES[2] if gap else CAUSES[3]
        yield Break(numbers[switch.frame], identity, int(track_ids[switch.before]), int(track_ids[switch.after]), gap, cause)


def count_breaks(breaks: Sequence[Break]) -> dict[str, Any]:
    """Return how many breaks have each cause, and how long identities were not matched before."""
    causes = Counter(own.cause for own in breaks)
    gaps = Counter(next(name for most, name in GAPS if most is None or own.gap <= most) for own in breaks)
    return {"causes": {cause: causes[cause] for cause in CAUSES}, "gaps": {name: gaps[name] for _, name in GAPS}}


def _border(frames: Sequence[FrameBoxes]) -> np.ndarray:
    """Return left, top, right and bottom of what is not the border."""
    boxes = np.concatenate([frame.truth for frame in frames])
    corners = np.concatenate([boxes[:, :2].min(axis=0), (boxes[:, :2] + boxes[:, 2:]).max(axis=0)])
    margin = EDGE * (corners[2:] - corners[:2])
    return np.concatenate([corners[:2] + margin, corners[2:] - margin])


def _view(frame: FrameBoxes, identity: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the box of an identity, (4,), and all others, (N, 4)."""
    own = frame.counted & (frame.truth_ids == identity)
    return frame.truth[own][0], frame.truth[~own]
