"""Checkpoint folders that several ranks write together and that any number of ranks can read.

The parts of sharded tensors are written by ``torch.distributed.checkpoint``, each by the rank that has it; everything else is
in one file, ``state.pth``, that rank 0 writes.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from petlib.checkpoint import dcp, files
from petlib.checkpoint.shards import insert, split_sharded
from petlib.checkpoint.snapshot import Snapshot
from petlib.checkpoint.state_file import read_file, write_file
from petlib.dist.collectives import all_gather_objects, broadcast_object
from petlib.dist.process_group import is_main_process
from petlib.errors import CheckpointError

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh

_LOGGER = logging.getLogger(__name__)
_STATE_FILE = "state.pth"


def write_folder(path: Path, state: Any) -> None:
    """Write ``state`` into a temporary folder and rename it to ``path``, which is not there yet.

    Every rank calls it; they share the file system.

    Raises:
        CheckpointError: a rank could not write; raised on all ranks. The temporary folder is removed.
    """
    temporary = path.with_name(broadcast_object(files.temporary_path(path).name))
    rest, sharded = split_sharded(state)
    keys = {".".join(map(str, tensor_path)): tensor_path for tensor_path in sharded}
    placed = {key: (tensor_path, dcp.placements_of(sharded[tensor_path])) for key, tensor_path in keys.items()}
    content = Snapshot().copy({"state": rest, "sharded": placed}) if is_main_process() else None
    try:
        _on_main("made", lambda: _prepare(temporary))
        if keys:
            _on_all("written", lambda: dcp.write_parts(temporary, {key: sharded[tensor_path] for key, tensor_path in keys.items()}))
        _on_main("written", lambda: write_file(temporary / _STATE_FILE, content))
        _on_main("renamed", lambda: _publish(temporary, path))
    except CheckpointError as error:
        if is_main_process():
            files.remove(temporary)
        raise CheckpointError(f"{path}: {error}") from error


def read_folder(path: Path, mesh: "DeviceMesh | None" = None) -> dict[str, Any]:
    """Return the state that :func:`write_folder` wrote.

    Args:
        mesh: the ranks over which its sharded tensors are to be sharded now; None gives them whole, on the CPU.

    Raises:
        CheckpointError: the folder is damaged or holds something else.
    """
    content = read_file(path / _STATE_FILE)
    if not isinstance(content, dict) or content.keys() != {"state", "sharded"}:
        raise CheckpointError(f"{path / _STATE_FILE}: this is no part of a sharded checkpoint")
    state: dict[str, Any] = content["state"]
    placements = {key: placement for key, (_, placement) in content["sharded"].items()}
    tensors = dcp.read_parts(path, placements, mesh) if placements else {}
    for key, (tensor_path, _) in content["sharded"].items():
        insert(state, tensor_path, tensors[key])
    return state


def _on_main(what: str, work: Callable[[], None]) -> None:
    _on_all(what, work if is_main_process() else lambda: None)


def _on_all(what: str, work: Callable[[], None]) -> None:
    """Do ``work`` and raise on all ranks where it failed on one, so that none goes on or waits alone."""
    problem = ""
    try:
        work()
    except (OSError, RuntimeError) as error:
        _LOGGER.debug("saving failed", exc_info=True)
        problem = str(error) or type(error).__name__
    first = next((other for other in all_gather_objects(problem) if other), "")
    if first:
        raise CheckpointError(f"the checkpoint could not be {what}: {first}")


def _prepare(temporary: Path) -> None:
    files.remove(temporary)
    temporary.mkdir(parents=True)


def _publish(temporary: Path, path: Path) -> None:
    files.flush_folder(temporary)
    temporary.rename(path)
    files.flush_folder(path.parent)
