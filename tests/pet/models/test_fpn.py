"""The feature pyramid compared with torchvision's."""

from typing import Any

import pytest
import torch
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from pet.models.feature_extractor import build_feature_extractor
from pet.models.features import build_neck
from pet.vision.config import get_base_cfg
from petlib.config import CfgNode
from petlib.errors import ConfigError


def make_cfg(values: dict[str, Any]) -> CfgNode:
    cfg = get_base_cfg()
    for name, value in {"MODEL.BACKBONE": "torchvision/resnet18", "MODEL.NECK": "fpn", **values}.items():
        cfg.set(name, value)
    return cfg


@pytest.mark.parametrize(
    ("values", "layers", "extra", "names", "strides"),
    [
        ({}, [1, 2, 3, 4], None, ["0", "1", "2", "3", "pool"], (4, 8, 16, 32, 64)),
        (
            {"MODEL.HAS_BOX": True, "MODEL.BOX.DETECTOR": "fcos"},
            [2, 3, 4],
            LastLevelP6P7(256, 256),
            ["0", "1", "2", "p6", "p7"],
            (8, 16, 32, 64, 128),
        ),
    ],
)
def test_torchvision_weights_fit_and_give_the_same_maps(
    values: dict[str, Any], layers: list[int], extra: Any, names: list[str], strides: tuple[int, ...]
) -> None:
    cfg = make_cfg(values)
    reference = resnet_fpn_backbone(
        backbone_name="resnet18", weights=None, norm_layer=torch.nn.BatchNorm2d, returned_layers=layers, extra_blocks=extra
    ).eval()
    extractor = build_feature_extractor(cfg).eval()
    neck = build_neck(cfg, extractor)
    assert neck is not None
    extractor.load_state_dict(reference.body.state_dict(), strict=False)
    extractor.layer4.load_state_dict(reference.body.layer4.state_dict())
    neck.load_state_dict(reference.fpn.state_dict(), strict=True)
    images = torch.rand(1, 3, 128, 128)
    with torch.no_grad():
        ours, theirs = neck(extractor(images)), reference(images)
    assert list(ours) == list(theirs) == names
    assert (neck.strides, neck.channels) == (strides, 256)
    assert tuple(128 // one.shape[-1] for one in ours.values()) == strides
    for name, one in ours.items():
        assert torch.equal(one, theirs[name])


def test_levels_channels_and_top_are_chosen() -> None:
    cfg = make_cfg({"MODEL.FPN.LEVELS": [3, 4], "MODEL.FPN.CHANNELS": 32, "MODEL.FPN.TOP": "none"})
    extractor = build_feature_extractor(cfg)
    neck = build_neck(cfg, extractor)
    assert neck is not None
    maps = neck(extractor(torch.rand(2, 3, 64, 64)))
    assert {name: tuple(one.shape) for name, one in maps.items()} == {"0": (2, 32, 8, 8), "1": (2, 32, 4, 4)}
    assert neck.strides == (8, 16)


def test_no_neck() -> None:
    cfg = make_cfg({"MODEL.NECK": ""})
    assert build_neck(cfg, build_feature_extractor(cfg)) is None


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"MODEL.FPN.LEVELS": [4, 5, 6]}, "MODEL.FPN.LEVELS: 6 given, but torchvision/resnet18 has the levels 1, 2, 3, 4, 5"),
        ({"MODEL.FPN.LEVELS": [5, 4]}, r"MODEL.FPN.LEVELS: \[5, 4\] given; expected consecutive levels"),
    ],
)
def test_mistakes(values: dict[str, Any], text: str) -> None:
    cfg = make_cfg(values)
    with pytest.raises(ConfigError, match=text):
        build_neck(cfg, build_feature_extractor(cfg))
