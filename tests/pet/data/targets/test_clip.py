"""Clips as pixels: what is done to an image is done to each frame."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pet.data.files.videos import FrameSource
from pet.data.loading.batch_transforms import MixupCutmix, NormalizeImages
from pet.data.report.display import side_by_side
from pet.data.targets.check import check_pixels
from pet.data.targets.clip import MISCOUNTED, OTHER_RATE, Clip
from pet.data.targets.dataset import Expectation
from pet.data.targets.kinds import kinds_in, sample_size
from pet.data.targets.observation import Observation
from pet.data.transforms.build import build_transforms
from pet.data.transforms.clips import count_views
from petlib.data.protocols import Sample
from petlib.errors import ConfigError, DataError

EXPECTED = Expectation(kinds=(), inputs=("clip",))
TRANSFORMS = (
    {"name": "RandomResizedCrop", "size": 12},
    {"name": "ColorJitter", "brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1},
    {"name": "RandomHorizontalFlip"},
    {"name": "Rotate", "degrees": 30},
    {"name": "RandomErasing", "probability": 1.0},
    {"name": "RandAugment"},
    {"name": "MultiScaleCrop", "size": 12},
    {"name": "Resize", "size": 20},
)


class Frames(FrameSource):
    """A video in memory."""

    def __init__(self, frames: np.ndarray, *, stated: int = 0, rate: float = 0.0, count: int | None = None) -> None:
        self.path, self.count, self.stated, self.rate = Path("memory"), len(frames) if count is None else count, stated, rate
        self._frames = frames

    @property
    def size(self) -> tuple[int, int]:
        return self._frames.shape[1], self._frames.shape[2]

    def read(self, numbers: np.ndarray) -> np.ndarray:
        return self._frames[numbers]


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 16, 24, 3), dtype=np.uint8)


def sample_of(clip: object) -> Sample:
    return {"clip": clip, "label": 0, "meta": {"id": 0, "file": "a.mp4"}}


@pytest.mark.parametrize("entry", TRANSFORMS, ids=lambda entry: entry["name"])
def test_every_frame_becomes_what_an_image_would(frames: np.ndarray, entry: dict[str, object]) -> None:
    transform, _ = build_transforms([entry], default_size=None)
    for seed in range(5):
        moved = transform(sample_of(frames), np.random.default_rng(seed))["clip"]
        images = [transform({"image": frame, "label": 0, "meta": {}}, np.random.default_rng(seed))["image"] for frame in frames]
        assert np.array_equal(moved, np.stack(images))


def test_random_numbers_after_a_clip_are_those_after_an_image(frames: np.ndarray) -> None:
    transform, _ = build_transforms([{"name": "ColorJitter", "brightness": 0.4}], default_size=None)
    first, second = np.random.default_rng(0), np.random.default_rng(0)
    transform(sample_of(frames), first)
    transform({"image": frames[0], "label": 0}, second)
    assert first.random() == second.random()


def test_frames_are_chosen_first(frames: np.ndarray) -> None:
    first, _ = build_transforms(["RandomHorizontalFlip"], default_size=None)
    with pytest.raises(ConfigError, match="begin TRANSFORMS with RandomSegments"):
        for seed in range(20):
            first(sample_of(Frames(frames)), np.random.default_rng(seed))
    twice, _ = build_transforms([{"name": "CentralSegments", "frames": 2}] * 2, default_size=None)
    with pytest.raises(ConfigError, match="put it first, and once"):
        twice(sample_of(Frames(frames)), np.random.default_rng(0))
    for wrong in (first, twice):
        with pytest.raises(ConfigError, match="frames are chosen first, and once"):
            count_views(wrong)


@pytest.mark.parametrize(
    ("entry", "numbers", "views"),
    [
        ({"name": "CentralSegments", "frames": 3}, [1, 3, 5], (1, 1)),
        ({"name": "CentralSegments", "frames": 3, "clips": 2}, [1, 3, 5, 0, 2, 4], (2, 1)),
        ({"name": "EvenClips", "frames": 2, "step": 2}, [2, 4], (1, 1)),
        ({"name": "EvenClips", "frames": 2, "step": 2, "clips": 2}, [0, 2, 3, 5], (2, 1)),
        ({"name": "EvenClips", "frames": 4, "step": 2, "clips": 1}, [0, 2, 4, 0], (1, 1)),
        ({"name": "EvenClips", "frames": 4, "step": 2, "beyond": "repeat"}, [0, 2, 4, 5], (1, 1)),
        # 1 at 5 a second are 2 at 10
        ({"name": "EvenClips", "frames": 3, "step": 1, "frame_rate": 5}, [0, 2, 4], (1, 1)),
    ],
)
def test_samplers_read_frames(frames: np.ndarray, entry: dict[str, object], numbers: list[int], views: tuple[int, int]) -> None:
    transform, _ = build_transforms([entry], default_size=None)
    clip = transform(sample_of(Frames(frames, rate=10.0)), np.random.default_rng(0))["clip"]
    assert np.array_equal(clip, frames[numbers])
    assert count_views(transform) == views


def test_three_windows_along_the_longer_edge(frames: np.ndarray) -> None:
    transform, _ = build_transforms([{"name": "EvenClips", "frames": 2, "clips": 2}, {"name": "CropViews", "size": 16}], default_size=None)
    clip = transform(sample_of(Frames(frames)), np.random.default_rng(0))["clip"]
    chosen = frames[[0, 1, 4, 5]]
    assert np.array_equal(clip, np.concatenate([chosen[:, :, left : left + 16] for left in (0, 4, 8)]))
    assert count_views(transform) == (2, 3)
    with pytest.raises(ConfigError, match="smaller than size 20"):
        build_transforms([{"name": "CropViews", "size": 20}], default_size=None)[0](sample_of(frames), np.random.default_rng(0))


def test_ten_windows_are_corners_and_middle_and_their_mirror_images(frames: np.ndarray) -> None:
    transform, _ = build_transforms(
        [{"name": "CentralSegments", "frames": 2}, {"name": "CropViews", "size": 12, "crops": 10}], default_size=None
    )
    clip = transform(sample_of(Frames(frames)), np.random.default_rng(0))["clip"]
    windows = [frames[[1, 4], top : top + 12, left : left + 12] for top, left in ((0, 0), (0, 12), (4, 0), (4, 12), (2, 6))]
    assert np.array_equal(clip, np.concatenate([*windows, *(window[:, :, ::-1] for window in windows)]))
    assert count_views(transform) == (1, 10)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"name": "CropViews", "size": 16, "crops": 5}, "crops: 5 given, 3 or 10 expected"),
        ({"name": "RandomSegments", "frames": 0}, "frames: 0 given"),
        ({"name": "CentralSegments", "frames": 8, "clips": 3}, "1 or 2 expected"),
        ({"name": "EvenClips", "frames": 8, "clips": 0}, "clips: 0 given"),
        ({"name": "EvenClips", "frames": 8, "spacing": "odd"}, "even or slowfast expected"),
        ({"name": "RandomClip", "frames": 8, "step": 0}, "a step above 0"),
        ({"name": "RandomClip", "frames": 8, "beyond": "end"}, "loop or repeat expected"),
        ({"name": "MultiScaleCrop", "size": 8, "scales": [1.2]}, "shares above 0 and up to 1"),
        ({"name": "RandomClip"}, "frames"),
    ],
)
def test_wrong_arguments_are_reported(entry: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_transforms([entry], default_size=None)


def test_normalised_clips_have_the_channels_first(frames: np.ndarray) -> None:
    batch = {"clip": torch.from_numpy(frames)[None]}
    for channels_last in (False, True):
        normalize = NormalizeImages(mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6), channels_last=channels_last)
        clip = normalize(batch, np.random.default_rng(0))["clip"]
        mean, std = (torch.tensor(values).view(1, 3, 1, 1, 1) for values in ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6)))
        expected = (torch.from_numpy(frames)[None].permute(0, 4, 1, 2, 3) / 255.0 - mean) / std
        assert clip.shape == (1, 3, 6, 16, 24)
        assert torch.allclose(clip, expected, atol=1e-6)
        # so that the frames, as a batch of images, need no copy
        folded = clip.transpose(1, 2).flatten(0, 1)
        assert not channels_last or folded.is_contiguous(memory_format=torch.channels_last)


def test_clips_are_mixed_as_images_are() -> None:
    clips = torch.rand(4, 3, 5, 8, 8)
    batch = {"clip": clips, "label": torch.arange(4)}
    mixed = MixupCutmix(num_classes=4, mixup_alpha=0.0, cutmix_alpha=1.0)(batch, np.random.default_rng(3))
    images = {"image": clips[:, :, 2], "label": torch.arange(4)}
    assert torch.equal(
        mixed["clip"][:, :, 2], MixupCutmix(num_classes=4, mixup_alpha=0.0, cutmix_alpha=1.0)(images, np.random.default_rng(3))["image"]
    )
    assert not torch.equal(mixed["clip"], clips)


def test_sizes_and_pictures(frames: np.ndarray) -> None:
    for clip in (frames, Frames(frames)):
        assert sample_size(sample_of(clip)) == (16, 24)
        ((title, shown),) = side_by_side("a", sample_of(clip))
        assert title == "a"
        assert "clip" not in shown
        # 6 frames in rows of 4, 24 pixels wide enlarged to 160
        assert shown["image"].shape == (2 * 107, 4 * 160, 3)
    assert [kind.name for kind in kinds_in(sample_of(frames)).pixels] == ["clip"]


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        (np.zeros((2, 4, 4), np.uint8), r"the clip is uint8 \(2, 4, 4\)"),
        (np.zeros((2, 4, 4, 3), np.float32), r"float32 \(2, 4, 4, 3\)"),
        (Frames(np.zeros((1, 4, 4, 3), np.uint8), count=0), "none of its frames could be decoded"),
    ],
)
def test_wrong_clips_are_reported(clip: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_pixels(sample_of(clip), EXPECTED)
    check_pixels(sample_of(np.zeros((2, 4, 4, 3), np.uint8)), EXPECTED)


def test_wrong_counts_and_other_rates_are_found(frames: np.ndarray) -> None:
    kind = Clip()
    seen = [Observation(number, file=f"{number}.mp4") for number in range(3)]
    found = [
        list(kind.examine(sample_of(Frames(frames, stated=stated, rate=rate)), EXPECTED, observation))
        for observation, (stated, rate) in zip(seen, [(6, 25.0), (0, 24.98), (7, 30.0)], strict=True)
    ]
    assert found == [[], [], [(MISCOUNTED, "6 can be decoded, 7 stated", False)]]
    ((what, detail, fatal),) = kind.summarise(seen)
    assert (what, fatal) == (OTHER_RATE, False)
    assert detail.startswith("from 24.98 (1.mp4) to 30 a second (2.mp4)")
    assert not list(kind.summarise(seen[:2]))
