"""Checkpoint folders that several ranks write together and that any number of ranks can read.

The parts of sharded tensors are written by ``torch.distributed.checkpoint``, each by the rank that has it; everything else is
in one file, ``state.pth``, that rank 0 writes.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from petlib.checkpoint import dcp, files
from petlib.checkpoint.background import Worker
from petlib.checkpoint.damage import Checksums, DamagedError, changed_files, checksums, zip_damage
from petlib.checkpoint.snapshot import Snapshot
from petlib.checkpoint.state_file import read_file, write_file
from petlib.distributed.collectives import all_gather_objects, broadcast_object
from petlib.distributed.process_group import is_main_process, rank
from petlib.distributed.row_sharded import is_sharded
from petlib.errors import CheckpointError

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh

_LOGGER = logging.getLogger(__name__)
_STATE_FILE = "state.pth"


def write_folder(path: Path, state: Any, worker: Worker) -> None:
    """Write ``state`` into a temporary folder and rename it to ``path``, which is not there yet.

    Every rank calls it; they share the file system.

    Args:
        path: the folder.
        state: the nested state.
        worker: does what touches the disk, with its limit to each step.

    Raises:
        CheckpointError: a rank could not write; raised on all ranks. The temporary folder is removed where that is possible.
    """
    temporary = path.with_name(broadcast_object(files.temporary_path(path).name))
    rest, sharded = split_sharded(state)
    keys = {".".join(map(str, tensor_path)): tensor_path for tensor_path in sharded}
    placed = {key: (tensor_path, dcp.placements_of(sharded[tensor_path])) for key, tensor_path in keys.items()}
    try:
        on_main("made", lambda: worker.run(lambda: _prepare(temporary)))
        if keys:
            tensors = {key: sharded[tensor_path] for key, tensor_path in keys.items()}
            on_all("written", lambda: dcp.write_parts(temporary, tensors, worker))
        written = _checksums_of_all(temporary, worker) if keys else {}

        def write_rest() -> None:
            content = Snapshot().copy({"state": rest, "sharded": placed, "files": written})
            worker.run(lambda: write_file(temporary / _STATE_FILE, content))

        on_main("written", write_rest)
        on_main("renamed", lambda: worker.run(lambda: _publish(temporary, path)))
    except CheckpointError:
        if is_main_process() and not worker.busy:
            files.remove_if_possible(temporary)
        raise


def read_folder(path: Path, mesh: "DeviceMesh | None" = None, *, checked: bool = False) -> dict[str, Any]:
    """Return the state that :func:`write_folder` wrote.

    Args:
        path: the folder.
        mesh: the ranks over which its sharded tensors are to be sharded now; None gives them whole, on the CPU.
        checked: :func:`folder_damage` has just found it whole.

    Raises:
        DamagedError: the folder is damaged.
        CheckpointError: it holds something else.
    """
    content = _read_content(path, checked=checked)
    try:
        damage = "" if checked else changed_files(path, content.get("files", {}))
        if damage:
            raise DamagedError(f"{path}: the checkpoint is {damage}")
        return _joined(path, content, mesh)
    except CheckpointError:
        raise
    # nothing says what a file from elsewhere holds in these places
    except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise CheckpointError(f"{path / _STATE_FILE}: this is no part of a sharded checkpoint ({error!r})") from error


def _joined(path: Path, content: dict[str, Any], mesh: "DeviceMesh | None") -> dict[str, Any]:
    """Return the state with its sharded tensors."""
    state: dict[str, Any] = content["state"]
    placements = {key: placement for key, (_, placement) in content["sharded"].items()}
    tensors = dcp.read_parts(path, placements, mesh) if placements else {}
    for key, (tensor_path, _) in content["sharded"].items():
        insert(state, tensor_path, tensors[key])
    return state


def folder_damage(path: Path, *, part: int = 0, parts: int = 1) -> str:
    """Return what is wrong with a folder by its checksums; empty where it is whole. ``parts`` processes may share the reading."""
    if not path.is_dir():
        return "there is no such folder"
    damage = zip_damage(path / _STATE_FILE)
    if damage:
        return f"{_STATE_FILE} is {damage}"
    recorded: Checksums = _read_content(path, checked=True).get("files", {})
    return changed_files(path, {name: recorded[name] for name in sorted(recorded)[part::parts]})


def on_main(what: str, work: Callable[[], None]) -> None:
    """Do ``work`` on rank 0 and raise on all ranks where it failed; every rank calls it."""
    on_all(what, work if is_main_process() else lambda: None)


def on_all(what: str, work: Callable[[], None]) -> None:
    """Do ``work`` and raise on all ranks where it failed on one, so that none goes on or waits alone."""
    problem = ""
    try:
        work()
    except (OSError, RuntimeError, CheckpointError) as error:
        _LOGGER.debug("saving failed", exc_info=True)
        problem = str(error) or type(error).__name__
    first = next((other for other in all_gather_objects(problem) if other), "")
    if first:
        raise CheckpointError(f"it could not be {what}: {first}")


def _read_content(path: Path, *, checked: bool) -> dict[str, Any]:
    content = read_file(path / _STATE_FILE, checked=checked)
    if not isinstance(content, dict) or not content.keys() >= {"state", "sharded"}:
        raise CheckpointError(f"{path / _STATE_FILE}: this is no part of a sharded checkpoint")
    return content


def _checksums_of_all(folder: Path, worker: Worker) -> dict[str, tuple[int, int]]:
    """Return the checksums of all parts; each rank reads what it wrote itself, which is still in its memory."""
    own: dict[str, tuple[int, int]] = {}

    def read() -> None:
        names = [path.name for path in folder.glob(f"__{rank()}_*.distcp")]
        own.update(worker.run(lambda: checksums(folder, [*names, *([dcp.INDEX_FILE] if is_main_process() else [])])))

    on_all("read back", read)
    return {name: values for part in all_gather_objects(own) for name, values in part.items()}


def _prepare(temporary: Path) -> None:
    files.remove(temporary)
    temporary.mkdir(parents=True)


def _publish(temporary: Path, path: Path) -> None:
    files.flush_folder(temporary)
    temporary.rename(path)
    files.flush_folder(path.parent)


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
        return next((parameter.device_mesh for parameter in component.parameters() if is_sharded(parameter)), None)
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
