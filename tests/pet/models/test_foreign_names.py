"""Weights under the names of detectron2, Caffe2, mmdetection and mmsegmentation."""

import logging
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models as torchvision_models

from pet.models import load_pretrained
from pet.models.foreign_names import familiar_names
from pet.vision import GeneralizedCNN, config
from petlib.config import CfgNode
from petlib.errors import CheckpointError

SIMPLE = {"weight": "w", "bias": "b"}
NORM = {"weight": "s", "bias": "b", "running_mean": "rm", "running_var": "riv"}


def detectron2_name(name: str) -> str:
    """Return detectron2's name of a layer of torchvision's ResNet."""
    parts = name.split(".")
    norm = "norm." if parts[-2].startswith("bn") or parts[-3:-1] == ["downsample", "1"] else ""
    if parts[0] in ("conv1", "bn1"):
        return f"stem.conv1.{norm}{parts[-1]}"
    if parts[0] == "fc":
        return f"linear.{parts[-1]}"
    layer = "shortcut" if parts[2] == "downsample" else f"conv{parts[2][-1]}"
    return f"res{int(parts[0][-1]) + 1}.{parts[1]}.{layer}.{norm}{parts[-1]}"


def caffe2_name(name: str) -> str:
    """Return the name that the same layer has in files of Caffe2."""
    parts = detectron2_name(name).replace("norm.", "bn.").split(".")
    end = NORM[parts[-1]] if "bn" in parts else SIMPLE[parts[-1]]
    if parts[0] == "stem":
        return f"res_conv1_bn_{end}" if "bn" in parts else f"conv1_{end}"
    if parts[0] == "linear":
        return f"fc1000_{end}"
    branch = "branch1" if parts[2] == "shortcut" else f"branch2{'abc'[int(parts[2][-1]) - 1]}"
    return "_".join([parts[0], parts[1], branch, *(["bn"] if "bn" in parts else []), end])


def detector_cfg(weights: Path, backbone: str = "torchvision/resnet50") -> CfgNode:
    cfg = config.get_base_cfg()
    values = {"MODEL.HAS_CLS": False, "MODEL.HAS_BOX": True, "MODEL.NECK": "fpn", "MODEL.BACKBONE": backbone}
    for name, value in {**values, "MODEL.NUM_CLASSES": 3, "MODEL.BOX.ROI.HIDDEN": 8, "TRAIN.WEIGHTS": str(weights)}.items():
        cfg.set(name, value)
    config.infer_cfg(cfg)
    return cfg


@pytest.fixture(scope="module")
def resnet() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    state = torchvision_models.resnet50().state_dict()
    return {name: torch.rand_like(value) for name, value in state.items() if not name.endswith("num_batches_tracked")}


def save_arrays(path: Path, **content: Any) -> Path:
    path.write_bytes(pickle.dumps(content, protocol=2))
    return path


def assert_holds(model: nn.Module, resnet: dict[str, torch.Tensor], lacking: str = "fc") -> None:
    own = model.state_dict()
    for name, value in resnet.items():
        if not name.startswith(lacking):
            assert torch.equal(own[f"backbone.{name}"], value), name


@pytest.mark.parametrize("rename", [detectron2_name, lambda name: f"backbone.bottom_up.{detectron2_name(name)}"], ids=["R-50", "detector"])
def test_a_resnet_of_detectron2_is_loaded_from_a_pickle(
    rename: Callable[[str], str], resnet: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    names = {name: rename(name) for name in resnet}
    assert names["layer1.0.bn2.running_var"].endswith("res2.0.conv2.norm.running_var")
    arrays = {names[name]: value.numpy() for name, value in resnet.items()}
    neck = {
        "backbone.fpn_lateral2.weight": np.full((256, 256, 1, 1), 2, np.float32),
        "backbone.fpn_output5.bias": np.full(256, 5, np.float32),
    }
    path = save_arrays(tmp_path / "R-50.pkl", model=arrays | neck, __author__="torchvision", matching_heuristics=True)
    cfg = detector_cfg(path)
    model = GeneralizedCNN(cfg)
    load_pretrained(model, cfg)
    assert_holds(model, resnet)
    own = model.state_dict()
    assert own["neck.inner_blocks.0.0.weight"].unique().tolist() == [2]
    assert own["neck.layer_blocks.3.0.bias"].unique().tolist() == [5]


def test_blobs_of_caffe2_are_loaded(resnet: dict[str, torch.Tensor], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The statistics of their batch norms are in scale and bias."""
    arrays = {caffe2_name(name): value.numpy() for name, value in resnet.items() if "running" not in name}
    assert {"conv1_w", "res_conv1_bn_s", "res2_0_branch1_w", "res5_2_branch2c_bn_b", "fc1000_w"} <= set(arrays)
    cfg = detector_cfg(save_arrays(tmp_path / "R-50.pkl", blobs=arrays))
    model = GeneralizedCNN(cfg)
    with caplog.at_level(logging.INFO):
        load_pretrained(model, cfg)
    assert_holds(model, {name: value for name, value in resnet.items() if "running" not in name})
    assert "backbone.bn1.running_mean" in caplog.text
    assert "these weights of Caffe2 are of a ResNet that has the stride in its 1x1 convolutions" in caplog.text


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    path = save_arrays(tmp_path / "R-50.pkl", model={"stem.conv1.weight": print})
    cfg = detector_cfg(path, backbone="torchvision/resnet18")
    with pytest.raises(
        CheckpointError, match=r"R-50.pkl: not a pickle of names and arrays.*it wants (builtins|__builtin__).print, but only"
    ):
        load_pretrained(GeneralizedCNN(cfg), cfg)


def test_parts_of_mmdetection_are_loaded(tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = {
        f"backbone.{name}": torch.rand_like(value) for name, value in torchvision_models.resnet18().state_dict().items() if value.ndim
    }
    theirs |= {"neck.lateral_convs.1.conv.bias": torch.full((256,), 1.0), "neck.fpn_convs.2.conv.bias": torch.full((256,), 2.0)}
    theirs |= {"bbox_head.fc_cls.weight": torch.zeros(81, 1024)}
    torch.save({"meta": {"epoch": 12}, "state_dict": theirs}, tmp_path / "theirs.pth")
    cfg = detector_cfg(tmp_path / "theirs.pth", backbone="torchvision/resnet18")
    model = GeneralizedCNN(cfg)
    load_pretrained(model, cfg)
    own = model.state_dict()
    assert torch.equal(own["backbone.layer4.1.conv2.weight"], theirs["backbone.layer4.1.conv2.weight"])
    assert own["neck.inner_blocks.1.0.bias"].unique().tolist() == [1]
    assert own["neck.layer_blocks.2.0.bias"].unique().tolist() == [2]


def test_names_of_other_networks_stay() -> None:
    names = ["encoder.res2.conv1.weight", "decode_head.conv_seg.weight", "linear.weight", "blocks.0.norm.weight"]
    assert familiar_names(names, own=["linear.weight"]) == {name: name for name in names}
