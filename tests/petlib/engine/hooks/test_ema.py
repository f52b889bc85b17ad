from typing import Any

import torch
from torch import nn

from petlib.engine.hooks.ema import EmaHook
from petlib.engine.loop import train
from petlib.engine.weight_average import WeightAverage


def test_the_average_follows_its_formula(make_state: Any, loader: Any, step: Any) -> None:
    state = make_state(max_iter=30)
    average = WeightAverage(state.network, decay=0.5)
    expected = state.model.layer.weight.detach().clone()
    seen = []

    def watching_step(state: Any, data: Any, after_backward: Any) -> None:
        step(state, data, after_backward)
        seen.append(state.model.layer.weight.detach().clone())

    train(state, loader, watching_step, [EmaHook(average=average)])
    for count, weight in enumerate(seen, start=1):
        decay = min(0.5, (1 + count) / (10 + count))
        expected = decay * expected + (1 - decay) * weight
    torch.testing.assert_close(average.state_dict()["layer.weight"], expected)
    assert average.state_dict()["norm.num_batches_tracked"] == 30


def test_applying_swaps_the_weights_and_puts_them_back(make_state: Any) -> None:
    state = make_state(max_iter=1)
    average = WeightAverage(state.network, decay=0.9)
    before = state.model.layer.weight.detach().clone()
    state.model.layer.weight.data.fill_(7.0)
    with average.applied():
        assert torch.equal(state.model.layer.weight, before)
    assert torch.equal(state.model.layer.weight, torch.full((1, 1), 7.0))
    assert torch.equal(average.state_dict()["layer.weight"], before)


def test_the_average_travels_in_a_checkpoint(make_state: Any) -> None:
    first = WeightAverage(make_state(max_iter=1).network, decay=0.9)
    state = make_state(max_iter=1)
    state.model.layer.weight.data.fill_(9.0)
    second = WeightAverage(state.network, decay=0.9)
    second.load_state_dict(first.state_dict())
    assert torch.equal(second.state_dict()["layer.weight"], first.state_dict()["layer.weight"])


def test_modules_are_averaged_each_with_its_decay() -> None:
    network = nn.ModuleDict({"fast": nn.Linear(1, 1), "slow": nn.Linear(1, 1), "none": nn.Linear(1, 1)})
    average = WeightAverage(network, decay={"fast": 0.0, "slow": 0.5})
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for parameter in network.parameters():
        parameter.data.fill_(8.0)
    average.update(1000)
    found = average.state_dict()
    assert found.keys() == before.keys()
    assert found["fast.weight"] == 8.0
    torch.testing.assert_close(found["slow.weight"], 0.5 * before["slow.weight"] + 4.0)
    assert found["none.weight"] == 8.0
    with average.applied():
        torch.testing.assert_close(network["slow"].weight.data, 0.5 * before["slow.weight"] + 4.0)
    assert network["slow"].weight == 8.0
