"""Tensors of which each rank has a part (``DTensor``), and states that hold them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from petlib.checkpoint.snapshot import is_sharded

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh


def split_sharded(state: Any, path: tuple[Any, ...] = ()) -> tuple[Any, dict[tuple[Any, ...], Any]]:
    """Return the nested ``state`` without its sharded tensors, and those by their paths."""
    if is_sharded(state):
        return None, {path: state}
    if not isinstance(state, Mapping | list | tuple):
        return state, {}
    sharded: dict[tuple[Any, ...], Any] = {}
    rest: dict[Any, Any] = {}
    for name, value in state.items() if isinstance(state, Mapping) else enumerate(state):
        rest[name], below = split_sharded(value, (*path, name))
        sharded.update(below)
    if isinstance(state, Mapping):
        return rest, sharded
    return type(state)(rest.values()) if type(state) in (list, tuple) else state, sharded


def insert(state: Any, path: tuple[Any, ...], value: Any) -> None:
    """Put ``value`` into the nested dictionaries and lists of ``state``, the opposite of :func:`split_sharded`."""
    for name in path[:-1]:
        state = state[name]
    state[path[-1]] = value


def find_mesh(component: Any) -> "DeviceMesh | None":
    """Return the mesh of ranks over which the networks of a nested component are sharded; None where none is."""
    if isinstance(component, nn.Module):
        return next((parameter.device_mesh for parameter in component.parameters() if is_sharded(parameter)), None)  # type: ignore[attr-defined]
    values = component.values() if isinstance(component, Mapping) else ()
    return next((mesh for mesh in map(find_mesh, values) if mesh is not None), None)


def distribute_like(template: Any, state: Any) -> Any:
    """Return ``state`` with this rank's part in place of each whole tensor that is sharded in ``template``."""
    if is_sharded(template) and isinstance(state, Tensor) and not is_sharded(state) and state.shape == template.shape:
        # Imported here because it takes most of a second and only sharded training needs it.
        from torch.distributed.tensor import distribute_tensor

        # Every rank has read the whole tensor, so none has to send its part to another.
        return distribute_tensor(state.to(template.device), template.device_mesh, template.placements, src_data_rank=None)
    if isinstance(template, Mapping) and isinstance(state, Mapping):
        changed = {name: distribute_like(template[name], value) if name in template else value for name, value in state.items()}
        return state if all(changed[name] is state[name] for name in state) else changed
    if isinstance(template, list) and isinstance(state, list) and len(template) == len(state):
        return [distribute_like(*pair) for pair in zip(template, state, strict=True)]
    return state
