"""Kinds of targets and of pixels by name, and what a new one brings along."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pet.data.targets.boxes import Boxes
from pet.data.targets.dataset import Dataset, DatasetInfo, Expectation, read_truths
from pet.data.targets.finish import FinishTargets
from pet.data.targets.image import PixelKind
from pet.data.targets.kind import Kind
from pet.data.targets.kinds import KINDS, are_whole_image, choose_kinds, find_kind, kinds_in, sample_size
from pet.data.transforms.build import build_transforms
from pet.data.transforms.colour import RandomGrayscale
from petlib.data.protocols import Sample
from petlib.errors import ConfigError, DataError

GENERATOR = np.random.default_rng(0)


def names(sample: Sample) -> tuple[list[str], list[str]]:
    kinds = kinds_in(sample)
    return [kind.name for kind in kinds.pixels], [kind.name for kind in kinds.targets]


def test_a_sample_has_the_kinds_whose_names_are_fields() -> None:
    sample = dict.fromkeys(["masks", "image2", "labels", "keypoints", "image", "boxes", "meta", "truth_semseg", "label"])
    assert names(sample) == (["image", "image2"], ["boxes", "label", "keypoints", "masks"])
    assert kinds_in(sample).has_places
    assert not kinds_in(sample).whole_image


def test_labels_alone_say_something_of_the_whole_image() -> None:
    assert kinds_in({"image": None, "label": 1}).whole_image
    assert not kinds_in({"image": None}).whole_image
    assert are_whole_image(["label"])
    assert not are_whole_image(["label", "boxes"])


def test_every_kind_bears_its_name_and_has_it_as_its_first_field() -> None:
    for name in ("boxes", "image", "image2", "keypoints", "label", "masks", "parsing", "semseg"):
        kind = find_kind(name)
        assert (kind.name, kind.fields[0]) == (name, name)
        assert set(kind.object_fields) | set(kind.map_fields) <= set(kind.fields)


def test_an_unknown_kind_is_reported_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="unknown kind of target 'box'; did you mean boxes"):
        find_kind("box")


def test_data_without_a_requested_kind_are_refused() -> None:
    available = frozenset({"boxes", "masks"})
    assert choose_kinds(Path("x"), available, None) == available
    assert choose_kinds(Path("x"), available, frozenset({"boxes"})) == {"boxes"}
    with pytest.raises(DataError, match="x: no keypoints in these data; they have boxes, masks. Choose other data"):
        choose_kinds(Path("x"), available, frozenset({"keypoints", "boxes"}))


# kinds of one's own


def test_elements_of_objects_go_with_their_boxes_without_a_line_of_code() -> None:
    sample: Sample = {
        "image": np.zeros((20, 40, 3), np.uint8),
        "boxes": np.array([[0, 0, 10, 10], [30, 0, 40, 10]], np.float32),
        "labels": np.array([0, 1]),
        "meta": {},
        "track_numbers": np.array([7, 9]),
    }
    # seen once before the kind is known
    assert names(sample) == (["image"], ["boxes"])

    @KINDS.register("track_numbers")
    class TrackNumbers(Kind):
        name = "track_numbers"
        fields = ("track_numbers",)
        object_fields = ("track_numbers",)
        objects = "boxes"

    assert names(sample) == (["image"], ["boxes", "track_numbers"])
    crop, _ = build_transforms([{"name": "CenterCrop", "size": [20, 20]}], default_size=None)
    moved = crop({**sample, "boxes": sample["boxes"] + np.array([12, 0, 12, 0], np.float32)}, GENERATOR)
    assert moved["track_numbers"].tolist() == [7]
    finished = FinishTargets(["boxes", "track_numbers"])({**moved, "more": 1}, GENERATOR)
    assert set(finished) == {"image", "boxes", "labels", "track_numbers", "meta"}


def test_pixels_of_another_form_move_and_change_frame_by_frame() -> None:
    @KINDS.register("frames")
    class Frames(PixelKind):
        """uint8 (T, H, W, C)."""

        name = "frames"
        fields = ("frames",)

        def size(self, pixels: np.ndarray) -> tuple[int, int]:
            return pixels.shape[1], pixels.shape[2]

        def change(self, pixels: np.ndarray, change: Any, rng: np.random.Generator) -> np.ndarray:
            return np.stack([change(frame, rng) for frame in pixels])

        def moved(self, pixels: np.ndarray, move: Any) -> np.ndarray:
            return np.stack([move(frame) for frame in pixels])

    frames = np.random.default_rng(1).integers(0, 255, (3, 8, 10, 3), dtype=np.uint8)
    sample: Sample = {"frames": frames, "label": 1, "meta": {}}
    assert sample_size(sample) == (8, 10)
    flip, _ = build_transforms([{"name": "RandomHorizontalFlip", "probability": 1.0}], default_size=None)
    assert (flip(sample, GENERATOR)["frames"] == frames[:, :, ::-1]).all()
    gray = RandomGrayscale(probability=1.0)(sample, GENERATOR)["frames"]
    assert gray.shape == frames.shape
    assert (gray[..., 0] == gray[..., 1]).all()


# what data and models say


def test_a_data_set_may_have_classes_without_names() -> None:
    info = DatasetInfo(frozenset({"boxes"}), num_classes=90_000)
    assert (info.classes, info.num_classes, len(info.category_ids)) == ([], 90_000, 90_000)
    Boxes().check_info(info, Expectation(("boxes",), {"boxes": 90_000}), "the data")
    with pytest.raises(DataError, match="the data have 90000 classes, the model has 80$"):
        Boxes().check_info(info, Expectation(("boxes",), {"boxes": 80}), "the data")


def test_a_model_that_says_no_number_takes_any() -> None:
    info = DatasetInfo(frozenset({"boxes"}), classes=["cat"])
    Boxes().check_info(info, Expectation(("boxes",)), "the data")
    sample = {"image": np.zeros((9, 9, 3), np.uint8), "boxes": np.array([[0, 0, 9, 9]], np.float32), "labels": np.array([40]), "meta": {}}
    Boxes().check(sample, Expectation(("boxes",)))


def test_data_without_objects_have_no_truth() -> None:
    class Plain(Dataset):
        info = DatasetInfo(frozenset({"label"}), classes=["a"])

        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> Sample:
            return {"label": 0}

    assert Plain().truth(0) is None
    with pytest.raises(DataError, match="do not say which objects an image has"):
        list(read_truths(Plain()))
