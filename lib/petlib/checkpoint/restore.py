"""Putting a saved state back into the objects that it came from."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from petlib.checkpoint.load_report import LoadReport, Mismatch, shown_name
from petlib.checkpoint.sharded import distribute_like
from petlib.errors import CheckpointError

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
