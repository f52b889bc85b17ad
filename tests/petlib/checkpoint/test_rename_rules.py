"""Rules for the names of weights: a user's, and those that are proposed."""

import time
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import nn

from petlib.checkpoint import load_weights, rename_rules
from petlib.checkpoint.rename_process import apply_rules
from petlib.checkpoint.rename_rules import check_rules, propose_rules
from petlib.errors import CheckpointError, ConfigError


def make_network(*, words: tuple[str, str, str], classes: int = 5) -> nn.Module:
    """Return three blocks of a convolution and a norm, and a head, under names of choice."""
    conv, norm, head = words
    blocks = [
        nn.Sequential(OrderedDict({conv: nn.Conv2d(3 if not block else 4, 4, 3, bias=False), norm: nn.BatchNorm2d(4)}))
        for block in range(3)
    ]
    return nn.Sequential(OrderedDict({"blocks": nn.Sequential(*blocks), head: nn.Linear(4, classes)}))


@pytest.fixture
def ours() -> nn.Module:
    torch.manual_seed(0)
    return make_network(words=("conv", "norm", "head"))


@pytest.fixture
def theirs() -> nn.Module:
    torch.manual_seed(1)
    return make_network(words=("c", "bn", "fc"))


def save(path: Path, model: nn.Module) -> Path:
    torch.save(model.state_dict(), path)
    return path


RULES = [[r"^blocks\.(\d+)\.c\.", r"blocks.\1.conv."], [r"\.bn\.", ".norm."], ["^fc", "head"]]


def test_a_name_goes_by_the_first_rule_that_finds_something() -> None:
    names = ["a.0.w", "b.a.w", "c"]
    assert apply_rules([["a", "b"], ["b", "d"]], names) == (["b.0.w", "b.b.w", "c"], [2, 0])


def test_weights_are_loaded_under_the_names_of_the_rules(ours: nn.Module, theirs: nn.Module, tmp_path: Path) -> None:
    report = load_weights(ours, save(tmp_path / "theirs.pth", theirs), rename=RULES)
    assert report.complete
    for (name, value), expected in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert torch.equal(value, expected), name


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (["(", "x"], r"rename\[0\]: '\(' is no regular expression: missing \)"),
        (["^fc", r"\1"], r"rename\[0\]: '\\\\1' does not fit '\^fc': invalid group reference"),
        (["^fc"], r"rename\[0\]: \['\^fc'\] given; an expression and its replacement expected"),
        (["", "x"], "an expression and its replacement expected"),
    ],
)
def test_a_wrong_rule_is_refused(rule: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_rules([rule])


def test_a_rule_that_finds_nothing_is_refused(ours: nn.Module, theirs: nn.Module, tmp_path: Path) -> None:
    path = save(tmp_path / "theirs.pth", theirs)
    with pytest.raises(ConfigError, match=rf"rename\[3\]: 'stem' finds nothing in the 20 names of {path} that the rules before it leave"):
        load_weights(ours, path, rename=[*RULES, ["stem", "conv1"]])
    with pytest.raises(ConfigError, match=r"rename\[0\]: 'stem' finds nothing .*they are blocks.0.c.weight, blocks.0.bn.weight"):
        load_weights(ours, path, rename=[["stem", "conv1"]])


def test_two_names_that_become_one_are_refused(ours: nn.Module, theirs: nn.Module, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"blocks.0.bn.bias and blocks.1.bn.bias of .* both become bias"):
        load_weights(ours, save(tmp_path / "theirs.pth", theirs), rename=[[".*bn.bias", "bias"]])


def test_an_expression_without_end_is_ended(ours: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"a" * 60 + "!": torch.zeros(1)}, tmp_path / "theirs.pth")
    monkeypatch.setattr(rename_rules, "LONGEST_SECONDS", 1.0)
    begin = time.monotonic()
    with pytest.raises(ConfigError, match=r"rename: the expressions took longer than 1 s for 1 names"):
        load_weights(ours, tmp_path / "theirs.pth", rename=[["(a+)+$", "b"]])
    assert time.monotonic() - begin < 60


def test_rules_are_proposed_where_shapes_and_order_agree(ours: nn.Module, theirs: nn.Module, tmp_path: Path) -> None:
    path = save(tmp_path / "theirs.pth", theirs)
    with pytest.raises(CheckpointError, match="of another architecture or has other names") as caught:
        load_weights(ours, path)
    lines = str(caught.value).partition("load_weights.rename:\n")[2].splitlines()
    assert lines == [
        r"    - ['^blocks\.(\d+)\.c\.(.*)$', 'blocks.\1.conv.\2']",
        r"    - ['^blocks\.(\d+)\.bn\.(.*)$', 'blocks.\1.norm.\2']",
        r"    - ['^fc\.(.*)$', 'head.\1']",
    ]
    rules = [line.strip(" -[]'").split("', '") for line in lines]
    assert load_weights(ours, path, rename=rules).complete


def test_a_part_that_fits_is_kept_by_the_proposal_for_the_rest(theirs: nn.Module, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    target = make_network(words=("c", "norm", "head"), classes=7)
    path = save(tmp_path / "theirs.pth", theirs)
    report = load_weights(target, path)
    assert report.matched == [f"blocks.{block}.c.weight" for block in range(3)]
    assert report.proposal == [(r"^blocks\.(\d+)\.bn\.(.*)$", r"blocks.\1.norm.\2")]
    assert r"['^blocks\.(\d+)\.bn\.(.*)$', 'blocks.\1.norm.\2']" in report.summary()
    again = load_weights(target, path, rename=report.proposal)
    assert len(again.matched) == 18
    assert again.missing == ["head.weight", "head.bias"]


def test_nothing_is_proposed_for_another_architecture() -> None:
    assert propose_rules({"a.weight": (3, 4), "b.weight": (5, 6)}, {"x.weight": (4, 3), "y.weight": (6, 5)}) == []
    assert propose_rules({"a.weight": (4,)}, {"x.bias": (4,)}) == []


def test_weight_and_bias_of_one_shape_are_not_exchanged() -> None:
    theirs = {"a.bias": (4,), "a.weight": (4,)}
    ((pattern, replacement),) = propose_rules(theirs, {"x.weight": (4,), "x.bias": (4,)})
    assert apply_rules([(pattern, replacement)], list(theirs)) == (["x.bias", "x.weight"], [2])


def test_biases_that_agree_by_chance_are_no_proposal() -> None:
    classifier, head = {"fc.weight": (3, 512), "fc.bias": (3,)}, {"logits.weight": (3, 64, 1, 1), "logits.bias": (3,)}
    assert propose_rules(classifier, head) == []


def test_rules_in_turn_replace_all_that_each_of_them_finds() -> None:
    rules = [("^module.", ""), ("a", "b"), ("b$", "c"), ("nowhere", "")]
    assert rename_rules.rename_in_turn(["module.a.a", "d"], rules) == ["b.c", "d"]


def test_rules_in_turn_without_end_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rename_rules, "LONGEST_SECONDS", 1.0)
    with pytest.raises(ConfigError, match="took longer than 1 s for 1 names"):
        rename_rules.rename_in_turn(["a" * 60 + "!"], [("(a+)+$", "c")])
