"""From a path as a user gives it to the state that is there."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from petlib.checkpoint.sharded import read_folder
from petlib.checkpoint.state_file import read_file
from petlib.errors import CheckpointError

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh


def resolve_pointer(path: Path) -> Path:
    """Return the folder that ``model_latest.dcp`` or ``model_best.dcp`` names; other paths are returned as they are.

    Raises:
        CheckpointError: the file does not name a folder beside it.
    """
    if path.suffix != ".dcp" or not path.is_file():
        return path
    name = path.read_bytes()[:256].decode(errors="replace").strip()
    if not name.endswith(".dcp") or Path(name).name != name:
        raise CheckpointError(f"{path}: it should hold the name of a folder model_iter<N>.dcp beside it, it holds {name!r}")
    return path.with_name(name)


def read_checkpoint(path: Path, mesh: "DeviceMesh | None" = None) -> dict[str, Any]:
    """Return what a checkpoint of a run holds, a file or a sharded folder; with ``mesh`` the latter's tensors are sharded over it.

    Raises:
        CheckpointError: it is missing, damaged or no checkpoint.
    """
    path = resolve_pointer(path)
    state = read_folder(path, mesh) if path.suffix == ".dcp" else read_file(path)
    if not isinstance(state, dict):
        raise CheckpointError(f"{path}: a checkpoint holds a dictionary, this file holds a {type(state).__name__}")
    return state
