"""Which frames of a video, and which parts of them, a network sees."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from pet.data import clips
from pet.data.files.videos import FrameSource
from pet.data.targets.kinds import kinds_in
from pet.data.transforms.base import Compose, GeometricTransform, check_size
from pet.data.transforms.geometry import check_interpolation
from pet.structures.moves import CropResize, Flip, Move, PadCrop
from petlib.data.protocols import Sample
from petlib.errors import ConfigError

SCALES = (1.0, 0.875, 0.75, 0.66)


class FrameSampler(ABC):
    """Reads some frames of the video of a sample, which become its pixels, uint8 (clips * frames, H, W, 3); the first transform.

    Args:
        frames: of a clip.

    Attributes:
        clips: how many there are, one after another.
    """

    clips = 1

    def __init__(self, *, frames: int) -> None:
        self.frames = check_positive(type(self).__name__, "frames", frames)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample with the frames.

        Raises:
            ConfigError: its frames were read before, or it has none.
            DataError: they cannot be read.
        """
        name = kinds_in(sample).pixels[0].name
        source = sample[name]
        if not isinstance(source, FrameSource):
            raise ConfigError(f"transform {type(self).__name__}: it chooses frames of a video that is not read yet; put it first, and once")
        source.check()
        return {**sample, name: source.read(self.numbers(source, rng).reshape(-1))}

    @abstractmethod
    def numbers(self, source: FrameSource, rng: np.random.Generator) -> np.ndarray:
        """Return the frames, int64 (clips, frames), each from 0 to ``source.count - 1``."""


class RandomSegments(FrameSampler):
    """A random frame of each of ``frames`` equal parts of the video, for training (TSN, https://arxiv.org/abs/1608.00859).

    Args:
        frames: number of parts.
    """

    def numbers(self, source: FrameSource, rng: np.random.Generator) -> np.ndarray:
        """Draw the frames."""
        return clips.random_segments(source.count, self.frames, rng)[None]


class CentralSegments(FrameSampler):
    """The middle frame of each of ``frames`` equal parts of the video, for testing.

    Args:
        frames: number of parts.
        clips: with 2 a second clip has the first frames of the parts (TSM's "twice").
    """

    def __init__(self, *, frames: int, clips: int = 1) -> None:
        super().__init__(frames=frames)
        if clips not in (1, 2):
            raise ConfigError(f"CentralSegments: clips: {clips} given, 1 or 2 expected")
        self.clips = clips

    def numbers(self, source: FrameSource, rng: np.random.Generator) -> np.ndarray:
        """Compute the frames."""
        return clips.central_segments(source.count, self.frames, clips=self.clips)


class _DenseSampler(FrameSampler):
    def __init__(self, *, frames: int, step: float = 1, frame_rate: float = 0, beyond: str = "loop") -> None:
        super().__init__(frames=frames)
        name = type(self).__name__
        if step <= 0 or frame_rate < 0:
            raise ConfigError(f"{name}: step {step} and frame_rate {frame_rate} given, a step above 0 and a rate from 0 on expected")
        if beyond not in clips.BEYOND:
            raise ConfigError(f"{name}: beyond: {beyond!r} given, {' or '.join(clips.BEYOND)} expected")
        self.step, self.frame_rate, self.beyond = float(step), float(frame_rate), beyond

    def step_in(self, source: FrameSource) -> float:
        """Return the distance of the frames of a clip in a video."""
        return self.step * source.rate / self.frame_rate if self.frame_rate and source.rate else self.step

    def numbers(self, source: FrameSource, rng: np.random.Generator) -> np.ndarray:
        step = self.step_in(source)
        dense = clips.dense_frames(self.starts(source.count, step, rng), self.frames, step)
        return clips.within(dense, source.count, self.beyond)

    @abstractmethod
    def starts(self, count: int, step: float, rng: np.random.Generator) -> np.ndarray:
        """Return the first frames of the clips."""


class RandomClip(_DenseSampler):
    """``frames`` frames at a distance of ``step`` from a random place on, for training (as SlowFast, https://arxiv.org/abs/1812.03982).

    Args:
        frames: of the clip.
        step: distance of its frames; in a video of another rate than ``frame_rate`` it is as long in time.
        frame_rate: frames a second that ``step`` counts; 0: those of the file, whatever its rate.
        beyond: what follows the end of a short video: ``loop``, the video again, or ``repeat``, its last frame.
    """

    def starts(self, count: int, step: float, rng: np.random.Generator) -> np.ndarray:
        """Draw the place."""
        return clips.random_start(count, self.frames, step, rng)


class EvenClips(_DenseSampler):
    """Clips that are spread over the video, for testing; a single one lies in the middle.

    Args:
        frames: of a clip.
        step: distance of its frames, as of :class:`RandomClip`.
        frame_rate: likewise.
        beyond: likewise.
        clips: how many.
        spacing: ``even``, from the begin to the end, or ``slowfast``, see :func:`pet.data.clips.even_starts`.
    """

    def __init__(
        self, *, frames: int, step: float = 1, frame_rate: float = 0, beyond: str = "loop", clips: int = 1, spacing: str = "even"
    ) -> None:
        super().__init__(frames=frames, step=step, frame_rate=frame_rate, beyond=beyond)
        self.clips = check_positive("EvenClips", "clips", clips)
        self.spacing = check_spacing(spacing)

    def starts(self, count: int, step: float, rng: np.random.Generator) -> np.ndarray:
        """Compute the places."""
        return clips.even_starts(count, self.frames, step, self.clips, spacing=self.spacing)


