import re

import pytest
import torch
from torch import nn

from petlib.errors import ConfigError
from petlib.solver import ParameterRule
from petlib.solver.parameter_groups import freeze_parameters, group_parameters


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(width, width)


class Transformer(nn.Module):
    def __init__(self, width=4, depth=3):
        super().__init__()
        self.position = nn.Parameter(torch.zeros(1, 3, width))
        self.embedding = nn.Linear(2, width)
        self.blocks = nn.Sequential(*[Block(width) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 2)


def grouped(model, rules=(), layer_decay=1.0, **decays):
    parsed = [ParameterRule.parse(rule, f"rules[{number}]") for number, rule in enumerate(rules)]
    values = {"weight_decay": 0.1, "weight_decay_norm": 0.0, "weight_decay_bias": 0.0, **decays}
    return group_parameters(model, base_lr=1.0, rules=parsed, layer_decay=layer_decay, **values)


def names_by_group(model, groups):
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {(group["lr"], group["weight_decay"]): {names[parameter] for parameter in group["params"]} for group in groups}


def test_norms_and_biases_have_weight_decays_of_their_own():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    groups = names_by_group(model, grouped(model, weight_decay_norm=0.02, weight_decay_bias=0.03))
    assert groups == {(1.0, 0.1): {"0.weight", "2.weight"}, (1.0, 0.03): {"0.bias", "1.bias", "2.bias"}, (1.0, 0.02): {"1.weight"}}


def test_equal_hyper_parameters_share_one_group():
    model = Transformer()
    assert len(grouped(model)) == 2
    assert len(grouped(model, weight_decay=0.0)) == 1


@pytest.mark.parametrize(
    "layer", [nn.GroupNorm(2, 4), nn.RMSNorm(4), nn.LayerNorm((2, 4)), nn.InstanceNorm1d(4, affine=True), nn.SyncBatchNorm(4)]
)
def test_every_normalisation_of_torch_is_known(layer):
    groups = names_by_group(layer, grouped(layer, weight_decay_norm=0.5))
    assert groups[1.0, 0.5] == {"weight"}


def test_norms_of_other_libraries_are_known_by_name():
    class ScaleNorm(nn.Module):
        def __init__(self):
            super().__init__()
            self.gain = nn.Parameter(torch.ones(4))

    model = ScaleNorm()
    assert names_by_group(model, grouped(model, weight_decay_norm=0.5)) == {(1.0, 0.5): {"gain"}}


def test_attention_biases_are_biases_and_bias_tables_are_not():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.MultiheadAttention(4, 2)
            self.relative_position_bias_table = nn.Parameter(torch.zeros(9, 2))

    model = Attention()
    groups = names_by_group(model, grouped(model, weight_decay_bias=0.3))
    assert groups[1.0, 0.3] == {"inner.in_proj_bias", "inner.out_proj.bias"}
    assert "relative_position_bias_table" in groups[1.0, 0.1]


def test_each_parameter_is_in_exactly_one_group():
    model = Transformer()
    groups = grouped(model, [{"pattern": "blocks", "lr_mult": 0.5}, {"pattern": "weight", "weight_decay": 0.7}], layer_decay=0.8)
    members = [parameter for group in groups for parameter in group["params"]]
    assert len(members) == len(set(members)) == len(list(model.parameters()))


def test_the_first_rule_that_matches_counts():
    model = Transformer(depth=2)
    rules = [{"pattern": r"^blocks\.0", "lr_mult": 0.1}, {"pattern": r"^blocks", "lr_mult": 0.5, "weight_decay": 0.0}]
    groups = names_by_group(model, grouped(model, rules))
    assert groups[0.1, 0.1] == {"blocks.0.linear.weight"}
    assert groups[0.5, 0.0] == {f"blocks.1.{name}" for name in ("norm.weight", "norm.bias", "linear.weight", "linear.bias")}


def test_groups_at_the_base_rate_come_first():
    groups = grouped(Transformer(), [{"pattern": "position|embedding", "lr_mult": 0.1}])
    assert [group["lr"] for group in groups] == [1.0, 1.0, 0.1, 0.1]


def test_frozen_parameters_are_left_out(caplog):
    model = Transformer()
    model.head.bias.requires_grad_(False)
    with caplog.at_level("INFO"):
        groups = grouped(model, [{"pattern": "^embedding", "freeze": True}])
    names = set().union(*names_by_group(model, groups).values())
    assert names == {name for name, _ in model.named_parameters()} - {"head.bias", "embedding.weight", "embedding.bias"}
    assert "3 frozen" in caplog.text


def test_freezing_takes_the_gradients_of_what_a_rule_names():
    model = Transformer()
    freeze_parameters(model, [ParameterRule.parse({"pattern": "^embedding", "freeze": True}, "rule")])
    assert {name for name, parameter in model.named_parameters() if not parameter.requires_grad} == {"embedding.weight", "embedding.bias"}


def test_tied_parameters_count_once_and_any_of_their_names_matches():
    model = nn.ModuleDict({"embedding": nn.Linear(4, 4, bias=False), "head": nn.Linear(4, 4, bias=False)})
    model["head"].weight = model["embedding"].weight
    groups = grouped(model, [{"pattern": "^head", "lr_mult": 0.25}])
    assert [(group["lr"], len(group["params"])) for group in groups] == [(0.25, 1)]


def test_layer_decay_goes_from_the_head_to_the_embedding():
    model = Transformer(depth=3)
    rates = {name: lr for (lr, _), names in names_by_group(model, grouped(model, layer_decay=0.5)).items() for name in names}
    assert rates["head.weight"] == rates["norm.weight"] == 1.0
    assert [rates[f"blocks.{index}.linear.weight"] for index in range(3)] == [0.125, 0.25, 0.5]
    assert rates["position"] == rates["embedding.weight"] == 0.0625


def test_layers_are_those_of_the_backbone_where_a_model_has_one():
    lists = nn.ModuleDict({"layers": nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])})
    model = nn.ModuleDict({"backbone": Transformer(depth=2), "neck": lists})
    rates = {name: lr for (lr, _), names in names_by_group(model, grouped(model, layer_decay=0.5)).items() for name in names}
    assert [rates[f"backbone.blocks.{index}.linear.weight"] for index in range(2)] == [0.25, 0.5]
    assert rates["backbone.position"] == 0.125
    assert rates["neck.layers.0.weight"] == rates["neck.layers.1.bias"] == rates["backbone.norm.weight"] == 1.0


