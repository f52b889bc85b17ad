from typing import Any

import pytest
import torch

from pet.compat.trainframework.model.base_model import name_losses
from petlib.errors import ConfigError

LOSS = torch.tensor(2.0, requires_grad=True)
PLAIN = torch.tensor(1.0)


@pytest.mark.parametrize(
    ("returned", "names", "figures"),
    [
        (LOSS, ["loss"], {}),
        ({"a": LOSS, "b": PLAIN, "acc": 0.5}, ["a"], {"b": 1.0, "acc": 0.5}),
        ({"a": {"x": LOSS, "y": LOSS, "n": 3}, "b": LOSS}, ["a/x", "a/y", "b"], {"a/n": 3.0}),
    ],
)
def test_losses_and_figures_of_one_network(returned: Any, names: list[str], figures: dict[str, float]) -> None:
    found = name_losses(returned, model="M", networks=["generator"])
    assert list(found.losses) == names
    assert {name: value.item() for name, value in found.figures.items()} == figures


def test_losses_of_several_networks_have_their_name_before_them() -> None:
    returned = {"generator": {"adv": LOSS, "acc": PLAIN}, "discriminator": LOSS, "psnr": 31.0}
    found = name_losses(returned, model="M", networks=["generator", "discriminator"])
    assert list(found.losses) == ["generator/adv", "discriminator"]
    assert {name: value.item() for name, value in found.figures.items()} == {"generator/acc": 1.0, "psnr": 31.0}


def test_a_network_may_rest() -> None:
    assert list(name_losses({"discriminator": LOSS}, model="M", networks=["generator", "discriminator"]).losses) == ["discriminator"]


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "M.run_step returned None; a loss expected"),
        ({}, "M.run_step returned an empty dictionary; a loss expected"),
        (3.0, "M.run_step returned a float; a loss expected"),
        ({"a": 3.0}, "M.run_step: no weight can learn from a: computed without the network"),
        (torch.ones(2), r"M.run_step: loss is a tensor of shape \(2,\), a scalar expected: take its mean or sum"),
        ({"a": torch.ones(2, 3)}, r"M.run_step: a is a tensor of shape \(2, 3\), a scalar expected"),
        ({"a": PLAIN}, "M.run_step: no weight can learn from a: computed without the network"),
    ],
)
def test_what_is_no_loss(returned: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        name_losses(returned, model="M", networks=["generator"])


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (LOSS, "M.run_step returned a tensor of shape .*; with the optimizers of generator and discriminator the losses of each"),
        ({"generatr": LOSS}, "M.run_step returned the names generatr; with the optimizers"),
        ({"generator": LOSS, "discriminator": {"real": PLAIN}}, "discriminator: no weight can learn from discriminator/real"),
        ({}, "M.run_step returned an empty dictionary; with"),
    ],
)
def test_what_is_no_loss_of_several_networks(returned: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        name_losses(returned, model="M", networks=["generator", "discriminator"])
