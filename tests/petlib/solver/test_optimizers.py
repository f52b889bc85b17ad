import copy
import re

import pytest
import torch
from torch import nn

from petlib.config import PETLIB_SCHEMA, CfgNode
from petlib.errors import ConfigError
from petlib.solver import build_optimizer
from petlib.solver.optimizers import OPTIMIZERS, make_optimizer


def make_cfg(**optimizer):
    cfg = CfgNode(PETLIB_SCHEMA)
    for name, value in optimizer.items():
        cfg.set(f"SOLVER.OPTIMIZER.{name}", value)
    return cfg


def make_model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 3))


def train(model, optimizer, iterations=5):
    generator = torch.Generator().manual_seed(1)
    for _ in range(iterations):
        optimizer.zero_grad()
        model(torch.randn(4, 6, generator=generator)).square().sum().backward()
        optimizer.step()
    return [parameter.detach().clone() for parameter in model.parameters()]


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_every_optimizer_of_the_table_trains(name):
    model = make_model()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer = build_optimizer(model, make_cfg(NAME=name, BASE_LR=0.01))
    assert type(optimizer).__name__ == name
    assert all(not torch.equal(old, new) for old, new in zip(before, train(model, optimizer), strict=True))


def test_keys_become_the_arguments_that_the_optimizer_takes():
    sgd = build_optimizer(make_model(), make_cfg(MOMENTUM=0.8, NESTEROV=True, BASE_LR=0.3, ARGS={"maximize": True}))
    assert {key: sgd.param_groups[0][key] for key in ("lr", "momentum", "nesterov", "weight_decay", "maximize")} == {
        "lr": 0.3,
        "momentum": 0.8,
        "nesterov": True,
        "weight_decay": 1e-4,
        "maximize": True,
    }
    adamw = build_optimizer(make_model(), make_cfg(NAME="AdamW", BETAS=[0.8, 0.95], ARGS={"eps": 1e-6}))
    assert (adamw.param_groups[0]["betas"], adamw.param_groups[0]["eps"]) == ((0.8, 0.95), 1e-6)
    assert "momentum" not in adamw.param_groups[0]


def test_rules_and_layer_decay_of_the_config_are_used():
    cfg = make_cfg(BASE_LR=1.0, RULES=[{"pattern": r"^0\.", "freeze": True}, {"pattern": r"^3\.", "lr_mult": 0.1}], LAYER_DECAY=0.5)
    model = make_model()
    optimizer = build_optimizer(model, cfg)
    rates = [group["lr"] for group in optimizer.param_groups]
    assert not any(parameter is model[0].weight for group in optimizer.param_groups for parameter in group["params"])
    # all layers are numbered: there is none behind the last block, and none after the third layer is deeper
    assert sorted(set(rates)) == pytest.approx([0.1, 0.5])


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Adagrad"])
def test_fused_equals_unfused(name):
    results = []
    for fused in ("always", "never"):
        model = make_model()
        optimizer = build_optimizer(model, make_cfg(NAME=name, BASE_LR=0.01, FUSED=fused))
        assert bool(optimizer.param_groups[0]["fused"]) is (fused == "always")
        results.append(train(model, optimizer))
    for fused_weight, plain_weight in zip(*results, strict=True):
        torch.testing.assert_close(fused_weight, plain_weight, rtol=1e-5, atol=1e-6)


def test_auto_takes_the_fused_form_where_there_is_one():
    assert build_optimizer(make_model(), make_cfg()).param_groups[0]["fused"] is True
    assert "fused" not in build_optimizer(make_model(), make_cfg(NAME="RAdam")).param_groups[0]


def test_auto_falls_back_where_torch_refuses():
    optimizer = build_optimizer(make_model(), make_cfg(ARGS={"differentiable": True}))
    assert not optimizer.param_groups[0]["fused"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"NAME": "RAdam"}, "RAdam cannot be fused here: it has no such form"),
        ({"ARGS": {"differentiable": True}}, "does not support `differentiable`"),
    ],
)
def test_fused_always_is_an_error_where_it_cannot_be(options, reason):
    with pytest.raises(ConfigError, match=re.escape(reason)):
        build_optimizer(make_model(), make_cfg(FUSED="always", **options))


def test_trying_the_fused_form_leaves_the_parameters_alone():
    model = make_model()
    before = copy.deepcopy(model.state_dict())
    build_optimizer(model, make_cfg(NAME="AdamW"))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("name", ["SGD", "AdamW"])
def test_a_resumed_optimizer_goes_on_bit_for_bit(name):
    cfg = make_cfg(NAME=name, BASE_LR=0.01)
    model = make_model()
    optimizer = build_optimizer(model, cfg)
    train(model, optimizer, 3)
    state = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
    expected = train(model, optimizer, 3)

    resumed = make_model()
    resumed_optimizer = build_optimizer(resumed, cfg)
    resumed.load_state_dict(state[0])
    resumed_optimizer.load_state_dict(state[1])
    assert all(torch.equal(a, b) for a, b in zip(expected, train(resumed, resumed_optimizer, 3), strict=True))


def test_an_optimizer_without_weight_decay_gets_none():
    calls = {}

    def plain(params, lr=0.1):
        calls.update(params=params, lr=lr)
        return torch.optim.SGD([{"params": group["params"]} for group in params], lr=lr)

    OPTIMIZERS.register("PlainForTest")(plain)
    weight = nn.Parameter(torch.zeros(1))
    make_optimizer([{"params": [weight], "lr": 0.5, "weight_decay": 0.1}], name="PlainForTest", settings={"momentum": 0.9}, arguments={})
    assert calls["params"] == [{"params": [weight], "lr": 0.5}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"NAME": "AdamV"}, "unknown optimizer 'AdamV'; did you mean"),
        ({"NAME": "AdamW", "ARGS": {"epsilon": 1e-6}}, "ARGS.epsilon: AdamW has no such argument; did you mean eps?"),
        ({"ARGS": {"amsgrad": True}}, "ARGS.amsgrad: SGD has no such argument; there are dampening, maximize, foreach, differentiable"),
        ({"ARGS": {"lr": 1.0}}, "ARGS.lr: this argument has a place of its own; set SOLVER.OPTIMIZER.BASE_LR instead"),
        ({"ARGS": {"fused": True}}, "set SOLVER.OPTIMIZER.FUSED instead"),
        ({"NESTEROV": True, "MOMENTUM": 0.0}, "SGD refuses its arguments: Nesterov momentum requires a momentum"),
        ({"NAME": "Adam", "BETAS": [0.9]}, "BETAS: [0.9] given, two numbers expected"),
        ({"RULES": [{"pattern": "backbone"}]}, "SOLVER.OPTIMIZER.RULES[0]: pattern 'backbone' matches no parameter"),
    ],
)
def test_mistakes_are_config_errors(options, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        build_optimizer(make_model(), make_cfg(**options))
