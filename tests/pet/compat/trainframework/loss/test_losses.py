"""Losses against hand-made values."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pet.compat.trainframework.loss.build import BUILD_LOSS_REGISTRY
from petlib.errors import ConfigError, DataError


def loss(name: str, **arguments: Any) -> nn.Module:
    built: nn.Module = BUILD_LOSS_REGISTRY.get(name)(**arguments)
    return built


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("L1Loss", {}, 2.0),
        ("MSELoss", {}, 5.0),
        ("SmoothL1Loss", {}, (0.5 + 2.5) / 2),
        ("SmoothL1Loss", {"beta": 2.0}, (0.25 + 2.0) / 2),
        ("CharbonnierLoss", {"epsilon": 4.0}, (math.sqrt(17.0) + 5.0) / 2),
    ],
)
def test_distances(name: str, arguments: dict[str, Any], expected: float) -> None:
    prediction, target = torch.tensor([[1.0, 5.0]]), torch.tensor([[2.0, 2.0]])
    assert loss(name, **arguments)(prediction, target).item() == pytest.approx(expected)


def test_charbonnier_has_a_slope_everywhere() -> None:
    prediction = torch.zeros(2, requires_grad=True)
    loss("CharbonnierLoss")(prediction, torch.zeros(2)).backward()
    assert prediction.grad is not None
    assert prediction.grad.tolist() == [0.0, 0.0]
    assert loss("CharbonnierLoss")(torch.zeros(2).half(), torch.zeros(2).half()).item() == pytest.approx(1e-3)


@pytest.mark.parametrize("name", ["L1Loss", "MSELoss", "SmoothL1Loss", "CharbonnierLoss", "BCEWithLogitsLoss", "SSIMLoss"])
def test_shapes_are_never_stretched(name: str) -> None:
    with pytest.raises(DataError, match=rf"{name}: a prediction \(2, 1, 16, 16\) and a target \(2, 16, 16\) given; one shape"):
        loss(name)(torch.zeros(2, 1, 16, 16), torch.zeros(2, 16, 16))


def test_cross_entropy_of_labels_and_of_shares() -> None:
    logits = torch.tensor([[0.0, 0.0], [0.0, math.log(3.0)]])
    expected = (math.log(2.0) + math.log(4.0 / 3.0)) / 2
    for dtype in (torch.int64, torch.uint8):
        assert loss("CrossEntropyLoss")(logits, torch.tensor([0, 1], dtype=dtype)).item() == pytest.approx(expected)
    assert loss("CrossEntropyLoss")(logits, torch.eye(2)).item() == pytest.approx(expected)
    weighted = (3.0 * math.log(2.0) + math.log(4.0 / 3.0)) / 4.0
    assert loss("CrossEntropyLoss", weight=[3.0, 1.0])(logits, torch.tensor([0, 1])).item() == pytest.approx(weighted)
    assert loss("CrossEntropyLoss", ignore_index=1)(logits, torch.tensor([0, 1])).item() == pytest.approx(math.log(2.0))
    smooth = loss("CrossEntropyLoss", label_smoothing=1.0)(logits[1:], torch.tensor([1])).item()
    assert smooth == pytest.approx((math.log(4.0) + math.log(4.0 / 3.0)) / 2)


def test_labels_with_a_dimension_too_many_are_reported() -> None:
    with pytest.raises(DataError, match=r"logits \(2, 3, 4, 4\) and labels \(2, 1, 4, 4\) given; .* \(2, 4, 4\).* target\[:, 0\]"):
        loss("CrossEntropyLoss")(torch.zeros(2, 3, 4, 4), torch.zeros(2, 1, 4, 4, dtype=torch.int64))
    with pytest.raises(DataError, match=r"shares \(2, 4, 4\)"):
        loss("CrossEntropyLoss")(torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 4))


def test_binary_cross_entropy_weighs_what_is_true() -> None:
    logits, target = torch.zeros(1, 2, 1, 1), torch.tensor([[[[1]], [[0]]]])
    assert loss("BCEWithLogitsLoss")(logits, target).item() == pytest.approx(math.log(2.0))
    assert loss("BCEWithLogitsLoss", pos_weight=3.0)(logits, target).item() == pytest.approx(2.0 * math.log(2.0))
    assert loss("BCEWithLogitsLoss", pos_weight=[5.0, 1.0])(logits, target).item() == pytest.approx(3.0 * math.log(2.0))
    with pytest.raises(DataError, match="pos_weight has 3 numbers"):
        loss("BCEWithLogitsLoss", pos_weight=[1.0, 1.0, 1.0])(logits, target)


def similarity_by_windows(first: np.ndarray, second: np.ndarray, *, edge: int, sigma: float) -> float:
    """Return the mean similarity of two images (H, W) from 0 to 1, one window at a time, as the paper defines it."""
    line = np.exp(-((np.arange(edge) - edge // 2) ** 2) / (2 * sigma**2))
    weights = np.outer(line, line) / line.sum() ** 2
    found = []
    for top, left in np.ndindex(first.shape[0] - edge + 1, first.shape[1] - edge + 1):
        x, y = (image[top : top + edge, left : left + edge] for image in (first, second))
        mean_x, mean_y = (weights * x).sum(), (weights * y).sum()
        var_x, var_y = (weights * (x - mean_x) ** 2).sum(), (weights * (y - mean_y) ** 2).sum()
        covariance = (weights * (x - mean_x) * (y - mean_y)).sum()
        luminance = (2 * mean_x * mean_y + 0.01**2) / (mean_x**2 + mean_y**2 + 0.01**2)
        found.append(luminance * (2 * covariance + 0.03**2) / (var_x + var_y + 0.03**2))
    return float(np.mean(found))


@pytest.mark.parametrize(("edge", "sigma"), [(11, 1.5), (7, 1.0)])
def test_ssim_is_the_mean_of_all_windows_inside(edge: int, sigma: float) -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.rand(2, 2, 14, 16, generator=generator), torch.rand(2, 2, 14, 16, generator=generator)
    second = 0.5 * first + 0.5 * second
    pairs = zip(first.flatten(0, 1).double().numpy(), second.flatten(0, 1).double().numpy(), strict=True)
    expected = 1.0 - np.mean([similarity_by_windows(one, other, edge=edge, sigma=sigma) for one, other in pairs])
    assert loss("SSIMLoss", window_size=edge, sigma=sigma)(first, second).item() == pytest.approx(expected, abs=1e-5)
    assert loss("SSIMLoss", data_range=255.0)(255.0 * first, 255.0 * second).item() == pytest.approx(
        loss("SSIMLoss")(first, second).item(), abs=1e-5
    )


def test_ssim_of_flat_images_follows_from_their_means() -> None:
    first, second = torch.full((1, 1, 11, 11), 0.2), torch.full((1, 1, 11, 11), 0.6)
    expected = 1.0 - (2 * 0.2 * 0.6 + 1e-4) / (0.04 + 0.36 + 1e-4)
    assert loss("SSIMLoss")(first, second).item() == pytest.approx(expected, abs=1e-4)
    assert loss("SSIMLoss")(first, first).item() == pytest.approx(0.0, abs=1e-6)


def test_ssim_needs_images_as_large_as_its_window() -> None:
    with pytest.raises(DataError, match=r"SSIMLoss: \(1, 1, 8, 8\) given, images .* at least 11"):
        loss("SSIMLoss")(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8))


@pytest.mark.parametrize(
    ("mode", "discriminator", "generator"),
    [
        ("vanilla", math.log(1 + math.exp(-2.0)) + math.log(1 + math.exp(-0.5)), math.log(1 + math.exp(0.5))),
        ("least_squares", 1.0 + 0.25, 2.25),
        ("hinge", 0.0 + 0.5, 0.5),
    ],
)
def test_gan_losses(mode: str, discriminator: float, generator: float) -> None:
    real, fake = torch.full((2, 1, 3, 3), 2.0), torch.full((2, 1, 3, 3), -0.5)
    assert loss("GANDiscriminatorLoss", mode=mode)(real, fake).item() == pytest.approx(discriminator, rel=1e-5)
    assert loss("GANGeneratorLoss", mode=mode)(fake).item() == pytest.approx(generator, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("GANGeneratorLoss", {"mode": "hing"}, "GANGeneratorLoss: mode: 'hing' given, .* did you mean hinge"),
        ("SSIMLoss", {"window_size": 10}, "SSIMLoss: window_size: 10 given, an odd number"),
        ("SSIMLoss", {"sigma": 0.0}, "SSIMLoss: sigma 0.0"),
        ("CharbonnierLoss", {"epsilon": 0.0}, "CharbonnierLoss: epsilon: 0.0 given"),
        ("SmoothL1Loss", {"beta": -1.0}, "SmoothL1Loss: beta: -1.0 given"),
        ("CrossEntropyLoss", {"label_smoothing": 2.0}, "label_smoothing: 2.0 given"),
    ],
)
def test_wrong_arguments_are_reported(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        loss(name, **arguments)
