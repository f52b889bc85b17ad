"""Predictions of files: labels at the size of the file, pictures, views and windows."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import pet.compat.paddleseg.transforms as T
from pet.compat.paddleseg.core import predict
from pet.visual.palette import class_colour
from petlib.errors import ConfigError
from tests.pet.compat.paddleseg.tiles import EDGE, write_tiles

SAME_SIZE = [T.Normalize()]


class Bright(nn.Module):
    """The label 1 where red is above the middle of its range; ``shift`` is its only weight."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor) -> list[Tensor]:
        red = images[:, :1] + self.shift
        return [torch.cat([-red, red], dim=1)]


def labels_in(path: Path) -> np.ndarray:
    image = Image.open(path)
    assert image.mode == "P"
    return np.asarray(image)


def truth(root: Path, number: int) -> np.ndarray:
    return cv2.imread(str(root / "gt" / f"{number}.png"), cv2.IMREAD_UNCHANGED)


def test_files_become_labels_and_pictures(tmp_path: Path) -> None:
    root, model = write_tiles(tmp_path / "data"), Bright().train()
    files = [root / "img" / f"{number}.jpg" for number in range(3)]
    predict(model, None, T.Compose(SAME_SIZE), [str(path) for path in files], save_dir=tmp_path / "out")
    assert model.training
    for number, path in enumerate(files):
        labels = labels_in(tmp_path / "out" / "pseudo_color_prediction" / f"{number}.png")
        np.testing.assert_array_equal(labels, truth(root, number))
        blended = cv2.imread(str(tmp_path / "out" / "added_prediction" / path.name)).astype(float)
        colours = np.array([(0, 0, 0), class_colour(0)], np.uint8)[labels][..., ::-1]
        expected = 0.6 * cv2.imread(str(path)) + 0.4 * colours
        assert np.abs(blended - expected).mean() < 6


@pytest.mark.parametrize(
    "options",
    [
        {"aug_pred": True, "scales": [0.5, 1.0, 2.0]},
        {"is_slide": True, "crop_size": (24, 24), "stride": [16, 16]},
        {"aug_pred": True, "is_slide": True, "crop_size": (64, 64), "stride": (64, 64)},
    ],
)
def test_views_and_windows_see_the_same(tmp_path: Path, options: dict) -> None:
    root = write_tiles(tmp_path / "data", edge=120)
    predict(Bright(), None, [*SAME_SIZE], [root / "img" / "0.jpg"], save_dir=tmp_path / "out", **options)
    found = labels_in(tmp_path / "out" / "pseudo_color_prediction" / "0.png")
    assert (found == truth(root, 0)).mean() > 0.99


def test_labels_have_the_size_of_the_file_and_weights_come_from_a_file(tmp_path: Path) -> None:
    root, model = write_tiles(tmp_path / "data"), Bright()
    torch.save({"shift": torch.full((1,), 9.0)}, tmp_path / "model.pdparams")
    transforms = [T.Resize((16, 12)), T.Normalize()]
    predict(
        model, tmp_path / "model.pdparams", transforms, [root / "img" / "0.jpg"], root, tmp_path / "out", custom_color=[1, 2, 3, 4, 5, 6]
    )
    file = tmp_path / "out" / "pseudo_color_prediction" / "img" / "0.png"
    assert labels_in(file).shape == (EDGE, EDGE)
    assert set(np.unique(labels_in(file))) == {1}
    assert np.asarray(Image.open(file).convert("RGB"))[0, 0].tolist() == [4, 5, 6]


def test_a_network_that_sees_blue_first(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "blue.png"), np.full((8, 8, 3), (255, 0, 0), np.uint8))
    for to_rgb, label in ((True, 0), (False, 1)):
        predict(Bright(), None, T.Compose(SAME_SIZE, to_rgb=to_rgb), [tmp_path / "blue.png"], save_dir=tmp_path / "out")
        assert set(np.unique(labels_in(tmp_path / "out" / "pseudo_color_prediction" / "blue.png"))) == {label}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_list": ["a/1.jpg", "b/1.jpg"]}, "several files are called 1; give image_dir"),
        ({"image_dir": "elsewhere"}, "image_dir: elsewhere given, but 0.jpg is not below it"),
        ({"is_slide": True}, "is_slide with crop_size None and stride None given"),
        ({"is_slide": True, "crop_size": (64, 32), "stride": (16, 16)}, "two equal numbers of pixels each"),
        ({"custom_color": [1, 2]}, "custom_color: 2 numbers given"),
        ({"aug_pred": True, "flip_vertical": True}, "flip_vertical: True given"),
    ],
)
def test_wrong_arguments_are_reported(tmp_path: Path, options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        predict(Bright(), None, SAME_SIZE, **{"image_list": ["0.jpg"], "save_dir": tmp_path / "out", **options})