class MultiScaleCrop(GeometricTransform):
    """A window at one of 13 places, whose edges are shares of the shorter edge, becomes an image of ``size``.

    Source: Wang et al., Temporal Segment Networks, 2016 (https://arxiv.org/abs/1608.00859), corner cropping and scale jittering.

    Args:
        size: pixels, one number or [height, width].
        scales: shares of the shorter edge; height and width may be neighbours in this list.
        interpolation: ``linear``, ``cubic``, ``area`` or ``nearest``.
    """

    def __init__(self, *, size: int | Sequence[int], scales: Sequence[float] = SCALES, interpolation: str = "linear") -> None:
        self.size = check_size("MultiScaleCrop", size)
        if not scales or not all(0.0 < scale <= 1.0 for scale in scales):
            raise ConfigError(f"MultiScaleCrop: scales: {list(scales)} given, shares above 0 and up to 1 expected")
        self.scales = tuple(map(float, scales))
        self.interpolation = check_interpolation("MultiScaleCrop", interpolation)

    def decide(self, size: tuple[int, int], rng: np.random.Generator) -> Move:
        """Draw size and place of the window."""
        edges = [max(int(min(size) * scale), 1) for scale in self.scales]
        pairs = [(row, column) for i, row in enumerate(edges) for j, column in enumerate(edges) if abs(i - j) <= 1]
        height, width = pairs[rng.integers(len(pairs))]
        # quarters of the room: corners, middles of edges, centre, and halfway between corners and centre
        places = [(y, x) for y in (0, 2, 4) for x in (0, 2, 4)] + [(y, x) for y in (1, 3) for x in (1, 3)]
        y, x = places[rng.integers(len(places))]
        top, left = (size[0] - height) * y // 4, (size[1] - width) * x // 4
        return CropResize(top, left, height, width, self.size, self.interpolation)


class CropViews:
    """Several square windows of the frames, each with all of them: clip after clip, window after window.

    Three lie along the longer edge, from the left or the top on. Ten are the corners and the middle, then the mirrored ones; mirrored
    actions that have sides, as pushing to the left, would be others: take three there. Resize the frames before.

    Args:
        size: edge of the windows, pixels.
        crops: 3 or 10.
    """

    def __init__(self, *, size: int, crops: int = 3) -> None:
        self.size = check_size("CropViews", size)
        if crops not in (3, 10):
            raise ConfigError(f"CropViews: crops: {crops} given, 3 or 10 expected")
        self.crops = crops

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample with ``crops`` times as many frames.

        Raises:
            ConfigError: the frames are smaller than a window.
        """
        kind = kinds_in(sample).pixels[0]
        height, width = kind.size(sample[kind.name])
        if height < self.size[0] or width < self.size[1]:
            raise ConfigError(f"transform CropViews: frames of {width} x {height} are smaller than size {self.size[0]}; resize them before")
        moves = [PadCrop((0, 0, 0, 0), *place, self.size) for place in self._places(height - self.size[0], width - self.size[1])]
        views = [kind.moved(sample[kind.name], move) for move in moves]
        if self.crops == 10:
            views += [kind.moved(view, Flip(1)) for view in views]
        return {**sample, kind.name: np.concatenate(views)}

    def _places(self, below: int, right: int) -> list[tuple[int, int]]:
        """Return top and left of the windows, from how far they may move down and to the right."""
        middle = below // 2, right // 2
        if self.crops == 10:
            return [*((top, left) for top in (0, below) for left in (0, right)), middle]
        if below > right:
            return [(top, middle[1]) for top in (0, middle[0], below)]
        return [(middle[0], left) for left in (0, middle[1], right)]


def count_views(transforms: Compose, *, place: str = "the transforms") -> tuple[int, int]:
    """Return how many clips and how many crops of each the transforms, which are those of ``place``, make of a video.

    Raises:
        ConfigError: none of them reads frames.
    """
    samplers = [transform for transform in transforms.transforms if isinstance(transform, FrameSampler)]
    if len(samplers) != 1 or transforms.transforms[0] is not samplers[0]:
        raise ConfigError(
            f"{place}: of a video frames are chosen first, and once: begin with RandomSegments or RandomClip in training, and with "
            "CentralSegments or EvenClips in a test"
        )
    crops = [transform.crops for transform in transforms.transforms if isinstance(transform, CropViews)]
    return samplers[0].clips, int(np.prod(crops, dtype=int))


def check_positive(name: str, argument: str, value: int) -> int:
    """Return ``value`` when it is a number from 1 on.

    Raises:
        ConfigError: it is not.
    """
    if value < 1:
        raise ConfigError(f"{name}: {argument}: {value} given, a number from 1 on expected")
    return value


def check_spacing(spacing: str) -> str:
    """Return ``spacing`` when it is known.

    Raises:
        ConfigError: it is not.
    """
    if spacing not in clips.SPACINGS:
        raise ConfigError(f"EvenClips: spacing: {spacing!r} given, {' or '.join(clips.SPACINGS)} expected")
    return spacing
