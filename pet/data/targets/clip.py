"""Pixels of a clip: some frames of a video."""

from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any

import cv2
import numpy as np

from pet.data.files.videos import FrameSource
from pet.data.targets.dataset import Expectation, sample_name
from pet.data.targets.image import PixelKind
from pet.data.targets.kind import Fields, Tile
from pet.data.targets.observation import Found, Observation
from pet.structures.moves import Move, Size
from petlib.data.protocols import Sample
from petlib.errors import ConfigError, DataError

NOT_READ = "frames are chosen first: begin TRANSFORMS with RandomSegments, RandomClip, CentralSegments or EvenClips"
UNREADABLE_FRAMES = "frames of a video cannot be read"
MISCOUNTED = "a video has another number of frames than its header states"
OTHER_RATE = "videos have different frame rates"
RATE_TOLERANCE = 0.02
"""Rates that differ by less are one: 29.97 and 30."""

SHOWN = 8
SHOWN_COLUMNS = 4
SHOWN_WIDTH = 160
"""Frames of a clip in a picture, and how they are laid out, pixels."""


class Clip(PixelKind):
    """Frames of a video, uint8 (T, H, W, 3), RGB, one clip after another where there are several; or a :class:`FrameSource`."""

    name = "clip"
    fields = ("clip",)

    def size(self, pixels: Any) -> Size:
        """Return (height, width)."""
        if isinstance(pixels, FrameSource):
            return pixels.size
        return pixels.shape[1], pixels.shape[2]

    def change(
        self, pixels: np.ndarray, change: Callable[[np.ndarray, np.random.Generator], np.ndarray], rng: np.random.Generator
    ) -> np.ndarray:
        """Return the frames after a change, all with the same random numbers."""
        state = rng.bit_generator.state
        changed = []
        for frame in _read(pixels):
            rng.bit_generator.state = state
            changed.append(change(frame, rng))
        return np.stack(changed)

    def moved(self, pixels: np.ndarray, move: Move) -> np.ndarray:
        """Return the frames after the same move."""
        first, *others = _read(pixels)
        moved = move(first)
        frames = np.empty((len(pixels), *moved.shape), moved.dtype)
        frames[0] = moved
        for place, frame in enumerate(others, start=1):
            frames[place] = move(frame)
        return frames

    def join(self, tiles: Sequence[Tile], size: Size) -> Fields:
        """Refuse to make one clip of several, whose frames belong to different times."""
        raise ConfigError("transform Mosaic: clips are not joined; take it out of TRANSFORMS")

    def picture(self, pixels: Any) -> np.ndarray:
        """Return a sheet of up to eight frames, spread over the clip."""
        count = pixels.count if isinstance(pixels, FrameSource) else len(pixels)
        numbers = np.unique(np.linspace(0, count - 1, min(count, SHOWN), dtype=int))
        frames = pixels.read(numbers) if isinstance(pixels, FrameSource) else pixels[numbers]
        height, width = frames.shape[1:3]
        scale = max(SHOWN_WIDTH / width, 1.0)
        target = round(width * scale), round(height * scale)
        shown = [cv2.resize(frame, target, interpolation=cv2.INTER_NEAREST) for frame in frames] if scale > 1 else list(frames)
        columns = min(SHOWN_COLUMNS, len(shown))
        shown += [np.zeros_like(shown[0])] * (-len(shown) % columns)
        return np.concatenate([np.concatenate(shown[start : start + columns], axis=1) for start in range(0, len(shown), columns)])

    def check_pixels(self, sample: Sample, expected: Expectation, types: Sequence[str]) -> None:
        """Check the frames, or of a video that is not read yet that its first one can be."""
        clip = sample[self.name]
        if isinstance(clip, FrameSource):
            clip.check()
            clip = clip.read(np.zeros(1, np.int64))
        if not isinstance(clip, np.ndarray) or clip.dtype not in types or clip.ndim != 4 or clip.shape[3] != expected.channels:
            given = f"{clip.dtype} {clip.shape}" if isinstance(clip, np.ndarray) else type(clip).__name__
            raise DataError(
                f"{sample_name(sample)}: the clip is {given}, a {' or '.join(types)} array (frames, height, width, {expected.channels}) "
                "expected"
            )

    def examine(self, sample: Sample, expected: Expectation, seen: Observation) -> Iterator[Found]:
        """Look whether the header of the video is right, at its frame rate, at three of its frames, and how long reading them takes."""
        clip = sample[self.name]
        if not isinstance(clip, FrameSource):
            return
        seen.rate = clip.rate
        if clip.stated and clip.stated != clip.count:
            yield MISCOUNTED, f"{clip.count} can be decoded, {clip.stated} stated", False
        numbers, begin = np.array([0, clip.count // 2, clip.count - 1]), perf_counter()
        try:
            frames = clip.read(numbers)
        except DataError as error:
            yield UNREADABLE_FRAMES, str(error), True
            return
        seen.decoded, seen.seconds = clip.decoded(numbers), perf_counter() - begin
        seen.digest = hash((frames.shape, frames.tobytes()))

    def summarise(self, seen: Sequence[Observation]) -> Iterator[Found]:
        """Compare the frame rates: a step of so many frames lasts longer in some videos than in others."""
        rated = sorted((observation for observation in seen if observation.rate), key=lambda observation: observation.rate)
        if rated and rated[-1].rate > rated[0].rate * (1 + RATE_TOLERANCE):
            slow, fast = rated[0], rated[-1]
            yield (
                OTHER_RATE,
                f"from {slow.rate:g} ({slow.file}) to {fast.rate:g} a second ({fast.file}); steps of clips can be given in time: "
                "frame_rate of RandomClip and EvenClips",
                False,
            )


class LocalViews(Clip):
    """Small views of an image, uint8 (V, H, W, 3), RGB: they lie in batches and pictures as the frames of a clip do."""

    name = "local_views"
    fields = ("local_views",)


def _read(pixels: Any) -> np.ndarray:
    """Return frames that were read.

    Raises:
        ConfigError: none were chosen yet.
    """
    if not isinstance(pixels, np.ndarray):
        raise ConfigError(f"a transform changes frames before they are read; {NOT_READ}")
    return pixels
