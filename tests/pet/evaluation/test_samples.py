"""The best and the worst samples of a test: which they are, that they are drawn, and that a failure costs a warning and no figure."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from pet.data.targets.dataset import Dataset, DatasetInfo, ImageTruth
from pet.data.targets.kind import Judgement
from pet.evaluation.samples import SampleGallery
from pet.visual.settings import DrawSettings

SIZE = (48, 64)


class Squares(Dataset):
    """Gray images with a box each, whose class is 0."""

    info = DatasetInfo(classes=("square", "circle"), num_classes=2, kinds=frozenset({"boxes", "label"}))

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {
            "image": np.full((*SIZE, 3), 90, np.uint8),
            **self._boxes(),
            "meta": {"id": index, "file": f"f/{index}.png", "index": index},
        }

    def truth(self, index: int) -> ImageTruth:
        boxes = self._boxes()
        return ImageTruth(index, f"{index}.png", *SIZE, boxes["boxes"], boxes["labels"], np.zeros(1, bool), np.full(1, 400.0, np.float32))

    @staticmethod
    def _boxes() -> dict[str, np.ndarray]:
        return {"boxes": np.array([[10, 10, 30, 30]], np.float32), "labels": np.zeros(1, np.int64)}


def boxes_at(offset: float, score: float = 0.9) -> dict[str, torch.Tensor]:
    return {
        "boxes": torch.tensor([[10.0, 10, 30, 30]]) + offset,
        "scores": torch.tensor([score]),
        "labels": torch.zeros(1, dtype=torch.long),
    }


def feed(gallery: SampleGallery, predictions: Sequence[dict[str, torch.Tensor]], first: int = 0, **fields: Any) -> None:
    meta = [{"index": first + place, "file": "x"} for place in range(len(predictions))]
    gallery.update({"meta": meta, **fields}, list(predictions))


def make_gallery(kinds: Sequence[str] = ("boxes",), most: int = 2, judges: bool = True, dataset: Dataset | None = None) -> SampleGallery:
    return SampleGallery(dataset=dataset or Squares(), kinds=kinds, drawing=DrawSettings(), most=most, judges=judges)


def read(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "samples.json").read_text())
    return found


def test_the_worst_and_the_best_are_drawn_next_to_the_truth(tmp_path: Path) -> None:
    gallery = make_gallery()
    feed(gallery, [boxes_at(0), boxes_at(40), boxes_at(1)])
    feed(gallery, [boxes_at(30), boxes_at(0), boxes_at(50)], first=3)
    gallery.write(tmp_path)
    records = read(tmp_path)
    assert [(one["sort"], one["name"], one["score"]) for one in records] == [
        ("worst", "f/1.png", 0.0),
        ("worst", "f/3.png", 0.0),
        ("best", "f/0.png", 1.0),
        ("best", "f/2.png", 1.0),
    ]
    assert records[0]["remark"] == "0 of 1 objects found at any score; AP50 of the image 0%"
    truth, prediction = (cv2.imread(str(tmp_path / picture["file"])).astype(int) for picture in records[0]["pictures"])
    assert [picture["title"] for picture in records[0]["pictures"]] == ["truth", "prediction"]
    # the frame of the truth is in the first picture alone
    scale = truth.shape[1] / SIZE[1]
    frame = slice(int(20 * scale), int(21 * scale)), slice(int(10 * scale), int(11 * scale))
    assert np.abs(truth[frame] - 90).max() > 60
    assert np.abs(prediction[frame] - 90).max() < 20


def test_classes_are_judged_by_the_probability_of_the_label(tmp_path: Path) -> None:
    gallery = make_gallery(("label",), most=1)
    feed(gallery, [{"logits": torch.tensor([2.0, 0])}, {"logits": torch.tensor([0.0, 3])}], label=torch.tensor([0, 0]))
    gallery.write(tmp_path)
    worst, best = read(tmp_path)
    assert worst["score"] == pytest.approx(1 / (1 + np.exp(3)))
    assert worst["remark"] == "square: 5%; taken for circle (95%)"
    assert best["remark"] == "square: 88%"


def test_an_evaluation_within_a_training_shows_the_first_ones(tmp_path: Path) -> None:
    gallery = make_gallery(judges=False)
    feed(gallery, [boxes_at(40), boxes_at(0), boxes_at(0)])
    gallery.write(tmp_path)
    assert [(one["sort"], one["name"]) for one in read(tmp_path)] == [("shown", "f/0.png"), ("shown", "f/1.png")]


class Pairs(Squares):
    """Two boxes in each image, a sample each."""

    def truth(self, index: int) -> ImageTruth:
        boxes = self._boxes()
        return ImageTruth(index, "x", *SIZE, boxes["boxes"], boxes["labels"], np.zeros(2, bool), np.full(2, 100.0, np.float32))

    @staticmethod
    def _boxes() -> dict[str, np.ndarray]:
        return {"boxes": np.array([[10, 10, 20, 20], [30, 10, 40, 20]], np.float32), "labels": np.zeros(2, np.int64)}


@pytest.mark.parametrize("judges", [True, False])
def test_single_objects_of_one_image_are_samples_of_their_own(
    judges: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = make_gallery(judges=judges, most=4, dataset=Pairs())
    monkeypatch.setattr(gallery, "_judge", lambda *_: Judgement(0.5, "the same"))
    meta = [{"index": 10 + place, "image": place // 2, "object": place % 2, "file": "x"} for place in range(3)]
    gallery.update({"meta": meta}, [boxes_at(0), boxes_at(20), boxes_at(0)])
    gallery.write(tmp_path)
    assert not caplog.records
    records = read(tmp_path)
    assert [one["name"] for one in records] == ["f/0.png, object 1", "f/0.png, object 2", "f/1.png, object 1"]
    assert len({picture["file"] for one in records for picture in one["pictures"]}) == 6
    # the truth of the first one has its own box alone
    truth = cv2.imread(str(tmp_path / records[0]["pictures"][0]["file"])).astype(int)
    scale = truth.shape[1] / SIZE[1]
    own, other = (np.s_[int(19 * scale) : int(20.5 * scale), int(x * scale)] for x in (15, 35))
    assert np.abs(truth[own] - 90).max() > 60
    assert np.abs(truth[other] - 90).max() < 20


def test_a_sample_of_which_nothing_can_be_drawn_is_one_picture(tmp_path: Path) -> None:
    class Bare(Squares):
        def __getitem__(self, index: int) -> dict[str, Any]:
            sample = super().__getitem__(index)
            return {"image": sample["image"], "meta": sample["meta"]}

    gallery = make_gallery(dataset=Bare(), judges=False)
    feed(gallery, [{"embedding": torch.ones(4)}])
    gallery.write(tmp_path)
    assert [picture["title"] for picture in read(tmp_path)[0]["pictures"]] == ["image"]


def test_what_fails_is_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Squares):
        def __getitem__(self, index: int) -> dict[str, Any]:
            raise OSError("the disk is gone")

    def fail(*_: object) -> None:
        raise ValueError("no such field")

    broken, misled = make_gallery(dataset=Broken()), make_gallery()
    monkeypatch.setattr(misled, "_judge", fail)
    with caplog.at_level(logging.WARNING):
        for gallery in (broken, misled):
            feed(gallery, [boxes_at(0), boxes_at(1)])
            feed(gallery, [boxes_at(2)], first=2)
            gallery.write(tmp_path)
    assert [record.getMessage() for record in caplog.records] == [
        "the samples of this evaluation are not drawn: OSError: the disk is gone",
        "the samples of this evaluation are not drawn: ValueError: no such field",
    ]
