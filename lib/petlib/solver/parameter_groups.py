"""Which learning rate and weight decay each parameter gets."""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from petlib.errors import ConfigError
from petlib.suggest import counted, did_you_mean, nearest_names

BACKBONE = "backbone."
"""Below this models keep the network whose layers they fine-tune; what else they have is new."""

# A block in a list of blocks: "blocks.3" or "layers.encoder_layer_3", but not "conv1"
_NUMBERED = re.compile(r"(?:.*_)?\d+")


def layer_depths(names: Sequence[str]) -> dict[str, int]:
    """Return the layer of each parameter, read from the names in the order of the network.

    A layer is a block of a list of blocks, i.e. everything below the first number in a name, of the backbone where a model has one: necks
    and heads may have lists of their own. What comes before the
    first block (the patch embedding, the stem) is layer 0, what comes after the last one (the head) the greatest
    layer; what comes between two blocks belongs to the first of them. So for ViT-B/16 the embeddings are 0, the blocks
    1 to 12, norm and head 13, as in https://arxiv.org/abs/2106.08254.
    """
    blocks: dict[str, int] = {}
    prefix = BACKBONE if any(name.startswith(BACKBONE) for name in names) else ""
    found = [_block(name) if name.startswith(prefix) else "" for name in names]
    for block in filter(None, found):
        blocks.setdefault(block, len(blocks) + 1)
    last_block = max((position for position, block in enumerate(found) if block), default=-1)
    depths: dict[str, int] = {}
    depth = 0
    for position, name in enumerate(names):
        depth = len(blocks) + 1 if position > last_block else blocks.get(found[position], depth)
        depths[name] = depth
    return depths


def _block(name: str) -> str:
    parts = name.split(".")
    for position, part in enumerate(parts):
        if _NUMBERED.fullmatch(part):
            return ".".join(parts[: position + 1])
    return ""


NORM_TYPES = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.SyncBatchNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
)
RULE_KEYS = ("pattern", "lr_mult", "weight_decay", "freeze")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ParameterRule:
    """What holds for the parameters whose name matches.

    Args:
        pattern: regular expression that is searched in the dotted name of a parameter; the match may be anywhere.
        lr_mult: factor of the learning rate.
        weight_decay: weight decay instead of the usual one; None: the usual one.
        freeze: leave these parameters as they are; batch-norm statistics still follow the data.
    """

    pattern: re.Pattern[str]
    lr_mult: float = 1.0
    weight_decay: float | None = None
    freeze: bool = False

    @classmethod
    def parse(cls, rule: Mapping[str, Any], place: str) -> "ParameterRule":
        """Return the rule that a mapping of a config describes; ``place`` says where it is given, for messages.

        Raises:
            ConfigError: a key is unknown or missing, or a value is of the wrong type or range.
        """
        for key in rule:
            if key not in RULE_KEYS:
                raise ConfigError(f"{place}: unknown key {key!r}{did_you_mean(str(key), RULE_KEYS)}; a rule has {', '.join(RULE_KEYS)}")
        pattern = rule.get("pattern")
        if not isinstance(pattern, str) or not pattern:
            raise ConfigError(f"{place}: pattern is {pattern!r}, a regular expression for the names of parameters expected")
        try:
            compiled = re.compile(pattern)
        except re.error as error:
            raise ConfigError(f"{place}: pattern {pattern!r} is no regular expression: {error}") from error
        freeze = rule.get("freeze", False)
        if not isinstance(freeze, bool):
            raise ConfigError(f"{place}: freeze is {freeze!r}, true or false expected")
        weight_decay = None if rule.get("weight_decay") is None else _number(rule["weight_decay"], f"{place}: weight_decay")
        return cls(
            pattern=compiled, lr_mult=_number(rule.get("lr_mult", 1.0), f"{place}: lr_mult"), weight_decay=weight_decay, freeze=freeze
        )


@dataclass
class _NamedParameter:
    parameter: nn.Parameter
    names: list[str] = field(default_factory=list)
    is_norm: bool = False

    @property
    def is_bias(self) -> bool:
        return "bias" in self.names[0].rpartition(".")[2] and (self.parameter.dim() <= 1 or self.is_norm)


def freeze_parameters(model: nn.Module, rules: Sequence[ParameterRule]) -> None:
    """Set ``requires_grad`` of the parameters whose rule says ``freeze`` to False.

    Call it before the model is wrapped for several processes: DistributedDataParallel and FSDP2 fix at their start which
    parameters have gradients.

    Raises:
        ConfigError: a rule matches no parameter, or only such as an earlier rule has taken.
    """
    parameters = list(_named_parameters(model))
    for item, rule in zip(parameters, _match_rules(parameters, rules), strict=True):
        if rule is not None and rule.freeze:
            item.parameter.requires_grad_(False)


