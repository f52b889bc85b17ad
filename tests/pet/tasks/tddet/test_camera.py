"""The detector of one camera as a whole: boxes before the camera of the file, whatever was done to its image."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pet.data.datasets.streets3d_camera import CALIBRATION
from pet.data.files.kitti_text import format_calibration, read_camera
from pet.data.transforms.build import build_transforms
from pet.structures.boxes3d import Boxes3D
from pet.tasks.tddet import config
from pet.tasks.tddet.camera import CameraDetector, build_camera_detector
from petlib.config import CfgNode
from petlib.errors import DataError
from tests.pet.models.detection3d.test_camera_head import FOCAL, MOVES, paint, sample_of


def build(**changes: Any) -> CameraDetector:
    cfg: CfgNode = config.get_base_cfg()
    settings = {
        "MODEL.HEAD": "camera",
        "MODEL.BACKBONE": "timm/test_resnet",
        "MODEL.DLA_UP.CHANNELS": 8,
        "MODEL.DLA_UP.DEFORMABLE": False,
        "MODEL.CAMERA.FOCAL": FOCAL,
        "MODEL.CAMERA.HIDDEN": 8,
        "MODEL.CAMERA.MEAN_SIZES": [[3.9, 1.6, 1.56], [0.8, 0.6, 1.73], [1.76, 0.6, 1.73]],
        "TEST.SCORE_THRESHOLD": 0.5,
        **changes,
    }
    for key, value in settings.items():
        cfg.set(key, value)
    config.infer_cfg(cfg)
    cfg.freeze()
    torch.manual_seed(0)
    return build_camera_detector(cfg)


@pytest.mark.parametrize("move", ["as it is", "mirrored", "scaled"])
def test_boxes_are_those_before_the_camera_of_the_file(move: str) -> None:
    transforms, _ = build_transforms(MOVES[move], default_size=None)
    original = sample_of(0)
    sample = transforms(original, np.random.default_rng(0))
    detector = build().eval()
    paint(detector.head, "smoke", sample)
    image = torch.zeros(1, 3, *(-(-length // 32) * 32 for length in sample["image"].shape[:2]))
    with torch.no_grad():
        (found,) = detector({"image": image, "meta": [sample["meta"]]})
    boxes, true = Boxes3D(found["boxes3d"].numpy(), "camera"), Boxes3D(original["boxes3d"], "camera")
    assert len(boxes) == len(true) > 2
    order = [np.argsort(own.values[:, 2]) for own in (boxes, true)]
    assert np.abs(boxes.corners()[order[0]] - true.corners()[order[1]]).max() < 5e-3
    assert sorted(found["labels3d"].tolist()) == sorted(original["labels3d"].tolist())


def test_of_two_boxes_in_one_place_the_better_one_stays() -> None:
    detector, sample = build().eval(), sample_of(0)
    paint(detector.head, "smoke", sample)
    sightings = detector.head.detect(torch.zeros(1, 8, 8, 8), [(32, 32)])
    twice = type(sightings)(*(torch.cat([field, field], dim=1) for field in sightings))
    once, both = (len(detector.place(own, [sample["meta"]])[0]["boxes3d"]) for own in (sightings, twice))
    assert once == both == len(sample["boxes3d"])


@pytest.mark.parametrize("code", ["smoke", "log", "monoflex"])
def test_all_parts_learn(code: str) -> None:
    monoflex = {
        "MODEL.CAMERA.DEPTH": "ensemble",
        "MODEL.CAMERA.ANGLE": "bins",
        "MODEL.CAMERA.EDGE_CENTERS": True,
        "MODEL.CAMERA.EDGE_FUSION": True,
    }
    log = {"MODEL.CAMERA.DEPTH": "log", "MODEL.CAMERA.ANGLE_WEIGHT": 1.0, "MODEL.CAMERA.ROWS": True, "MODEL.CAMERA.REACH": 1}
    detector = build(**{"smoke": {}, "log": log, "monoflex": monoflex}[code]).train()
    transforms, _ = build_transforms([{"name": "Resize", "size": [64, 192]}], default_size=None)
    samples = [transforms(sample_of(seed), np.random.default_rng(0)) for seed in range(2)]
    batch = {name: [torch.from_numpy(sample[name]) for sample in samples] for name in ("boxes3d", "labels3d")}
    outputs = detector({**batch, "image": torch.randn(2, 3, 64, 192), "meta": [sample["meta"] for sample in samples]})
    sum(outputs["losses"].values()).backward()
    assert all(torch.isfinite(loss) for loss in outputs["losses"].values())
    assert [name for name, parameter in detector.named_parameters() if parameter.grad is None] == []


def test_a_camera_is_read_from_kittis_file_or_from_twelve_numbers(tmp_path: Path) -> None:
    whole, alone = tmp_path / "whole.txt", tmp_path / "alone.txt"
    whole.write_text(format_calibration(CALIBRATION))
    alone.write_text("\n".join(" ".join(map(str, row)) for row in CALIBRATION.projection))
    for path in (whole, alone):
        np.testing.assert_allclose(read_camera(path).projection, CALIBRATION.projection, rtol=1e-9)
    for text, message in (
        ("P0: 1 2", "no P2 in it"),
        ("1 2 3", "P2 has 3 numbers, 12 finite ones expected"),
        ("0 " * 12, "the first three columns of P2 .* no inverse"),
    ):
        alone.write_text(text)
        with pytest.raises(DataError, match=message):
            read_camera(alone)
