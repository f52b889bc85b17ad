"""Backbones that give feature maps."""

from typing import Any

import pytest
import timm
import torch
from torch import nn
from torchvision import models
from torchvision.models._utils import IntermediateLayerGetter

from pet.models.feature_extractor import build_feature_extractor, timm_key
from pet.vision.config import get_base_cfg
from petlib.config import CfgNode
from petlib.errors import ConfigError

SMALL_SWIN = {"img_size": 64, "window_size": 2, "embed_dim": 24, "depths": [1, 1, 1, 1], "num_heads": [1, 2, 4, 8]}


def make_cfg(backbone: str, **values: Any) -> CfgNode:
    cfg = get_base_cfg()
    for name, value in {"BACKBONE": backbone, **values}.items():
        cfg.set(f"MODEL.{name}", value)
    return cfg


@pytest.mark.parametrize(
    ("backbone", "args"),
    [
        ("torchvision/resnet18", {}),
        ("torchvision/resnet50", {"replace_stride_with_dilation": [False, True, True]}),
        ("timm/resnet10t", {}),
        ("resnet10t", {"output_stride": 8}),
        ("timm/convnext_atto", {}),
        ("timm/mobilenetv3_small_050", {}),
        ("timm/swin_tiny_patch4_window7_224", SMALL_SWIN),
    ],
)
def test_channels_and_strides_are_those_of_the_maps(backbone: str, args: dict[str, Any]) -> None:
    extractor = build_feature_extractor(make_cfg(backbone, BACKBONE_ARGS=args)).eval()
    with torch.no_grad():
        maps = extractor(torch.rand(2, 3, 64, 64))
    assert tuple(one.shape[1] for one in maps) == extractor.channels
    assert tuple(64 // one.shape[2] for one in maps) == extractor.strides


def test_torchvision_weights_fit_key_for_key_and_give_the_same_maps() -> None:
    reference = models.resnet18(weights=None).eval()
    extractor = build_feature_extractor(make_cfg("torchvision/resnet18")).eval()
    state = {name: value for name, value in reference.state_dict().items() if not name.startswith("fc.")}
    extractor.load_state_dict(state, strict=True)
    expected = IntermediateLayerGetter(reference, {"relu": "0", "layer1": "1", "layer2": "2", "layer3": "3", "layer4": "4"})
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        for ours, theirs in zip(extractor(images), expected(images).values(), strict=True):
            assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", ["resnet10t", "convnext_atto", "mobilenetv3_small_050", "densenet121"])
def test_every_weight_of_a_timm_classifier_but_its_head_has_a_place(name: str) -> None:
    classifier = timm.create_model(name).state_dict()
    extractor = build_feature_extractor(make_cfg(f"timm/{name}"))
    own = extractor.state_dict()
    found = {timm_key(key, own): value for key, value in classifier.items()}
    assert own.keys() <= found.keys()
    assert all(found[key].shape == value.shape for key, value in own.items())


@pytest.mark.parametrize("backbone", ["torchvision/resnet18", "timm/resnet10t"])
def test_frozen_parts_neither_learn_nor_count(backbone: str) -> None:
    extractor = build_feature_extractor(make_cfg(backbone, FREEZE_AT=2)).train()
    learning = {name.removeprefix("body.").split(".")[0] for name, value in extractor.named_parameters() if value.requires_grad}
    assert learning == {"layer2", "layer3", "layer4"}
    before = {name: value.clone() for name, value in extractor.state_dict().items()}
    extractor(torch.rand(2, 3, 64, 64))
    changed = {name.removeprefix("body.").split(".")[0] for name, value in extractor.state_dict().items() if not value.equal(before[name])}
    assert changed == {"layer2", "layer3", "layer4"}


def test_everything_learns_by_default_and_five_parts_are_all() -> None:
    assert all(value.requires_grad for value in build_feature_extractor(make_cfg("torchvision/resnet18")).parameters())
    frozen = build_feature_extractor(make_cfg("torchvision/resnet18", FREEZE_AT=5))
    assert not any(value.requires_grad for value in frozen.parameters())
    stem = build_feature_extractor(make_cfg("torchvision/resnet18", FREEZE_AT=1))
    assert [name for name, value in stem.named_parameters() if not value.requires_grad] == ["conv1.weight"]


@pytest.mark.parametrize("backbone", ["torchvision/resnet18", "timm/resnet10t", "timm/mobilenetv3_small_050"])
def test_frozen_batch_norm_keeps_statistics_and_names(backbone: str) -> None:
    free = build_feature_extractor(make_cfg(backbone)).train()
    free(torch.rand(2, 3, 64, 64))  # statistics that are not 0 and 1
    frozen = build_feature_extractor(make_cfg(backbone, FROZEN_BN=True)).train()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in frozen.modules())
    frozen.load_state_dict({name: value for name, value in free.state_dict().items() if not name.endswith("num_batches_tracked")})
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        for ours, theirs in zip(frozen(images), free.eval()(images), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("backbone", "values", "text"),
    [
        ("resnet20", {}, "resnet20 gives no feature maps; expected timm/NAME or torchvision/NAME with a ResNet"),
        ("torchvision/vgg11", {}, "torchvision/vgg11 gives no feature maps"),
        ("timm/vit_tiny_patch16_224", {}, "have a stride of 16"),
        ("timm/resnet10t", {"BACKBONE_ARGS": {"drop_wrong": 1}}, "MODEL.BACKBONE_ARGS: .*drop_wrong"),
        ("torchvision/resnet18", {"BACKBONE_ARGS": {"weights": "DEFAULT"}}, "MODEL.BACKBONE_ARGS: weights: Pet sets it to None"),
        ("timm/convnext_atto", {"FREEZE_AT": 1}, r"MODEL.FREEZE_AT: 1 given; for timm/convnext_atto 0 or from 2 \(its first map\) to 5"),
        ("torchvision/resnet18", {"FREEZE_AT": 6}, "MODEL.FREEZE_AT: 6 given"),
        ("timm/resnt18", {}, "did you mean"),
    ],
)
def test_mistakes(backbone: str, values: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        build_feature_extractor(make_cfg(backbone, **values))