def group_parameters(
    model: nn.Module,
    *,
    base_lr: float,
    weight_decay: float,
    weight_decay_norm: float,
    weight_decay_bias: float,
    rules: Sequence[ParameterRule] = (),
    layer_decay: float = 1.0,
) -> list[dict[str, Any]]:
    """Return the parameter groups for an optimizer: as few as there are different pairs of rate and weight decay.

    Biases (also those of normalisation layers) get ``weight_decay_bias``, weights of normalisation layers
    ``weight_decay_norm``, all others ``weight_decay``; the first rule that matches a name goes before that. A tensor that
    has several names counts once and a rule may match any of them. Parameters that need no gradient are left out.

    Args:
        model: the network without wrappers, after :func:`freeze_parameters`.
        base_lr: learning rate of a group without a factor.
        weight_decay, weight_decay_norm, weight_decay_bias: see above.
        rules: exceptions by name.
        layer_decay: the rate of a layer is this share of the rate of the next layer, see
            :func:`petlib.solver.parameter_groups.layer_depths`; 1: all the same.

    Returns:
        Dictionaries with ``params``, ``lr`` and ``weight_decay``, those at ``base_lr`` first, else in the order of the model.

    Raises:
        ConfigError: a rule matches no parameter, or only such as an earlier rule has taken; or nothing is left to train.
    """
    parameters = list(_named_parameters(model))
    chosen = _match_rules(parameters, rules)
    depths = layer_depths([item.names[0] for item in parameters])
    deepest = max(depths.values(), default=0)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for item, rule in zip(parameters, chosen, strict=True):
        if not item.parameter.requires_grad or (rule is not None and rule.freeze):
            continue
        usual = weight_decay_bias if item.is_bias else weight_decay_norm if item.is_norm else weight_decay
        decay = usual if rule is None or rule.weight_decay is None else rule.weight_decay
        factor = (1.0 if rule is None else rule.lr_mult) * layer_decay ** (deepest - depths[item.names[0]])
        groups.setdefault((base_lr * factor, decay), []).append(item.parameter)
    if not groups:
        raise ConfigError("rules: nothing is left to train: every parameter of the model is frozen")
    frozen = len(parameters) - sum(map(len, groups.values()))
    logger.info("parameter groups: %s", _describe(groups, frozen))
    # Stable, so that the order stays that of the model; the rate that is printed is that of the first group
    ordered = sorted(groups.items(), key=lambda group: group[0][0] != base_lr)
    return [{"params": members, "lr": lr, "weight_decay": decay} for (lr, decay), members in ordered]


def _named_parameters(model: nn.Module) -> Iterator[_NamedParameter]:
    """Yield each parameter once, with all its names, in the order of the model."""
    found: dict[nn.Parameter, _NamedParameter] = {}
    for prefix, module in model.named_modules(remove_duplicate=False):
        for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            item = found.setdefault(parameter, _NamedParameter(parameter))
            item.names.append(f"{prefix}.{name}" if prefix else name)
            item.is_norm = item.is_norm or _is_norm(module, parameter)
    return iter(found.values())


def _is_norm(module: nn.Module, parameter: nn.Parameter) -> bool:
    """Say whether a parameter belongs to a normalisation layer; those of other libraries are known by their name."""
    return isinstance(module, NORM_TYPES) or (parameter.dim() <= 1 and "norm" in type(module).__name__.lower())


def _match_rules(parameters: Sequence[_NamedParameter], rules: Sequence[ParameterRule]) -> list[ParameterRule | None]:
    """Return the first rule that matches, for each parameter."""
    chosen: list[ParameterRule | None] = [None] * len(parameters)
    for number, rule in enumerate(rules):
        place = f"rules[{number}]: pattern {rule.pattern.pattern!r}"
        matches = [i for i, item in enumerate(parameters) if any(rule.pattern.search(name) for name in item.names)]
        if not matches:
            raise ConfigError(f"{place} matches no parameter of the model{_nearest_parameters(rule.pattern.pattern, parameters)}")
        free = [i for i in matches if chosen[i] is None]
        if not free:
            raise ConfigError(f"{place} has no effect: earlier ones match all its parameters; put the narrower rule first")
        for i in free:
            chosen[i] = rule
    return chosen


def _nearest_parameters(pattern: str, parameters: Sequence[_NamedParameter]) -> str:
    """Return a hint with parts of names that resemble the words of a pattern, or with the first names there are."""
    names = [name for item in parameters for name in item.names]
    prefixes = {".".join(name.split(".")[:end]) for name in names for end in range(1, name.count(".") + 2)}
    plain = re.sub(r"\\(.)|[\^$*+?()\[\]{}|]", lambda match: match.group(1) or "", pattern).strip(".")
    near = nearest_names(plain, prefixes) or nearest_names(plain.split(".")[0], prefixes)
    if near:
        return f"; did you mean {' or '.join(near)}?"
    return f"; its names are {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"


def _number(value: Any, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ConfigError(f"{place} is {value!r}, a number that is not negative expected")
    return float(value)


def _describe(groups: Mapping[tuple[float, float], Sequence[nn.Parameter]], frozen: int) -> str:
    texts = [f"{counted(len(members), 'tensor')} with lr {lr:g}, weight decay {decay:g}" for (lr, decay), members in groups.items()]
    return "; ".join(texts) + (f"; {frozen} frozen" if frozen else "")
