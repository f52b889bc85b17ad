"""Named groups of losses."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pet.compat.trainframework.loss.terms import EXAMPLE, Term, build_term
from petlib.errors import ConfigError
from petlib.suggest import did_you_mean


class LossKeyCompose(nn.Module):
    """Groups of losses, all of which are computed by one call.

    Called with a tuple, every loss gets its values in their order. Called with a dictionary, a loss with ``input_name`` gets the
    values of these names and one without gets all values in their order. Called with a dictionary from names of groups to tuples or
    dictionaries, these groups are computed, each with inputs of its own. A group may also be given a list of tuples or dictionaries: one
    for each of its entries, in order, or one for all of them.

    Args:
        params: name of a group -> list of ``dict(name=..., param=dict(lambda_weight=..., ...), input_name=[...])``; ``param`` holds the
            arguments of the loss and its weight, 1 where it is missing, and ``input_name`` may be left out. A tuple of such
            dictionaries is one entry, whose losses share an input.

    Raises:
        ConfigError: it is something else, or a name or an argument is unknown, missing or wrong.
    """

    def __init__(self, params: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        super().__init__()
        if not isinstance(params, Mapping) or not params:
            raise ConfigError(f"loss: {params!r} given, groups of losses expected: dict(loss1=[{EXAMPLE}])")
        self._entries: dict[str, int] = {}
        self._groups = {str(group): self._build_group(str(group), entries) for group, entries in params.items()}
        names = Counter(name for terms in self._groups.values() for name in terms)
        if taken := [name for name, count in names.items() if count > 1]:
            raise ConfigError(f"loss: two losses are called {taken[0]!r}; give one of their groups another name")
        modules = [term.call for terms in self._groups.values() for term in terms.values() if isinstance(term.call, nn.Module)]
        self.losses = nn.ModuleList(modules)
        self._device: torch.device | None = None

    def _build_group(self, group: str, entries: Any) -> dict[str, Term]:
        listed = [entries] if isinstance(entries, Mapping) else entries
        if not isinstance(listed, list | tuple) or not listed:
            raise ConfigError(f"loss.{group}: {entries!r} given, a list of losses expected: [{EXAMPLE}]")
        terms: list[tuple[int, Term]] = []
        for number, entry in enumerate(listed):
            joint = entry if isinstance(entry, list | tuple) else [entry]
            terms += [(number, build_term(part, f"loss.{group}[{number}]")) for part in joint]
        kinds = Counter(term.kind for _, term in terms)
        seen: Counter[str] = Counter()
        named = {}
        for number, term in terms:
            seen[term.kind] += 1
            suffix = f"_{seen[term.kind]}" if kinds[term.kind] > 1 else ""
            name = group if len(terms) == 1 else f"{group}_{term.kind}{suffix}"
            named[name] = term
            self._entries[name] = number
        return named

    @property
    def names(self) -> list[str]:
        """The names of all losses, as calls return them: that of the group, with the name of the loss where it has several."""
        return [name for terms in self._groups.values() for name in terms]

    def forward(self, inputs: Any, group: str | Sequence[str] | None = None) -> dict[str, Tensor]:
        """Return name -> scalar, each multiplied by its weight.

        Args:
            inputs: a tuple or list of values, one tensor, or a dictionary; see the class.
            group: the name or names of the groups that are computed; None: all, or those that ``inputs`` names.

        Raises:
            ConfigError: a group or an input is missing, or a loss gives no scalar.
        """
        chosen = self._chosen(group)
        by_group = self._by_group(inputs)
        if by_group is not None:
            chosen = [name for name in chosen if name in by_group]
        given = {name: self._inputs_of(name, inputs if by_group is None else by_group[name]) for name in chosen}
        self._follow(values for listed in given.values() for values in listed)
        return {
            name: term(listed[self._entries[name]] if len(listed) > 1 else listed[0])
            for key, listed in given.items()
            for name, term in self._groups[key].items()
        }

    def _inputs_of(self, group: str, inputs: Any) -> list[Mapping[str, Any] | tuple[Any, ...]]:
        """Return the inputs of each entry of a group, or one for all."""
        count = 1 + max(self._entries[name] for name in self._groups[group])
        is_listed = isinstance(inputs, tuple | list) and inputs and all(isinstance(item, tuple | list | Mapping) for item in inputs)
        if is_listed and len(inputs) in (1, count):
            return [_as_inputs(item) for item in inputs]
        return [_as_inputs(inputs)]

    def _chosen(self, group: str | Sequence[str] | None) -> list[str]:
        wanted = list(self._groups) if group is None else [group] if isinstance(group, str) else list(group)
        for name in wanted:
            if name not in self._groups:
                raise ConfigError(
                    f"loss: there is no group {name!r}{did_you_mean(name, self._groups)} (there are {', '.join(self._groups)})"
                )
        return wanted

    def _by_group(self, inputs: Any) -> Mapping[str, Any] | None:
        """Return inputs whose keys are groups, None for any other ones."""
        if not isinstance(inputs, Mapping) or not inputs:
            return None
        of_groups = all(key in self._groups and isinstance(value, tuple | list | Mapping) for key, value in inputs.items())
        return inputs if of_groups else None

    def _follow(self, inputs: Iterable[Mapping[str, Any] | tuple[Any, ...]]) -> None:
        """Take weights and windows of the losses to the device of the inputs."""
        for values in inputs:
            for value in values.values() if isinstance(values, Mapping) else values:
                if isinstance(value, Tensor):
                    if value.device != self._device:
                        self.to(value.device)
                        self._device = value.device
                    return


class LossCompose(nn.Module):
    """The sum of several losses of one output.

    Args:
        loss_cfgs: names with the arguments of the losses, ``dict(name="L1Loss", lambda_weight=2.0)``, or objects that are called with
            output and target.

    Raises:
        ConfigError: it is no list, or a name or an argument is unknown, missing or wrong.
    """

    def __init__(self, loss_cfgs: Sequence[Mapping[str, Any] | Callable[..., Tensor]]) -> None:
        super().__init__()
        if not isinstance(loss_cfgs, list | tuple) or not loss_cfgs:
            raise ConfigError(f"LossCompose: {loss_cfgs!r} given, a list of losses expected: [dict(name='L1Loss', lambda_weight=1.0)]")
        self.terms = [LossKeyCompose({"loss": [_with_param(entry)]}) if isinstance(entry, Mapping) else entry for entry in loss_cfgs]
        self.losses = nn.ModuleList(term for term in self.terms if isinstance(term, nn.Module))

    def forward(self, x: Any, gt: Any) -> Tensor:
        """Return the sum, a scalar."""
        values = [term((x, gt))["loss"] if isinstance(term, LossKeyCompose) else term(x, gt) for term in self.terms]
        return torch.stack(values).sum()


def _with_param(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry whose arguments are next to its name as one of :class:`LossKeyCompose`."""
    values = {str(key).lower(): value for key, value in entry.items()}
    return {"name": values.pop("name", None), "param": values}


def _as_inputs(inputs: Any) -> Mapping[str, Any] | tuple[Any, ...]:
    if isinstance(inputs, Mapping):
        return inputs
    return tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
