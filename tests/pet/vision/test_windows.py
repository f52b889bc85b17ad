"""Large images through windows: every detector finds in a window what it finds in that part of the image alone."""

from typing import Any

import pytest
import torch
from torch import Tensor

from pet.data.files.windows import spaced_windows
from pet.vision import GeneralizedCNN, config
from pet.vision.test_time import build_test_model
from petlib.config import CfgNode, ConfigError
from tests.pet.models.detr.conftest import TINY

SIZE, WINDOW, OVERLAP = (96, 160), 64, 0.25
NECKS = {"faster_rcnn": "fpn", "retinanet": "fpn", "fcos": "fpn", "centernet": "dla_up"}
SMALL: dict[str, Any] = {
    "MODEL.NUM_CLASSES": 3,
    "MODEL.BACKBONE": "torchvision/resnet18",
    "MODEL.HAS_BOX": True,
    "MODEL.FPN.CHANNELS": 32,
    "MODEL.DLA_UP.DEFORMABLE": False,
    "MODEL.BOX.ANCHOR_SIZES": [[8], [12], [16], [24], [32]],
    "MODEL.BOX.ROI.HIDDEN": 32,
    "MODEL.MASK.CHANNELS": [8],
    "MODEL.KEYPOINTS.CHANNELS": [8],
    "MODEL.KEYPOINTS.NUM_KEYPOINTS": 3,
    "TEST.SCORE_THRESHOLD": 0.0,
    "TEST.DETECTIONS_PER_IMAGE": 100,
    "TEST.SLIDING.SIZE": WINDOW,
    "TEST.SLIDING.OVERLAP": OVERLAP,
}


def make_cfg(detector: str, **values: Any) -> CfgNode:
    cfg = config.get_base_cfg()
    own = {TINY[detector][0]: TINY[detector][1], "MODEL.BACKBONE": ""} if detector in TINY else {"MODEL.NECK": NECKS[detector]}
    for name, value in {**SMALL, "MODEL.BOX.DETECTOR": detector, **own, **values}.items():
        cfg.set(name, value)
    config.infer_cfg(cfg)
    return cfg


def find(model: GeneralizedCNN | torch.nn.Module, image: Tensor) -> dict[str, Tensor]:
    with torch.no_grad():
        (found,) = model({"image": image[None], "image_sizes": [tuple(image.shape[1:])], "meta": [{"size": tuple(image.shape[1:])}]})
    return dict(found)


@pytest.mark.parametrize(
    ("detector", "heads"),
    [("faster_rcnn", ("MASK", "KEYPOINTS")), ("retinanet", ()), ("fcos", ()), ("centernet", ()), *((name, ()) for name in TINY)],
)
def test_away_from_seams_the_predictions_are_those_of_the_window(detector: str, heads: tuple[str, ...]) -> None:
    if detector in TINY:
        pytest.importorskip("transformers")
    torch.manual_seed(0)
    model = GeneralizedCNN(make_cfg(detector, **{f"MODEL.HAS_{head}": True for head in heads})).eval()
    image = torch.nn.functional.interpolate(torch.randn(1, 3, 24, 40), SIZE)[0]
    of_windows: list[dict[str, Tensor]] = []
    predict = model.predict

    def remember(batch: dict[str, Any]) -> list[dict[str, Any]]:
        of_windows.extend(found := predict(batch))
        return found

    model.predict = remember  # type: ignore[method-assign]
    found = find(model, image)
    compared = 0
    windows = spaced_windows(SIZE, WINDOW, OVERLAP)
    for window, alone in zip(windows, of_windows, strict=True):
        corner = torch.tensor([window.left, window.top], dtype=torch.float32)
        for place, box in enumerate(alone["boxes"] + corner.repeat(2)):
            if not _is_clear_of_others(box, window):
                continue
            same = (found["boxes"] - box).abs().amax(dim=1) + (found["scores"] - alone["scores"][place]).abs() < 1e-4
            there = int(torch.nonzero(same & (found["labels"] == alone["labels"][place])).flatten()[0])
            if heads:
                assert torch.equal(found["masks"][there], alone["masks"][place])
                torch.testing.assert_close(found["keypoints"][there][:, :2], alone["keypoints"][place][:, :2] + corner)
            compared += 1
    assert compared >= 5, compared


def test_a_window_is_looked_at_as_that_part_of_the_image_alone() -> None:
    torch.manual_seed(0)
    model = GeneralizedCNN(make_cfg("faster_rcnn", **{"TEST.SLIDING.SIZE": 80, "TEST.SLIDING.OVERLAP": 0.0})).eval()
    image = torch.nn.functional.interpolate(torch.randn(1, 3, 24, 40), SIZE)[0]
    windows = spaced_windows(SIZE, 80, 0.0)
    seen: list[Tensor] = []
    predict = model.predict
    model.predict = lambda batch: seen.extend(batch["image"]) or predict(batch)  # type: ignore[method-assign, func-returns-value]
    find(model, image)
    assert len(seen) == len(windows) == 4
    for pixels, window in zip(seen, windows, strict=True):
        assert pixels.shape[1:] == (96, 96)
        assert torch.equal(pixels[:, :80, :80], image[:, window.top : window.top + 80, window.left : window.left + 80])
        assert not pixels[:, 80:].any() and not pixels[:, :, 80:].any()


def _is_clear_of_others(box: Tensor, own: Any) -> bool:
    others = [window for window in spaced_windows(SIZE, WINDOW, OVERLAP) if window != own]
    left, top, right, bottom = box.tolist()
    over = any(
        left < window.left + window.width and right > window.left and top < window.top + window.height and bottom > window.top
        for window in others
    )
    return not over and right - left > 1 and bottom - top > 1


def test_each_window_is_looked_at_in_all_views() -> None:
    torch.manual_seed(0)
    cfg = make_cfg("faster_rcnn", **{"TEST.VIEWS.FLIP": True})
    model = GeneralizedCNN(cfg).eval()
    viewed = build_test_model(model, cfg).eval()
    image = torch.nn.functional.interpolate(torch.randn(1, 3, 24, 40), SIZE)[0]
    found, mirrored = find(viewed, image), find(viewed, image.flip(-1))
    assert len(found["boxes"]) == len(mirrored["boxes"]) > 0
    torch.testing.assert_close(found["scores"], mirrored["scores"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("other", ["MODEL.HAS_SEMSEG", "MODEL.HAS_SURFACE"])
def test_heads_that_cannot_be_joined_with_objects_are_refused(other: str) -> None:
    with pytest.raises(ConfigError, match=rf"TEST.SLIDING.SIZE: 64 given, but {other} is True, and only objects, with masks, keypoints"):
        make_cfg("faster_rcnn", **{other: True, "MODEL.SURFACE.NUM_PARTS": 2})