def test_layer_decay_multiplies_with_a_rule():
    model = Transformer(depth=1)
    rules = [{"pattern": "embedding", "lr_mult": 3.0}]
    rates = {name: lr for (lr, _), names in names_by_group(model, grouped(model, rules, layer_decay=0.5)).items() for name in names}
    assert (rates["embedding.weight"], rates["position"]) == (0.75, 0.25)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([{"pattern": "bloks"}], "rules[0]: pattern 'bloks' matches no parameter of the model; did you mean blocks"),
        ([{"pattern": r"^heads\."}], "did you mean head"),
        ([{"pattern": "zzzzqqqq"}], "its names are position, embedding.weight, embedding.bias"),
        ([{"pattern": "blocks"}, {"pattern": r"blocks\.1"}], r"rules[1]: pattern 'blocks\\.1' has no effect: earlier ones match all"),
        ([{"pattern": "head", "lr_mul": 2}], "rules[0]: unknown key 'lr_mul'; did you mean lr_mult?"),
        ([{"lr_mult": 2}], "rules[0]: pattern is None, a regular expression"),
        ([{"pattern": "head("}], "rules[0]: pattern 'head(' is no regular expression"),
        ([{"pattern": "head", "lr_mult": "fast"}], "rules[0]: lr_mult is 'fast', a number that is not negative expected"),
        ([{"pattern": "head", "weight_decay": -1}], "rules[0]: weight_decay is -1"),
        ([{"pattern": "head", "freeze": 1}], "rules[0]: freeze is 1, true or false expected"),
        ([{"pattern": ".", "freeze": True}], "nothing is left to train"),
    ],
)
def test_mistakes_in_rules(rules, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        grouped(Transformer(), rules)
