"""torchvision's detectors and timm's classifiers as the weights of our models, key for key."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import nn
from torchvision.models import detection

from pet.models import load_pretrained, load_test_weights
from pet.vision import GeneralizedCNN, config
from petlib.config import CfgNode
from petlib.errors import CheckpointError

SMALL = {"min_size": 96, "max_size": 128, "weights": None, "weights_backbone": None}


def make_cfg(folder: Path, **values: Any) -> CfgNode:
    cfg = config.get_base_cfg()
    settings = {
        "MISC.CKPT": str(folder),
        "MODEL.BACKBONE": "torchvision/resnet50",
        "MODEL.FROZEN_BN": True,
        "MODEL.NECK": "fpn",
        "MODEL.HAS_BOX": True,
        "MODEL.NUM_CLASSES": 4,
        "TEST.SCORE_THRESHOLD": 0.05,
    }
    for name, value in {**settings, **values}.items():
        cfg.set(name, value)
    config.infer_cfg(cfg)
    return cfg


def save(model: nn.Module, path: Path) -> str:
    torch.save(model.state_dict(), path)
    return str(path)


def images() -> torch.Tensor:
    return torch.rand(2, 3, 96, 128, generator=torch.Generator().manual_seed(0))


def their_detections(model: nn.Module, normalised: torch.Tensor) -> list[dict[str, torch.Tensor]]:
    """Return what a detector of torchvision finds in images that are normalised already."""
    transform: Any = model.transform
    transform.image_mean, transform.image_std = [0.0] * 3, [1.0] * 3
    with torch.no_grad():
        found: list[dict[str, torch.Tensor]] = model.eval()(list(normalised))
    return found


@torch.no_grad()
def test_a_mask_rcnn_of_torchvision_finds_the_same_here(tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = detection.maskrcnn_resnet50_fpn(num_classes=5, box_score_thresh=0.05, **SMALL)
    cfg = make_cfg(tmp_path, **{"MODEL.HAS_MASK": True, "TEST.WEIGHTS": save(theirs, tmp_path / "theirs.pth")})
    ours = GeneralizedCNN(cfg)
    load_test_weights(ours, cfg)
    found = ours.eval()({"image": images()})
    for our_image, their_image in zip(found, their_detections(theirs, images()), strict=True):
        assert len(our_image["boxes"]) > 5
        torch.testing.assert_close(our_image["boxes"], their_image["boxes"], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(our_image["scores"], their_image["scores"], atol=1e-4, rtol=1e-4)
        assert torch.equal(our_image["labels"] + 1, their_image["labels"])
        pasted = their_image["masks"][:, 0]
        assert our_image["masks"].shape[1:] == (28, 28)
        assert pasted.shape[1:] == (96, 128)


def test_the_coco_classes_of_a_detector_are_picked(tmp_path: Path) -> None:
    theirs = detection.fasterrcnn_resnet50_fpn(num_classes=91, **SMALL)
    cfg = make_cfg(tmp_path, **{"MODEL.NUM_CLASSES": 80, "TEST.WEIGHTS": save(theirs, tmp_path / "theirs.pth")})
    ours = GeneralizedCNN(cfg)
    load_test_weights(ours, cfg)
    score: Any = theirs.roi_heads.box_predictor.cls_score.weight
    mine = ours.state_dict()["heads.box.roi_heads.box_predictor.cls_score.weight"]
    # background, person, ..., and toothbrush, which is number 90 of 90 and the last of 80
    assert torch.equal(mine[[0, 1, 80]], score[[0, 1, 90]])


def test_a_classifier_of_timm_is_the_backbone_of_a_segmenter(tmp_path: Path) -> None:
    theirs = timm.create_model("convnext_atto")
    values = {"MODEL.BACKBONE": "timm/convnext_atto", "MODEL.FROZEN_BN": False, "MODEL.NECK": "", "MODEL.HAS_BOX": False}
    cfg = make_cfg(tmp_path, **values, **{"MODEL.HAS_SEMSEG": True, "TRAIN.WEIGHTS": save(theirs, tmp_path / "timm.pth")})
    ours = GeneralizedCNN(cfg)
    load_pretrained(ours, cfg)
    mine = {name.removeprefix("backbone.body."): value for name, value in ours.state_dict().items()}
    assert torch.equal(mine["stages_3.blocks.1.mlp.fc1.weight"], theirs.state_dict()["stages.3.blocks.1.mlp.fc1.weight"])


def test_a_detector_that_torchvision_lacks_is_reported(tmp_path: Path) -> None:
    cfg = make_cfg(tmp_path, **{"TRAIN.WEIGHTS": "torchvision/fasterrcnn_resnet50_fnp"})
    with pytest.raises(CheckpointError, match="torchvision has no such detector; did you mean fasterrcnn_resnet50_fpn"):
        load_pretrained(GeneralizedCNN(cfg), cfg)


@torch.no_grad()
def test_weights_that_were_trained_without_an_epsilon_are_used_so(tmp_path: Path) -> None:
    outputs = []
    for epsilon in (0.0, 1e-5, 0.1):
        torch.manual_seed(0)
        ours = GeneralizedCNN(make_cfg(tmp_path, **{"MODEL.FROZEN_BN_EPS": epsilon}))
        outputs.append(ours.eval().backbone(images())[-1])
    torch.testing.assert_close(outputs[0], outputs[1], atol=0.01, rtol=0.01)
    assert (outputs[0] - outputs[2]).abs().max() > 0.1
