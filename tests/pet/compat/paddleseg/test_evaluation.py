"""Evaluations of a network whose answers are known."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

import pet.compat.paddleseg.transforms as T
from pet.compat.paddleseg.core import evaluate
from petlib.errors import ConfigError
from tests.pet.compat.paddleseg.tiles import Tiny, open_tiles, write_tiles


class Threshold(nn.Module):
    """Calls bright pixels foreground."""

    def __init__(self, at: float = 0.0) -> None:
        super().__init__()
        self.at = nn.Parameter(torch.tensor(at))

    def forward(self, images: Tensor) -> Tensor:
        bright = images.mean(dim=1, keepdim=True) - self.at
        return torch.cat([-bright, bright], dim=1)


def write_squares(root: Path) -> Path:
    """Write a tile of 64 pixels, a quarter of it bright; the label says that the whole upper half is foreground."""
    write_tiles(root, 3)
    image, label = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), np.uint8)
    image[:32, :32], label[:32] = 255, 255
    cv2.imwrite(str(root / "img" / "0.jpg"), image)
    cv2.imwrite(str(root / "gt" / "0.png"), label)
    (root / "val.txt").write_text("img/0.jpg gt/0.png\n")
    return root


def test_the_figures_are_those_by_hand_over_the_labels_own_pixels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = open_tiles(write_squares(tmp_path), [T.InitMask(), T.Resize((32, 32), interp="AREA"), T.Normalize()], split="val")
    miou, acc, class_iou, class_precision, kappa = evaluate(Threshold(), dataset)
    # 1024 pixels right in front, 2048 behind, 1024 missed
    assert class_iou == pytest.approx([2048 / 3072, 1024 / 2048])
    assert class_precision == pytest.approx([2048 / 3072, 1.0])
    assert (miou, acc, kappa) == pytest.approx(((2 / 3 + 1 / 2) / 2, 0.75, 0.5))
    printed = capsys.readouterr().out.splitlines()
    assert printed[:5] == [
        "[EVAL] #Images: 1 mIoU: 0.5833 Acc: 0.7500 Kappa: 0.5000",
        "[EVAL] Class IoU:",
        "[0.6667 0.5   ]",
        "[EVAL] Class Acc:",
        "[0.6667 1.    ]",
    ]


def test_nothing_is_printed_when_nothing_is_wanted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(Threshold(), open_tiles(write_squares(tmp_path), [T.InitMask(), T.Normalize()], split="val"), print_detail=False)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "options",
    [
        {"aug_eval": True, "scales": [0.5, 1.0, 2.0]},
        {"is_slide": True, "crop_size": (32, 32), "stride": (16, 16)},
        {"aug_eval": True, "flip_horizontal": False, "is_slide": True, "crop_size": (64, 64), "stride": (64, 64)},
    ],
)
def test_views_and_windows_measure_what_one_look_does(tmp_path: Path, options: dict[str, Any]) -> None:
    dataset = open_tiles(write_squares(tmp_path), [T.InitMask(), T.Normalize()], split="val")
    found = evaluate(Threshold(), dataset, print_detail=False, **options)
    assert found.acc == pytest.approx(0.75, abs=0.02)
    assert evaluate(Threshold(), dataset, True, [0.5, 1.0], print_detail=False).acc == pytest.approx(0.75, abs=0.02)


class Once(nn.Module):
    """Notes the sizes of what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.seen = nn.Parameter(torch.ones(1)), []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append((tuple(images.shape[2:]), bool(images[0, 0, 0, 0] > images[0, 0, 0, -1])))
        return torch.cat([-images[:, :1], images[:, :1]], dim=1)


def test_views_are_those_that_are_asked_for(tmp_path: Path) -> None:
    dataset, network = open_tiles(write_squares(tmp_path), [T.InitMask(), T.Normalize()], split="val"), Once()
    evaluate(network, dataset, aug_eval=True, scales=[0.5, 1.0], print_detail=False)
    assert sorted(network.seen) == [((32, 32), False), ((32, 32), True), ((64, 64), False), ((64, 64), True)]
    network.seen.clear()
    evaluate(network, dataset, is_slide=True, crop_size=(32, 32), stride=(32, 32), print_detail=False)
    assert {size for size, _ in network.seen} == {(32, 32)}
    for options, message in (
        ({"aug_eval": True, "flip_vertical": True}, "evaluate: flip_vertical: True given"),
        ({"aug_eval": True, "scales": []}, r"evaluate: scales: \[\] given"),
        ({"is_slide": True}, "evaluate: is_slide with crop_size None"),
    ):
        with pytest.raises(ConfigError, match=message):
            evaluate(network, dataset, **options)


def test_images_may_differ_in_size(tmp_path: Path) -> None:
    root = write_squares(tmp_path)
    (root / "val.txt").write_text("img/0.jpg gt/0.png\nimg/1.jpg gt/1.png\n")
    figures = evaluate(Threshold(), open_tiles(root, [T.InitMask(), T.Normalize()], split="val"), print_detail=False)
    assert 0.75 < figures.acc < 1.0


def test_the_network_comes_back_in_its_mode(tmp_path: Path) -> None:
    dataset = open_tiles(write_squares(tmp_path), [T.InitMask(), T.Normalize()], split="val")
    for mode in (True, False):
        model = Tiny().train(mode)
        evaluate(model, dataset, print_detail=False)
        assert {module.training for module in model.modules()} == {mode}


def test_another_number_of_classes_is_reported(tmp_path: Path) -> None:
    class Three(Threshold):
        def forward(self, images: Tensor) -> Tensor:
            return torch.cat([super().forward(images), images[:, :1]], dim=1)

    with pytest.raises(ConfigError, match="the network has 3 classes, but the data set has num_classes=2"):
        evaluate(Three(), open_tiles(write_squares(tmp_path), [T.InitMask(), T.Normalize()], split="val"))
