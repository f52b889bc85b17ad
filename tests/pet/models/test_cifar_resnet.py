"""The CIFAR networks against the figures of their papers."""

import pytest
import torch

from pet.models.cifar_resnet import CifarResNet
from pet.models.classifiers import build_classifier

# in millions, tables 6 of arXiv:1512.03385 and 7 of arXiv:1611.05431; resnet9: the sum over the layers of its source, 6,573,120
PUBLISHED = {"resnet9": 6.573, "resnet20": 0.27, "resnet32": 0.46, "resnet44": 0.66, "resnet56": 0.85, "resnet110": 1.7}
PUBLISHED |= {"resnext29_8x64d": 34.4}


def parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(("name", "millions"), PUBLISHED.items())
def test_parameter_counts_are_the_published_ones(name: str, millions: float) -> None:
    decimals = len(str(millions).partition(".")[2])
    assert round(parameters(build_classifier(name, num_classes=10)) / 1e6, decimals) == millions


@pytest.mark.parametrize("depth", [20, 32, 44, 56, 110])
def test_depth_counts_the_layers_with_weights(depth: int) -> None:
    layers = [module for module in CifarResNet(depth=depth).modules() if isinstance(module, torch.nn.Conv2d | torch.nn.Linear)]
    assert len(layers) == depth


def test_shortcut_b_adds_two_projections() -> None:
    padded, projected = CifarResNet(depth=20, shortcut="A"), CifarResNet(depth=20, shortcut="B")
    # 16 x 32 and 32 x 64 weights, and weight and bias of the two batch norms
    assert parameters(projected) - parameters(padded) == 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64


@pytest.mark.parametrize("shortcut", ["A", "B"])
@pytest.mark.parametrize("size", [4, 15, 32])
def test_shapes(shortcut: str, size: int) -> None:
    model = build_classifier("resnet20", num_classes=7, args={"shortcut": shortcut, "in_channels": 1})
    assert model(torch.rand(2, 1, size, size)).shape == (2, 7)


def test_padded_shortcut_passes_the_input_on() -> None:
    block = CifarResNet(depth=8).layer2[0]
    features = torch.rand(1, 16, 6, 6)
    out = block.shortcut(features)
    assert torch.equal(out[:, :16], features[:, :, ::2, ::2])
    assert out.shape == (1, 32, 3, 3)
    assert not out[:, 16:].any()


@pytest.mark.parametrize("name", ["resnet9", "resnet20", "resnext29_8x64d"])
def test_every_parameter_gets_a_gradient(name: str) -> None:
    model = build_classifier(name, num_classes=3)
    model(torch.rand(2, 3, 8, 8)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


def test_initial_weights_follow_from_the_seed() -> None:
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(build_classifier("resnet20", num_classes=10).state_dict())
    first, second, other = states
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])


@pytest.mark.parametrize("depth", [2, 18, 21])
def test_a_depth_that_is_not_6n_plus_2_is_refused(depth: int) -> None:
    with pytest.raises(ValueError, match="6n"):
        CifarResNet(depth=depth)
