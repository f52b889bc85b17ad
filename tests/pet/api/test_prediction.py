"""What a model found, as plain arrays, pictures, and records."""

import base64
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from pet.api import Prediction
from pet.visual import DrawSettings, TargetNames

NAMES = TargetNames(classes=("cat", "dog <b>"))


@pytest.fixture
def two_animals() -> Prediction:
    """A cat of 20 x 10 pixels, whose upper half is its mask, and a dog."""
    masks = np.zeros((2, 28, 28), np.float32)
    masks[0, :14] = 1
    masks[1] = 1
    fields = {
        "boxes": np.array([[10, 20, 30, 30], [0, 0, 4, 4]], np.float32),
        "scores": np.array([0.9, 0.2], np.float32),
        "labels": np.array([0, 1]),
        "masks": masks,
        "keypoints": np.array([[[12.0, 21.0, 0.5]], [[1.0, 2.0, 0.25]]], np.float32),
        "count": np.array(2.0),
    }
    return Prediction(np.full((40, 60, 3), 90, np.uint8), fields, NAMES, "a.png")


def test_objects_are_arrays_with_names(two_animals: Prediction) -> None:
    assert two_animals.classes == ["cat", "dog <b>"]
    masks = two_animals.masks
    assert masks is not None and masks.dtype == bool and masks.shape == (2, 40, 60)
    assert masks[0].sum() == 100 and masks[0, 20:25, 10:30].all()
    assert masks[1].sum() == 16
    assert two_animals.label_map is None and two_animals.probabilities is None and two_animals.embedding is None


def test_what_a_terminal_shows_is_short() -> None:
    found = Prediction(np.zeros((40, 60, 3), np.uint8), {"boxes": np.zeros((100, 4))}, TargetNames(), source="a.jpg")
    assert repr(found) == "Prediction(a.jpg, 60 x 40 pixels: boxes (100, 4))"


def test_objects_of_low_scores_can_be_left_out(two_animals: Prediction) -> None:
    best = two_animals.above(0.5)
    assert best.classes == ["cat"]
    assert best.masks is not None and best.masks.shape == (1, 40, 60)
    assert best.keypoints is not None and best.keypoints.shape == (1, 1, 3)
    assert best.fields["count"] == 2.0
    none = two_animals.above(0.95)
    assert none.classes == [] and none.masks is not None and none.masks.shape == (0, 40, 60)
    assert none.to_coco() == []


def test_results_of_coco_hold_boxes_masks_and_keypoints(two_animals: Prediction) -> None:
    cat, dog = two_animals.to_coco(7)
    assert (cat["image_id"], cat["category_id"], cat["bbox"], cat["keypoints"]) == (7, 1, [10, 20, 20, 10], [12.0, 21.0, 0.5])
    assert cat["score"] == pytest.approx(0.9)
    assert two_animals.masks is not None
    assert (coco_mask.decode(cat["segmentation"]) > 0).tolist() == two_animals.masks[0].tolist()
    assert dog["category_id"] == 2
    assert [found["category_id"] for found in two_animals.to_coco(categories={"dog <b>": 18})] == [18]


def test_the_class_of_an_image_is_the_most_probable_one() -> None:
    prediction = Prediction(np.zeros((8, 8, 3), np.uint8), {"logits": np.array([0.0, np.log(3.0)], np.float32)}, NAMES)
    assert prediction.classes == ["dog <b>"]
    assert prediction.probabilities == pytest.approx([0.25, 0.75])
    assert "dog &lt;b&gt;</td><td>0.750" in prediction._repr_html_()


def test_a_notebook_shows_the_picture_and_a_table(two_animals: Prediction) -> None:
    shown = two_animals._repr_html_()
    encoded = re.search(r"base64,([^\"]+)", shown)
    assert encoded is not None
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(encoded[1]), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == two_animals.draw().shape
    assert "<b>" not in shown, "names are escaped"
    assert shown.count("<tr>") == 3


def test_the_picture_is_written(two_animals: Prediction, tmp_path: Path) -> None:
    two_animals.save(tmp_path / "a.png", DrawSettings(scale=1, score_threshold=0.1))
    written = cv2.imread(str(tmp_path / "a.png"))
    drawn = two_animals.draw(DrawSettings(scale=1, score_threshold=0.1))
    assert (written[:, :, ::-1] == drawn).all()
    assert (drawn != 90).any()
