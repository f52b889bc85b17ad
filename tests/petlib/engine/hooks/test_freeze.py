"""A part of the network that stays as it is for the first epochs."""

import re
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from torch import nn

from petlib.engine import FreezeHook, TrainState
from petlib.engine.hooks.freeze import frozen_modules


def make_network() -> nn.Module:
    """Return a body with batch norm and dropout, and a head behind it; the body has a part without parameters of its own."""
    body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    return nn.ModuleDict({"body": nn.ModuleDict({"layers": body, "fc": nn.Linear(4, 2)}), "loss": nn.Identity()})


def learn(network: nn.Module) -> None:
    network.zero_grad()
    parts = network["body"]
    parts["fc"](parts["layers"](torch.rand(8, 3))).sum().backward()


def make_state(network: nn.Module, epoch: int = 0) -> TrainState:
    """Return what the hook looks at."""
    return cast(TrainState, SimpleNamespace(network=network, optimizers={}, epoch=epoch, iterations_per_epoch=4, max_iter=12))


def make_hook(epochs: int) -> FreezeHook:
    return FreezeHook(head=re.compile(r"^body\.fc\."), epochs=epochs)


def test_the_rest_learns_after_the_given_epochs() -> None:
    network, hook = make_network().train(), make_hook(2)
    norm, first = network["body"]["layers"][1], network["body"]["layers"][0]
    seen = []
    for epoch in range(3):
        state = make_state(network, epoch)
        hook.before_epoch(state)
        hook.before_step(state)
        statistics = norm.running_mean.clone()
        learn(network)
        hook.after_backward(state)
        assert network["body"]["fc"].weight.grad is not None
        seen.append((first.weight.grad is not None, not torch.equal(norm.running_mean, statistics), network["body"]["layers"][2].training))
    assert seen == [(False, False, False), (False, False, False), (True, True, True)]


def test_for_the_whole_training() -> None:
    network, hook = make_network().train(), make_hook(-1)
    hook.before_epoch(make_state(network, epoch=1000))
    learn(network)
    hook.after_backward(make_state(network))
    assert [name for name, parameter in network.named_parameters() if parameter.grad is not None] == ["body.fc.weight", "body.fc.bias"]


def test_the_log_says_when_the_rest_is_frozen_and_released(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    network, hook = make_network().train(), make_hook(2)
    hook.before_train(make_state(network))
    for epoch in range(3):
        hook.before_epoch(make_state(network, epoch))
    assert caplog.messages == [
        "2 of 6 parameter tensors, the head, learn for the first 2 epochs; the rest is frozen",
        "epoch 3: all of the network learns",
    ]


def test_freezing_that_outlasts_the_run_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    make_hook(3).before_train(make_state(make_network()))
    make_hook(-1).before_train(make_state(make_network()))
    assert caplog.messages == ["only the head will ever learn: the run ends after 12 iterations, and the rest is frozen for 3 epochs of 4"]


def test_what_is_frozen_stays_so_after_an_evaluation() -> None:
    network, hook = make_network().train(), make_hook(1)
    hook.before_epoch(make_state(network))
    network.eval()
    network.train()
    hook.before_step(make_state(network))
    assert not network["body"]["layers"][1].training
    assert network["body"]["fc"].training
    assert network["loss"].training


@pytest.mark.parametrize(("head", "frozen"), [(r"fc", ["layers"]), (r"layers\.0", ["layers.1", "fc"]), (r"^body", [])])
def test_the_greatest_parts_without_a_parameter_of_the_head_are_frozen(head: str, frozen: list[str]) -> None:
    network = make_network()
    names = {id(module): name for name, module in network["body"].named_modules()}
    assert [names[id(module)] for module in frozen_modules(network, re.compile(head))] == frozen


@pytest.mark.parametrize("fused", [False, True])
def test_sgd_steps_all_once_they_are_released(fused: bool) -> None:
    """Its fused form refused to step some parameters with a momentum and others without; the first step is the same as ever."""
    network, hook = make_network(), make_hook(1)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5, momentum=0.9, fused=fused)
    first = network["body"]["layers"][0].weight
    for epoch in range(2):
        state = make_state(network, epoch)
        state.optimizers["main"] = optimizer
        before = first.detach().clone()
        hook.before_epoch(state)
        learn(network)
        hook.after_backward(state)
        optimizer.step()
    assert first.grad is not None
    torch.testing.assert_close(first.detach(), before - 0.5 * first.grad)
