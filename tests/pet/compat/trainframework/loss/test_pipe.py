"""Named groups of losses."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pet.compat.trainframework.loss.build import BUILD_LOSS_REGISTRY
from pet.compat.trainframework.loss.pipe import LossKeyCompose
from petlib.errors import ConfigError

DOCUMENTED = {
    "loss1": [{"name": "CrossEntropyLoss", "param": {"lambda_weight": 10.0}}],
    "loss2": [{"name": "CrossEntropyLoss", "param": {"lambda_weight": 1.0}, "input_name": ["input_tensor", "target_tensor"]}],
}
FAKE, TARGET = torch.tensor([1.0, 5.0]), torch.tensor([2.0, 2.0])  # L1: 2, MSE: 5


@BUILD_LOSS_REGISTRY.register()
class WeighsItself(nn.Module):
    def __init__(self, lambda_weight: float = 1.0) -> None:
        super().__init__()
        self.lambda_weight = lambda_weight

    def forward(self, fake: Tensor, target: Tensor) -> Tensor:
        return self.lambda_weight * (fake - target).sum()


@BUILD_LOSS_REGISTRY.register()
class PlainClass:
    def __call__(self, value: Tensor, factor: float = 1.0) -> Any:
        return value.sum() * factor


@BUILD_LOSS_REGISTRY.register()
class GivesItsInput(nn.Module):
    def forward(self, value: Any) -> Any:
        return value


@BUILD_LOSS_REGISTRY.register()
class RemembersDevice(nn.Module):
    held: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("held", torch.empty(1))

    def forward(self, factor: float, value: Tensor) -> Tensor:
        self.seen = self.held.device
        return torch.zeros(())


@BUILD_LOSS_REGISTRY.register()
class RaisesTypeError(nn.Module):
    def forward(self, value: Tensor) -> Any:
        raise TypeError("of its own")


def of(*entries: dict[str, Any], **groups: Any) -> LossKeyCompose:
    return LossKeyCompose({**({"loss1": list(entries)} if entries else {}), **groups})


def values(losses: dict[str, Tensor]) -> dict[str, float]:
    return {name: loss.item() for name, loss in losses.items()}


def test_the_losses_of_the_document_take_its_tuple() -> None:
    compose = LossKeyCompose(DOCUMENTED)
    losses = values(compose((torch.zeros(1, 2), torch.tensor([1]))))
    assert losses == pytest.approx({"loss1": 10.0 * math.log(2.0), "loss2": math.log(2.0)})
    assert compose.names == ["loss1", "loss2"]


def test_a_group_takes_an_input_for_each_of_its_losses_or_one_for_all() -> None:
    named = {"name": "L1Loss", "input_name": ["fake", "target"]}
    compose = of(a=[named, {"name": "MSELoss"}], b=[{"name": "MSELoss"}])
    listed = {"a": [{"fake": FAKE, "target": TARGET}, (FAKE, FAKE)], "b": ((FAKE, TARGET),)}
    assert values(compose(listed)) == {"a_L1Loss": 2.0, "a_MSELoss": 0.0, "b": 5.0}
    assert values(compose({"a": [(FAKE, TARGET)]})) == {"a_L1Loss": 2.0, "a_MSELoss": 5.0}


def test_losses_in_a_tuple_share_an_input() -> None:
    joint = ({"name": "L1Loss"}, {"name": "MSELoss"})
    compose = of(a=[joint, joint])
    losses = values(compose({"a": [(FAKE, TARGET), (FAKE, FAKE)]}))
    assert losses == {"a_L1Loss_1": 2.0, "a_MSELoss_1": 5.0, "a_L1Loss_2": 0.0, "a_MSELoss_2": 0.0}


def test_names_choose_from_a_dictionary_and_what_has_none_takes_all_in_order() -> None:
    compose = of(a=[{"name": "L1Loss"}], b=[{"name": "MSELoss", "param": {"lambda_weight": 2}, "input_name": ["target", "fake"]}])
    assert values(compose({"fake": FAKE, "target": TARGET})) == {"a": 2.0, "b": 10.0}
    assert values(compose({"fake": FAKE, "target": TARGET, "more": 3}, group="b")) == {"b": 10.0}


def test_a_group_of_several_has_the_names_of_its_losses() -> None:
    compose = of({"name": "L1Loss"}, {"name": "MSELoss"}, {"name": "L1Loss", "param": {"lambda_weight": 0.5}}, other={"name": "L1Loss"})
    assert values(compose([FAKE, TARGET])) == {"loss1_L1Loss_1": 2.0, "loss1_MSELoss": 5.0, "loss1_L1Loss_2": 1.0, "other": 2.0}


def test_groups_are_chosen_by_name_or_by_the_inputs() -> None:
    compose = of(a=[{"name": "L1Loss"}], b=[{"name": "MSELoss"}], c=[{"name": "MSELoss", "input_name": ["x", "y"]}])
    assert list(compose((FAKE, TARGET), group="b")) == ["b"]
    assert list(compose((FAKE, TARGET), group=["c", "a"])) == ["c", "a"]
    assert values(compose({"a": (FAKE, FAKE), "c": {"x": FAKE, "y": TARGET}})) == {"a": 0.0, "c": 5.0}
    assert values(compose({"a": (FAKE, FAKE), "b": (FAKE, TARGET)}, group="b")) == {"b": 5.0}


def test_gradients_are_weighted() -> None:
    fake = FAKE.clone().requires_grad_()
    of({"name": "L1Loss", "param": {"lambda_weight": 4.0}})((fake, TARGET))["loss1"].backward()
    assert fake.grad is not None
    assert fake.grad.tolist() == [-2.0, 2.0]


def test_losses_of_the_user() -> None:
    assert values(of({"name": "WeighsItself", "param": {"lambda_weight": 3.0}})((FAKE, TARGET))) == {"loss1": 6.0}
    plain = of({"name": "PlainClass", "param": {"lambda_weight": 2.0}})
    assert values(plain(FAKE)) == {"loss1": 12.0}
    assert values(plain((FAKE, 0.5))) == {"loss1": 6.0}


def test_an_error_inside_a_loss_stays_what_it_is() -> None:
    with pytest.raises(TypeError, match="of its own"):
        of({"name": "RaisesTypeError"})(FAKE)


def test_what_losses_hold_follows_their_inputs_to_a_device() -> None:
    compose = of({"name": "RemembersDevice"})
    for device in ("cpu", "meta"):
        compose((1.0, torch.empty(1, device=device)))
        assert compose.losses[0].seen == torch.device(device)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (None, r"loss: None given, groups of losses expected: dict\(loss1="),
        ({}, "loss: {} given"),
        ({"a": []}, r"loss.a: \[\] given, a list of losses"),
        ({"a": [{"param": {}}]}, r"loss.a\[0\]: {'param': {}} given, an entry like dict\(name='L1Loss'"),
        ({"a": [{"name": "L2Loss"}]}, r"loss.a\[0\]: unknown loss 'L2Loss'; did you mean .*L1Loss(.|\n)*modules looked at: .*train.py"),
        ({"a": [{"name": "L1Loss", "parm": {}}]}, r"loss.a\[0\]: unknown key 'parm'; did you mean param"),
        ({"a": [{"name": "L1Loss", "lambda_weight": 1.0}]}, r"unknown key 'lambda_weight' .* arguments go into param"),
        ({"a": [{"name": "SmoothL1Loss", "param": {"bta": 1.0}}]}, r"loss SmoothL1Loss: unknown argument 'bta'; did you mean beta"),
        ({"a": [{"name": "L1Loss", "param": {"lambda_weight": "big"}}]}, r"loss.a\[0\]: param: lambda_weight: 'big' given, a number"),
        ({"a": [{"name": "L1Loss", "param": 3}]}, r"loss.a\[0\]: param: 3 given"),
        ({"a": [{"name": "L1Loss", "input_name": "fake"}]}, r"loss.a\[0\]: input_name: 'fake' given, a list of names"),
        (
            {"a": [{"name": "L1Loss"}, {"name": "MSELoss"}], "a_L1Loss": [{"name": "L1Loss"}]},
            "two losses are called 'a_L1Loss'",
        ),
    ],
)
def test_wrong_configs_are_reported(params: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LossKeyCompose(params)


@pytest.mark.parametrize(
    ("entry", "inputs", "message"),
    [
        ({"name": "L1Loss", "input_name": ["fake", "traget"]}, {"fake": FAKE, "target": TARGET}, "'traget', .* did you mean target"),
        ({"name": "L1Loss", "input_name": ["fake", "target"]}, (FAKE,), "input_name has 2 names, and the loss was called with 1 inputs"),
        ({"name": "L1Loss"}, (FAKE,), r"loss.loss1\[0\]: L1Loss was given 1 inputs: missing a required argument: 'target'"),
        ({"name": "L1Loss"}, {"a": FAKE, "b": FAKE, "c": FAKE}, "L1Loss was given 3 inputs: too many positional .* input_name"),
        ({"name": "GivesItsInput"}, FAKE, r"GivesItsInput gave a tensor \(2,\); a scalar tensor expected"),
        ({"name": "GivesItsInput"}, (3.0,), "GivesItsInput gave a float; a scalar tensor"),
    ],
)
def test_wrong_calls_are_reported(entry: dict[str, Any], inputs: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        of(entry)(inputs)


def test_a_group_that_is_not_there_is_reported() -> None:
    with pytest.raises(ConfigError, match=r"loss: there is no group 'loss2'; did you mean loss1\? \(there are loss1\)"):
        of({"name": "L1Loss"})((FAKE, TARGET), group="loss2")
