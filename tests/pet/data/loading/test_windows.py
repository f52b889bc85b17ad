"""Windows of a training: around objects and between them."""

import logging
from typing import Any

import numpy as np
import pytest

from pet.data.loading.windows import TrainingWindows, cut_into_windows, windows_around
from pet.data.targets.dataset import Dataset, DatasetInfo, ImageTruth
from pet.structures.masks import InstanceMasks
from pet.vision import config
from petlib.config import CfgNode, ConfigError

SIZE = (300, 500)
CROWD = (200.0, 100, 300, 200)


def truth_of(boxes: np.ndarray, crowd: bool = False) -> ImageTruth:
    everything = np.concatenate([boxes, [CROWD]]).astype(np.float32) if crowd else boxes.astype(np.float32)
    count = len(everything)
    return ImageTruth(
        id=1,
        file="field.png",
        height=SIZE[0],
        width=SIZE[1],
        boxes=everything.reshape(-1, 4),
        labels=np.arange(count),
        crowd=np.array([False] * len(boxes) + [True] * (count - len(boxes)), bool),
        areas=np.ones(count, np.float32),
    )


class Fields(Dataset):
    """Images whose pixels say where they lie."""

    def __init__(self, *boxes: list[tuple[float, float, float, float]]) -> None:
        self.boxes = [np.array(own, np.float32).reshape(-1, 4) for own in boxes]
        self.info = DatasetInfo(kinds=frozenset(("boxes", "masks", "keypoints")), classes=[str(number) for number in range(9)])

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: int) -> dict[str, Any]:
        boxes = self.boxes[index]
        rows, columns = np.indices(SIZE)
        corners = [[[left, top, right, top, right, bottom, left, bottom]] for left, top, right, bottom in boxes.tolist()]
        middles = (boxes[:, :2] + boxes[:, 2:]) / 2
        return {
            "image": np.stack([rows % 256, columns % 256, columns // 256], axis=-1).astype(np.uint8),
            "boxes": boxes,
            "labels": np.arange(len(boxes)),
            "masks": InstanceMasks.from_segmentations(corners, SIZE),
            "keypoints": np.concatenate([middles, np.full((len(boxes), 1), 2)], axis=1)[:, None].astype(np.float32),
            "meta": {"id": index, "size": SIZE, "file": f"{index}.png"},
        }

    def file_of(self, index: int) -> str:
        return f"{index}.png"

    def truth(self, index: int) -> ImageTruth:
        return truth_of(self.boxes[index], crowd=index == 0)


OBJECTS = [(10.0, 10, 26, 26), (30, 12, 46, 28), (480, 280, 500, 300), (250, 20, 266, 36)]


def test_each_object_is_whole_in_a_window_and_neighbours_share_one() -> None:
    for seed in range(20):
        windows = windows_around(truth_of(np.array(OBJECTS), crowd=True), 100, np.random.default_rng(seed))
        assert 3 <= len(windows) <= 4
        for left, top, right, bottom in OBJECTS:
            assert any(
                one.left <= left and one.top <= top and right <= one.left + one.width and bottom <= one.top + one.height for one in windows
            )
        for one in windows:
            assert (one.height, one.width) == (100, 100)
            assert 0 <= one.top <= SIZE[0] - 100 and 0 <= one.left <= SIZE[1] - 100


def test_an_object_longer_than_a_window_fills_one() -> None:
    (window,) = windows_around(truth_of(np.array([(50.0, 60, 400, 90)])), 100, np.random.default_rng(0))
    assert 50 <= window.left <= 300
    assert window.top <= 60 and window.top + 100 >= 90


def test_the_window_and_its_targets_are_those_of_the_image() -> None:
    data = TrainingWindows(Fields(OBJECTS), size=100, background=0.0, min_share=0.3)
    seen = set()
    for index in range(len(data)):
        sample = data[index]
        top, left, height, width = sample["meta"]["window"]
        image = sample["image"]
        assert image.shape == (height, width, 3) == (100, 100, 3) and image.flags.c_contiguous
        assert image[0, 0].tolist() == [top % 256, left % 256, left // 256]
        truth = data.truth(index)
        assert truth is not None
        assert (truth.height, truth.width) == (100, 100)
        chosen = ~truth.crowd
        assert truth.boxes[chosen].tolist() == sample["boxes"].tolist() and truth.labels[chosen].tolist() == sample["labels"].tolist()
        masks = sample["masks"].rasterise()
        for box, mask, point, label in zip(sample["boxes"], masks, sample["keypoints"], sample["labels"], strict=True):
            whole = np.array(OBJECTS[label]) - [left, top, left, top]
            assert np.allclose(box, np.clip(whole, 0, 100))
            assert mask.sum() == pytest.approx((box[2] - box[0]) * (box[3] - box[1]))
            inside = (np.abs(whole[:2] + whole[2:] - 100) <= 100).all()
            assert point[0].tolist() == ([*((whole[:2] + whole[2:]) / 2), 2] if inside else [0, 0, 0])
            if np.allclose(box, whole):
                seen.add(int(label))
        assert np.allclose(sample["meta"]["matrix"][:2, 2], [-left, -top])
    assert seen == {0, 1, 2, 3}


def test_background_has_its_share_and_no_object() -> None:
    boxes = [(float(x), float(y), x + 10.0, y + 10.0) for x in range(5, 500, 120) for y in range(5, 300, 110)]
    fields = Fields(boxes, [], [])
    data = TrainingWindows(fields, size=100, background=0.25)
    empty = [index for index in range(len(data)) if not (~data.truth(index).crowd).any()]  # type: ignore[union-attr]
    assert data.num_background == len(empty) == round(len(data) * 0.25)
    assert all(not len(data[index]["boxes"]) and not data.truth(index).crowd.any() for index in empty)  # type: ignore[union-attr]
    assert data.info.groups is not None
    assert data.info.groups.tolist() == [int(data.file_of(index)[0]) for index in range(len(data))]
    again = TrainingWindows(fields, size=100, background=0.25)
    assert [again[index]["meta"]["window"] for index in range(9)] == [data[index]["meta"]["window"] for index in range(9)]
    other = TrainingWindows(fields, size=100, background=0.25, seed=1)
    assert [other[index]["meta"]["window"] for index in range(9)] != [data[index]["meta"]["window"] for index in range(9)]
    # of the two images without objects there are 15 windows each, of the first one none
    assert TrainingWindows(fields, size=100, background=0.9).num_background == 30


def test_small_images_stay_whole() -> None:
    fields = Fields(OBJECTS, [])
    data = TrainingWindows(fields, size=500, background=0.0)
    assert len(data) == 1
    sample = data[0]
    assert (
        sample["image"].shape == (*SIZE, 3)
        and "window" not in sample["meta"]
        and sample["boxes"].tolist() == [list(box) for box in OBJECTS]
    )


def make_cfg(**values: Any) -> CfgNode:
    cfg = config.get_base_cfg()
    given = {"MODEL.BACKBONE": "timm/resnet18", "MODEL.HAS_BOX": True, "MODEL.NECK": "fpn", "MODEL.NUM_CLASSES": 9, **values}
    for name, value in given.items():
        cfg.set(name, value)
    config.infer_cfg(cfg)
    return cfg


def test_the_settings_decide(caplog: pytest.LogCaptureFixture) -> None:
    fields = Fields(OBJECTS, [])
    assert cut_into_windows(make_cfg(), fields) is fields
    with caplog.at_level(logging.INFO):
        data = cut_into_windows(make_cfg(**{"TRAIN.SLIDING.SIZE": 100, "TRAIN.SLIDING.BACKGROUND": 0.5}), fields)
    assert (
        f"{len(data)} windows of 2 images, {len(data) // 2} of them without objects; DATA.CACHE disk decodes each image once" in caplog.text
    )
    assert {data[index]["image"].shape for index in range(len(data))} == {(100, 100, 3)}


@pytest.mark.parametrize("name", ["BACKGROUND", "MIN_SHARE"])
def test_shares_are_checked(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"TRAIN.SLIDING.{name}: 1 given, a share from 0 to below 1 expected"):
        make_cfg(**{"TRAIN.SLIDING.SIZE": 64, f"TRAIN.SLIDING.{name}": 1.0})
