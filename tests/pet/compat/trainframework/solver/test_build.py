from typing import Any

import pytest
import torch
from torch import nn

from pet.compat.trainframework.solver.build import build_solvers
from petlib.config.nested import Component
from petlib.errors import ConfigError


def build(name: str = "SGD", clip: Component | None = None, **arguments: Any) -> Any:
    components = {"solver.generator.optimizer": Component(name, arguments, "x.py:3: params")}
    if clip is not None:
        components["solver.generator.clip_gradients"] = clip
    networks = {"generator": nn.Linear(2, 1), "judge": nn.Linear(2, 1)}
    return build_solvers(networks, components, max_iter=10)


def test_only_networks_with_a_block_have_a_solver() -> None:
    assert list(build(lr=0.5)) == ["generator"]


def test_the_arguments_are_the_optimizers_own() -> None:
    solver = build("AdamW", lr=0.5, weight_decay="1e-3", betas=[0.5, 0.9], eps="1e-6")["generator"]
    assert isinstance(solver.optimizer, torch.optim.AdamW)
    group = solver.optimizer.param_groups[0]
    assert (group["lr"], group["weight_decay"], list(group["betas"]), group["eps"]) == (0.5, 1e-3, [0.5, 0.9], 1e-6)
    assert solver.clipper is None


def test_clipping_limits_the_norm() -> None:
    clipper = build(lr=1.0, clip=Component("norm", {"clip_value": 0.5}, "x.py:5: clip"))["generator"].clipper
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([3.0, 4.0])
    clipper([parameter])
    assert parameter.grad.tolist() == pytest.approx([0.3, 0.4], rel=1e-5)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("SDG", {}, "unknown optimizer 'SDG'; did you mean SGD"),
        ("SGD", {"momentun": 0.9}, r"SGD has no argument 'momentun'; did you mean momentum\?"),
        ("SGD", {"lr": -1.0}, "Invalid learning rate: -1"),
        ("Adam", {"lr": "fast"}, "not supported between"),
    ],
)
def test_a_wrong_optimizer_is_reported_with_its_place(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"x\.py:3: params.*{message}"):
        build(name, **arguments)


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        (Component("full", {}, "x.py:5: clip"), "x.py:5: clip: clip_type: 'full' given, norm or value expected"),
        (Component("norm", {"clip_value": 0}, "x.py:5: clip"), "clip_value: 0 given, a number greater than 0 expected"),
        (Component("norm", {"value": 1}, "x.py:5: clip"), "unknown argument 'value'; did you mean clip_value"),
    ],
)
def test_wrong_clipping_is_reported_with_its_place(clip: Component, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(lr=1.0, clip=clip)


def test_a_network_without_parameters_cannot_be_trained() -> None:
    with pytest.raises(ConfigError, match="the network ReLU has no parameters to train"):
        build_solvers({"g": nn.ReLU()}, {"solver.g.optimizer": Component("SGD", {}, "x")}, max_iter=1)
