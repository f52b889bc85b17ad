"""Registries, the small networks, and how weights begin."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pet.compat.antgo.framework.helper.models.builder import BACKBONES, HEADS, LOSSES, MODELS, NECKS
from pet.compat.antgo.framework.helper.runner import BaseModule
from pet.compat.antgo.network import build_network, split_predictions
from pet.compat.antgo.small_network import SimpleHead, SmallBackbone
from petlib.config.nested import Component
from petlib.errors import CheckpointError, ConfigError


class TwoLayers(BaseModule):
    def __init__(self, init_cfg: Any = None) -> None:
        super().__init__(init_cfg=init_cfg)
        self.convolution = nn.Conv2d(3, 4, 3)
        self.linear = nn.Linear(4, 2)


def test_parts_of_networks_are_found_by_every_registry() -> None:
    @NECKS.register_module()
    class OwnNeck(BaseModule):
        pass

    LOSSES.register_module("OtherName")(OwnNeck)
    for registry in (MODELS, BACKBONES, HEADS):
        assert isinstance(registry.build({"type": "OwnNeck"}), OwnNeck)
        assert isinstance(registry.build({"type": "OtherName"}), OwnNeck)


@pytest.mark.parametrize("size", [(64, 96), (37, 50)])
def test_the_backbone_of_the_sample_gives_features_at_an_eighth_and_all_of_it_learns(size: tuple[int, int]) -> None:
    network = MODELS.build({"type": "DDRKetNetF", "in_channels": 3})
    features = network(torch.rand(2, 3, *size))
    assert features.shape == (2, 32, -(-size[0] // 8), -(-size[1] // 8))
    features.square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_a_config_stays_as_it_was_built_from() -> None:
    config = {"type": "SimpleHead", "in_channels": 4, "channels": 4, "out_channels": 2}
    assert isinstance(HEADS.build(config), SimpleHead)
    assert config == {"type": "SimpleHead", "in_channels": 4, "channels": 4, "out_channels": 2}


def test_the_small_networks_have_the_shapes_of_the_sample_config() -> None:
    features = SmallBackbone(in_channels=3)(torch.zeros(2, 3, 30, 17))
    assert features.shape == (2, 32, 8, 5)
    head = SimpleHead(in_channels=32, channels=32, out_channels=21)
    assert head(features).shape == head.simple_test(features).shape == (2, 21, 8, 5)


@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 1, 4, 4)])
def test_the_loss_is_the_mean_over_the_pixels_that_count(shape: tuple[int, ...]) -> None:
    head = SimpleHead(in_channels=1, channels=1, out_channels=2, ignore_index=7)
    logits = torch.tensor([2.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 2, 2)
    labels = torch.full((4, 4), 7)
    labels[0, :3] = torch.tensor([0, 1, 1])
    right, wrong = torch.log1p(torch.exp(torch.tensor([-2.0, 2.0])))
    expected = float(right + 2 * wrong) / 3
    assert float(head.loss(logits, labels.view(shape))["loss_decode"]) == pytest.approx(expected, rel=1e-5)
    assert float(head.loss(logits, torch.full(shape, 7))["loss_decode"]) == 0.0


def test_weights_begin_as_the_config_says() -> None:
    entries = [
        {"type": "Constant", "layer": "Conv2d", "val": 0.5, "bias": 1},
        {"type": "Normal", "layer": ["Linear"], "std": 0.0, "mean": 2},
    ]
    network = TwoLayers(entries)
    network.init_weights()
    assert bool((network.convolution.weight == 0.5).all())
    assert bool((network.convolution.bias == 1).all())
    assert bool((network.linear.weight == 2).all())
    assert bool((network.linear.bias == 0).all())


@pytest.mark.parametrize(("name", "deviation"), [("Kaiming", (2 / 2) ** 0.5), ("Xavier", (2 / 6) ** 0.5)])
def test_weights_are_drawn_with_the_deviation_of_the_source(name: str, deviation: float) -> None:
    torch.manual_seed(0)
    drawn = []
    for _ in range(300):
        network = TwoLayers({"type": name, "layer": "Linear"})
        network.init_weights()
        drawn.append(network.linear.weight.detach().clone())
    assert float(torch.stack(drawn).std()) == pytest.approx(deviation, rel=0.05)


def test_weights_from_a_file(tmp_path: Path) -> None:
    source = TwoLayers()
    torch.save(source.state_dict(), tmp_path / "weights.pth")
    outer = nn.ModuleDict({"inner": TwoLayers({"type": "Pretrained", "checkpoint": str(tmp_path / "weights.pth")})})
    inner = outer["inner"]
    assert isinstance(inner, TwoLayers)
    inner.init_weights()
    assert torch.equal(inner.linear.weight, source.linear.weight)
    with pytest.raises(CheckpointError, match="there is no such file"):
        TwoLayers({"type": "Pretrained", "checkpoint": str(tmp_path / "none.pth")}).init_weights()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"type": "Kaimin", "layer": "Conv2d"}, "init_cfg of TwoLayers: type 'Kaimin' given, .*did you mean Kaiming"),
        ({"type": "Kaiming", "layer": "Conv3d"}, "layer: 'Conv3d' given, the class of layers in it"),
        ({"type": "Normal", "layer": "Linear", "sdt": 1.0}, "unknown argument 'sdt'; did you mean std"),
        ({"type": "Pretrained", "file": "x"}, "checkpoint=FILE"),
    ],
)
def test_what_is_wrong_in_an_init_cfg(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TwoLayers(entry).init_weights()


def test_what_is_no_network() -> None:
    MODELS.register_module("NoNetwork")(lambda: {"no": "network"})
    with pytest.raises(ConfigError, match="x.py:1: model: NoNetwork gives a dict, a network expected"):
        build_network(Component("NoNetwork", {}, "x.py:1: model"))
    with pytest.raises(ConfigError, match="model: missing"):
        build_network(None)


def test_predictions_are_split_into_those_of_the_samples() -> None:
    found = split_predictions({"label": torch.tensor([3, 4]), "box": [torch.zeros(0, 4), torch.ones(2, 4)]}, 2)
    assert [int(sample["label"]) for sample in found] == [3, 4]
    assert [len(sample["box"]) for sample in found] == [0, 2]
    with pytest.raises(ConfigError, match=r"forward_test returned 'label' as a tensor \(2,\); a tensor or a list with 3 items"):
        split_predictions({"label": torch.tensor([3, 4])}, 3)
    with pytest.raises(ConfigError, match="forward_test returned a tensor"):
        split_predictions(torch.zeros(2), 2)
