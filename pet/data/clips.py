"""Which frames of a video make up a clip: numbers alone, no files.

A *segment* is one of several equal parts of a video, of each of which a network sees a frame (TSN, https://arxiv.org/abs/1608.00859). A
*dense* clip is a run of frames at an equal distance, its *step*, anywhere in the video.
"""

import numpy as np

BEYOND = ("loop", "repeat")
"""What follows the last frame where a clip is longer than its video: the video again, or its last frame."""

SPACINGS = ("even", "slowfast")


def random_segments(count: int, segments: int, rng: np.random.Generator) -> np.ndarray:
    """Return one random frame of each segment, int64 (segments,), ascending.

    A video of fewer frames than segments gives some of them more than once, those of ``arange(segments) * count / segments``, rounded.

    Args:
        count: frames of the video.
        segments: number of segments.
        rng: where the numbers come from.
    """
    length = count // segments
    if length > 0:
        drawn: np.ndarray = np.arange(segments) * length + rng.integers(length, size=segments)
        return drawn
    spread: np.ndarray = np.minimum(np.rint(np.arange(segments) * (count / segments)), count - 1).astype(np.int64)
    return spread


def central_segments(count: int, segments: int, *, clips: int = 1) -> np.ndarray:
    """Return the middle frame of each segment, int64 (clips, segments); the second of two clips has the first frames of the segments.

    Where segments have an odd number of frames, a reversed video gives the same ones as its first clip in the other order.

    Args:
        count: frames of the video.
        segments: number of segments.
        clips: 1 or 2.
    """
    starts = np.arange(segments) * (count / segments)
    return np.stack([starts + count / (2 * segments), starts][:clips]).astype(np.int64)


def random_start(count: int, frames: int, step: float, rng: np.random.Generator) -> np.ndarray:
    """Return the first frame of a dense clip, int64 (1,), drawn from those from which ``frames * step`` frames are left; else 0."""
    return rng.integers(max(int(count - frames * step), 0) + 1, size=1)


def even_starts(count: int, frames: int, step: float, clips: int, *, spacing: str = "even") -> np.ndarray:
    """Return the first frames of dense clips that are spread over a video, int64 (clips,).

    Args:
        count: frames of the video.
        frames: of a clip.
        step: distance of its frames.
        clips: number of clips; one lies in the middle.
        spacing: ``even``: the first clip begins with the video and the last one ends with it, as in MMAction2; ``slowfast``: clip i of V
            begins at ``i / V`` of what ``frames * step`` frames leave over, so that none reaches the end, as in SlowFast.
    """
    if spacing == "slowfast":
        return (max(count - frames * step, 0.0) * np.arange(clips) / clips).astype(np.int64)
    room = max(count - ((frames - 1) * step + 1), 0.0)
    places = np.linspace(0.0, room, clips) if clips > 1 else np.array([room / 2])
    starts: np.ndarray = np.rint(places).astype(np.int64)
    return starts


def dense_frames(starts: np.ndarray, frames: int, step: float) -> np.ndarray:
    """Return the frames of dense clips, int64 (clips, frames), which may lie beyond the end of the video."""
    numbers: np.ndarray = starts[:, None] + (np.arange(frames) * step).astype(np.int64)
    return numbers


def within(numbers: np.ndarray, count: int, beyond: str) -> np.ndarray:
    """Return numbers of frames that a video of ``count`` frames has, see :data:`BEYOND`."""
    return numbers % count if beyond == "loop" else np.minimum(numbers, count - 1)
