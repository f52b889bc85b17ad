"""The neck of CenterNet: sizes, how it begins, other backbones, and its deformable convolutions in an exported file."""

from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
from torch.nn import functional

from pet.models.deformable import DeformableConv
from pet.models.dla_up import DlaUp
from pet.models.feature_extractor import build_feature_extractor
from pet.models.features import build_neck
from pet.vision.config import get_base_cfg
from petlib.config import CfgNode
from petlib.errors import ConfigError


def make_cfg(**values: Any) -> CfgNode:
    cfg = get_base_cfg()
    for name, value in {"MODEL__NECK": "dla_up", "MODEL__BACKBONE": "timm/dla34", **values}.items():
        cfg.set(name.replace("__", "."), value)
    return cfg


def joint(inputs: int, outputs: int, *, deformable: bool) -> int:
    """Return the parameters of a convolution of 3 x 3 with its batch norm."""
    extra = outputs + 27 * (9 * inputs + 1) if deformable else 0
    return 9 * inputs * outputs + 2 * outputs + extra


def expected_parameters(*, deformable: bool) -> int:
    """Return what the figure of the aggregation adds up to: (in, out, factor) of each step from the coarsest stages down."""
    steps = [(512, 256, 2), (256, 128, 2), (256, 128, 2), (128, 64, 2), (128, 64, 2), (128, 64, 2), (128, 64, 2), (256, 64, 4)]
    # the last two of the third level and the final map: in 128, 256 -> 64, up 2 and 4
    total = 0
    for inputs, outputs, factor in steps:
        total += joint(inputs, outputs, deformable=deformable) + joint(outputs, outputs, deformable=deformable)
        total += outputs * (2 * factor) ** 2
    return total


@pytest.mark.parametrize("deformable", [True, False])
def test_dla_34_has_the_published_size(deformable: bool) -> None:
    cfg = make_cfg(MODEL__DLA_UP__DEFORMABLE=deformable)
    extractor = build_feature_extractor(cfg)
    assert sum(parameter.numel() for parameter in extractor.parameters()) == 15_229_104
    neck = build_neck(cfg, extractor)
    assert isinstance(neck, DlaUp)
    assert (neck.channels, neck.strides, neck.num_top) == (64, (4,), 0)
    assert sum(parameter.numel() for parameter in neck.parameters()) == expected_parameters(deformable=deformable)


@pytest.mark.parametrize("backbone", ["torchvision/resnet18", "torchvision/resnet50", "timm/test_resnet"])
def test_other_backbones_give_one_map_of_stride_4(backbone: str) -> None:
    cfg = make_cfg(MODEL__BACKBONE=backbone, MODEL__DLA_UP__CHANNELS=16)
    extractor = build_feature_extractor(cfg).eval()
    neck = build_neck(cfg, extractor)
    assert neck is not None
    maps = neck.eval()(extractor(torch.rand(2, 3, 64, 96)))
    assert {name: tuple(one.shape) for name, one in maps.items()} == {"0": (2, 16, 16, 24)}


def test_a_backbone_without_such_stages_is_refused() -> None:
    cfg = make_cfg(MODEL__BACKBONE="timm/vgg11")
    cfg.set("MODEL.BACKBONE_ARGS", {"out_indices": [0, 1]})
    with pytest.raises(ConfigError, match="MODEL.NECK: dla_up joins stages of the strides 4, 8, 16, ..., but timm/vgg11 has 1, 2; take"):
        build_neck(cfg, build_feature_extractor(cfg))


@pytest.mark.parametrize("factor", [2, 4])
def test_maps_are_made_finer_as_by_bilinear_interpolation(factor: int) -> None:
    neck = DlaUp(stage_channels=[4, 8, 16, 32], places=[0, 1, 2, 3], channels=4, deformable=False)
    layer: Any = neck.get_submodule("dla_up.0.up.0" if factor == 2 else "ida_up.up.1")
    maps = torch.rand(1, layer.weight.shape[0], 5, 6)
    wanted = functional.interpolate(maps, scale_factor=factor, mode="bilinear")
    inner = slice(factor, -factor)
    torch.testing.assert_close(layer(maps)[..., inner, inner], wanted[..., inner, inner])


def test_a_deformable_convolution_begins_as_a_plain_one() -> None:
    layer = DeformableConv(4, 6)
    maps = torch.rand(2, 4, 7, 9)
    torch.testing.assert_close(layer(maps), functional.conv2d(maps, layer.weight / 2, layer.bias, padding=1))


def test_onnxruntime_finds_what_deformable_convolutions_find(tmp_path: Path) -> None:
    torch.manual_seed(0)
    layer = DeformableConv(4, 6).eval()
    for parameter in layer.conv_offset_mask.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    maps = torch.rand(1, 4, 12, 14)
    torch.onnx.export(layer, (maps,), tmp_path / "layer.onnx", dynamo=True, opset_version=20, verbose=False)
    (found,) = onnxruntime.InferenceSession(tmp_path / "layer.onnx").run(None, {"maps": maps.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(found), layer(maps), atol=1e-5, rtol=1e-5)
