"""Putting a saved state back into the objects that it came from."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.optim import Optimizer

from petlib.checkpoint.origin import Origin
from petlib.checkpoint.sharded import distribute_like
from petlib.errors import CheckpointError
from petlib.suggest import counted

LONGEST_NAME = 200


def shown_name(name: object) -> str:
    """Return a name of a file as messages show it: cut, and without line breaks and what moves the cursor."""
    text = str(name) if isinstance(name, str) else f"a {type(name).__name__}"
    text = text if text.isprintable() else repr(text)
    return text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}..."


class Mismatch(NamedTuple):
    """A tensor whose shape, or kind of numbers, in the file is not the one in the model."""

    name: str
    file_shape: tuple[int, ...]
    model_shape: tuple[int, ...]
    file_kind: str = ""
    model_kind: str = ""

    def __str__(self) -> str:
        return (
            f"{self.name} {list(self.file_shape)} {self.file_kind}".rstrip()
            + f" in the file, {list(self.model_shape)} {self.model_kind}".rstrip()
            + " in the model"
        )


@dataclass(frozen=True)
class LoadReport:
    """Which tensors of a model took their values from a file.

    Attributes:
        source: the file.
        matched: names in the model that took the value of the file.
        missing: names in the model that the file does not have.
        unexpected: names in the file that the model does not have.
        mismatched: names that both have with different shapes, or one with whole numbers or complex ones and the other not.
        proposal: rules for ``load_weights.rename`` by which further tensors would fit, as their shapes and their order agree.
        names: what the numbers of the model are called, by kind of target, as a checkpoint of a run says; None: it does not say.
        origin: what its weights began with, likewise.
    """

    source: str
    matched: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    mismatched: list[Mismatch] = field(default_factory=list)
    proposal: list[tuple[str, str]] = field(default_factory=list)
    names: Mapping[str, Sequence[str]] | None = None
    origin: Origin | None = None

    @property
    def complete(self) -> bool:
        """Whether file and model agree in every name and shape."""
        return not (self.missing or self.unexpected or self.mismatched)

    def summary(self, most: int = 8) -> str:
        """Return a readable text of a few lines: counts, and up to ``most`` names of each kind."""
        lines = [f"{self.source}: {counted(len(self.matched), 'tensor')} matched"]
        for kind, names in (("missing", self.missing), ("unexpected", self.unexpected), ("mismatched", [*map(str, self.mismatched)])):
            if names:
                more = f", and {len(names) - most} more" if len(names) > most else ""
                lines.append(f"  {len(names)} {kind}: {', '.join(map(shown_name, names[:most]))}{more}")
        return "\n".join(lines) + self.advice()

    def advice(self) -> str:
        """Return the lines of the config that :attr:`proposal` makes, or nothing."""
        if not self.proposal:
            return ""
        rules = "".join(f"\n    - ['{pattern}', '{replacement}']" for pattern, replacement in self.proposal)
        return f"\n  shapes and order of tensors agree with these names: give, if they mean the same,\n  load_weights.rename:{rules}"

    def require_complete(self) -> None:
        """Accept only weights of exactly this architecture, as for testing or resuming.

        Raises:
            CheckpointError: a name or a shape differs; the message lists the first ones.
        """
        if not self.complete:
            raise CheckpointError(
                f"the weights are those of another architecture: {self.summary()}\n  use the config that they were trained with"
            )


_LOGGER = logging.getLogger(__name__)


def restore_components(components: Mapping[str, Any], saved: Mapping[str, Any], *, origin: str) -> dict[str, Any]:
    """Load every object of the nested ``components`` from its place in ``saved``; return what of ``saved`` no object took.

    Networks and optimizers are all compared with the file before anything is changed. An object that the file does not know stays as
    it is, with a warning; not so a network or an optimizer.

    Raises:
        CheckpointError: the file belongs to another architecture or other optimizers.
    """
    for path, component in _objects(components, ()):
        if isinstance(component, nn.Module):
            compare(component, _lookup(saved, path, origin), origin).require_complete()
        elif isinstance(component, Optimizer):
            _require_same_kind(component, _lookup(saved, path, origin), ".".join(path), origin)
    taken: set[tuple[str, ...]] = set()
    for path, component in _objects(components, ()):
        if _load(component, _lookup(saved, path, origin, required=isinstance(component, nn.Module | Optimizer)), path, origin):
            taken.add(path)
    rest: dict[str, Any] = _without(saved, taken, ())
    return rest


def load_model_strict(model: nn.Module, state: Mapping[str, Tensor], *, origin: str) -> None:
    """Load ``state`` into ``model`` where both agree in every name and shape, else change nothing.

    Args:
        origin: the file that the state comes from, for the message.

    Raises:
        CheckpointError: they do not agree; the message lists the names.
    """
    compare(model, state, origin).require_complete()
    model.load_state_dict(distribute_like(model.state_dict(), state), strict=False)


def compare(model: nn.Module, state: Any, origin: str) -> LoadReport:
    """Return how the names and shapes of ``state`` fit those of ``model``; nothing is loaded.

    Counters of batch-norm updates, which old files lack, and entries that are no tensors count neither way.
    """
    if not isinstance(state, Mapping):
        raise CheckpointError(f"{origin}: a state dict is expected where the weights should be, there is a {type(state).__name__}")
    report = LoadReport(source=origin)
    own = model.state_dict()
    for name, value in own.items():
        if not isinstance(value, Tensor):
            continue
        if not isinstance(state.get(name), Tensor):
            if name in state or not name.endswith("num_batches_tracked"):
                report.missing.append(name)
        elif state[name].shape != value.shape:
            report.mismatched.append(Mismatch(name, tuple(state[name].shape), tuple(value.shape)))
        elif _kind(state[name]) != _kind(value):
            report.mismatched.append(Mismatch(name, tuple(state[name].shape), tuple(value.shape), *map(_kind, (state[name], value))))
        else:
            report.matched.append(name)
    report.unexpected.extend(shown_name(name) for name in state if name not in own)
    return report


def _kind(tensor: Tensor) -> str:
    if tensor.is_floating_point():
        return "floating point"
    return "complex" if tensor.is_complex() else "whole numbers"


def _objects(component: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if hasattr(component, "load_state_dict"):
        yield path, component
    elif isinstance(component, Mapping):
        for name, value in component.items():
            yield from _objects(value, (*path, name))


def _lookup(saved: Any, path: tuple[str, ...], origin: str, required: bool = True) -> Any:
    for depth, name in enumerate(path, start=1):
        saved = saved.get(name) if isinstance(saved, Mapping) else None
        if saved is None:
            where = ".".join(path[:depth])
            if required:
                raise CheckpointError(f"{origin}: it has no state for {'.'.join(path)} ({where} is not there); it belongs to another run")
            return None
    return saved


def _load(component: Any, state: Any, path: tuple[str, ...], origin: str) -> bool:
    """Load one object; return whether there was a state for it."""
    name = ".".join(path)
    if state is None:
        _LOGGER.warning("%s has no state for %s: it starts anew", origin, name)
        return False
    if isinstance(component, nn.Module):
        load_model_strict(component, state, origin=origin)
        return True
    try:
        if isinstance(component, Optimizer):
            state = {**state, "state": distribute_like(_optimizer_template(component, state["state"]), state["state"])}
        else:
            state = distribute_like(component.state_dict(), state)
        component.load_state_dict(state)
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise CheckpointError(
            f"{origin}: the state of {name} does not fit this run's {_describe(component)}: {type(error).__name__}: {error}; "
            "resume with the settings of the run that saved it"
        ) from error
    return True


def _require_same_kind(optimizer: Optimizer, saved: Any, name: str, origin: str) -> None:
    """Refuse the state of another class of optimizer, which torch would load and stumble over in the first step."""
    groups = saved.get("param_groups") if isinstance(saved, Mapping) else None
    if not isinstance(groups, list) or not all(isinstance(group, Mapping) and isinstance(group.get("params"), list) for group in groups):
        raise CheckpointError(f"{origin}: {name}: the state of an optimizer is expected, with its parameter groups; the file is damaged")
    own, given = set(optimizer.param_groups[0]), set(groups[0]) if groups else set()
    # a version of torch may add a setting or drop one; another class of optimizer does both
    if own - given and given - own:
        raise CheckpointError(
            f"{origin}: the state of {name} is that of another optimizer: this run's {type(optimizer).__name__} has "
            f"{', '.join(sorted(own - given))}, the checkpoint {', '.join(sorted(given - own))}"
        )


def _optimizer_template(optimizer: Optimizer, saved: Mapping[int, Any]) -> dict[int, dict[str, Tensor]]:
    """Return for each entry of an optimizer's saved state the parameter that it belongs to."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    return {number: dict.fromkeys(saved.get(number, {}), parameter) for number, parameter in enumerate(parameters)}


def _describe(component: Any) -> str:
    if not isinstance(component, Optimizer):
        return type(component).__name__
    groups = component.param_groups
    return f"{type(component).__name__} of {sum(len(group['params']) for group in groups)} parameters in {len(groups)} groups"


def _without(saved: Any, taken: set[tuple[str, ...]], path: tuple[str, ...]) -> Any:
    """Return ``saved`` without what is at the paths ``taken``, and without mappings of which nothing is left."""
    if not isinstance(saved, Mapping):
        return saved
    rest = {name: _without(value, taken, (*path, name)) for name, value in saved.items() if (*path, name) not in taken}
    return {name: value for name, value in rest.items() if value != {} or saved[name] == {}}
