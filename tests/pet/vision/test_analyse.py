"""The line about size and cost of a model."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.models import ResNet50_Weights
from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights

from pet.models import analyse
from pet.models.analysis import counted_forward
from pet.vision import GeneralizedCNN, config
from petlib.analyser import Analyser
from petlib.config import CfgNode, ConfigError, load_cfg

CFGS = Path(__file__).resolve().parents[3] / "cfgs"


def make_cfg(backbone: str, size: int, enabled: bool) -> CfgNode:
    cfg = config.get_base_cfg()
    values = {"MODEL.BACKBONE": backbone, "MODEL.HAS_CLS": True, "MODEL.NUM_CLASSES": 1000}
    values |= {"TRAIN.RESIZE.SCALES": [size], "ANALYSER.ENABLED": enabled}
    for name, value in values.items():
        cfg.set(name, value)
    return cfg


def test_resnet18_at_224_as_in_the_literature(caplog: pytest.LogCaptureFixture) -> None:
    cfg = make_cfg("timm/resnet18", 224, enabled=True)
    model = GeneralizedCNN(cfg)
    with caplog.at_level(logging.INFO):
        analyse(model, cfg)
    assert "for an image of 224 x 224: Params: 11.6895M | FLOPs: 18" in caplog.text
    flops = float(caplog.text.partition("FLOPs: ")[2].partition("M")[0])
    assert flops == pytest.approx(1820, rel=0.03)


def test_the_run_is_the_same_with_and_without(caplog: pytest.LogCaptureFixture) -> None:
    drawn = []
    for enabled in (True, False):
        torch.manual_seed(0)
        cfg = make_cfg("resnet20", 16, enabled=enabled)
        model = GeneralizedCNN(cfg)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        analyse(model, cfg)
        assert set(model.state_dict()) == set(before)
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
        drawn.append(torch.rand(3))
    assert torch.equal(*drawn)


def test_resnet50_at_224_as_in_the_literature() -> None:
    cfg = make_cfg("torchvision/resnet50", 224, enabled=True)
    analyser = Analyser(GeneralizedCNN(cfg), ({"image": torch.zeros(1, 3, 224, 224)},), forward=counted_forward)
    assert analyser.get_params().total == ResNet50_Weights.IMAGENET1K_V1.meta["num_params"]
    flops = analyser.get_flops_activs("flops").total / 1000
    assert flops == pytest.approx(4.1, rel=0.03)
    assert flops == pytest.approx(ResNet50_Weights.IMAGENET1K_V1.meta["_ops"], rel=0.01)


@pytest.mark.nightly
def test_faster_rcnn_at_800_by_1333_as_in_the_literature() -> None:
    """The work on the image grows with its pixels, that on the 1,000 proposals does not.

    mmdetection's count is quoted as 207.07 G at 800 x 1280, 13.9 G of them the two hidden layers of the proposals. torchvision says
    134.38 G (https://docs.pytorch.org/vision/stable/models/generated/torchvision.models.detection.fasterrcnn_resnet50_fpn.html), at
    800 x 800 and with 91 classes, whose layers come after the hidden ones.
    """
    cfg = load_cfg(config, CFGS / "vision" / "mscoco" / "e2e_faster_rcnn_R-50-FPN_1x.yaml")
    height, width = cfg.ANALYSER.SIZE
    assert (height, width) == (800, 1333)
    analyser = Analyser(GeneralizedCNN(cfg), ({"image": torch.zeros(1, 3, height, width)},), forward=counted_forward)
    flops = analyser.get_flops_activs("flops").total / 1000
    assert flops == pytest.approx((207.07 - 13.9) * width / 1280 + 13.9, rel=0.03)
    hidden, of_class = (7 * 7 * 256 * 1024 + 1024 * 1024) / 1e6, 5 * 1024 / 1e6
    image = FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["_ops"] - hidden - 91 * of_class
    assert flops == pytest.approx(image * width / 800 + hidden + 81 * of_class, rel=0.01)


def make_detector(threshold: float) -> tuple[GeneralizedCNN, CfgNode]:
    cfg = config.get_base_cfg()
    values = {"MODEL.BACKBONE": "torchvision/resnet18", "MODEL.NECK": "fpn", "MODEL.FPN.CHANNELS": 16, "MODEL.NUM_CLASSES": 3}
    values |= {"MODEL.HAS_BOX": True, "MODEL.HAS_MASK": True, "MODEL.MASK.CHANNELS": [8], "MODEL.BOX.ROI.HIDDEN": 16}
    values |= {
        "TEST.SCORE_THRESHOLD": threshold,
        "TEST.DETECTIONS_PER_IMAGE": 7,
        "ANALYSER.SIZE": [64, 96],
        "MODEL.BOX.RPN.POST_NMS_TEST": 40,
    }
    for name, value in values.items():
        cfg.set(name, value)
    config.infer_cfg(cfg)
    torch.manual_seed(0)
    return GeneralizedCNN(cfg), cfg


def test_all_detections_count_whatever_the_weights_find() -> None:
    counts = []
    for threshold in (0.0, 0.99):
        model, _ = make_detector(threshold)
        analyser = Analyser(model, ({"image": torch.zeros(1, 3, 64, 96)},), forward=counted_forward)
        counts.append(analyser.get_flops_activs("flops").total)
        assert model.heads["box"].roi_heads.score_thresh == threshold, "only the analyser's copy is changed"
    assert counts[0] == counts[1]
    blind = Analyser(make_detector(0.99)[0], ({"image": torch.zeros(1, 3, 64, 96)},)).get_flops_activs("flops").total
    assert blind < counts[0], "no mask would be counted"


@pytest.mark.parametrize("parts", [{"HAS_BOX": True, "NECK": "fpn", "BOX.DETECTOR": "retinanet"}, {"HAS_SEMSEG": True}], ids=str)
def test_networks_that_look_through_windows_are_counted_on_the_whole_image(parts: dict[str, Any]) -> None:
    counts = []
    for window in (0, 64):
        cfg = config.get_base_cfg()
        values = {"BACKBONE": "torchvision/resnet18", "NUM_CLASSES": 3, "FPN.CHANNELS": 16, **parts}
        for name, value in values.items():
            cfg.set(f"MODEL.{name}", value)
        cfg.set("TEST.SLIDING.SIZE", window)
        config.infer_cfg(cfg)
        model = GeneralizedCNN(cfg)
        analyser = Analyser(model, ({"image": torch.zeros(1, 3, 96, 96)},), forward=counted_forward)
        counts.append(analyser.get_flops_activs("flops").total)
        assert model.window == window, "only the analyser's copy is changed"
    assert counts[0] == counts[1] > 300


def test_the_line_says_the_size_that_was_counted(caplog: pytest.LogCaptureFixture) -> None:
    model, cfg = make_detector(0.5)
    cfg.set("ANALYSER.ENABLED", True)
    with caplog.at_level(logging.INFO):
        analyse(model, cfg)
    assert "torchvision/resnet18, for an image of 64 x 96: Params: " in caplog.text


@pytest.mark.parametrize("size", [[800], [1, 2, 3]])
def test_a_size_of_other_than_two_numbers_is_refused(size: list[int]) -> None:
    cfg = make_cfg("resnet20", 16, enabled=True)
    cfg.set("ANALYSER.SIZE", size)
    with pytest.raises(ConfigError, match=r"ANALYSER.SIZE: .* given, \[height, width\] expected"):
        config.infer_cfg(cfg)
