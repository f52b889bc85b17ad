"""From a path as a user gives it to the state that is there."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from petlib.checkpoint.damage import DamagedError, zip_damage
from petlib.checkpoint.sharded import folder_damage, read_folder
from petlib.checkpoint.state_file import read_file
from petlib.errors import CheckpointError

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh


def resolve_pointer(path: Path) -> Path:
    """Return the folder that ``model_latest.dcp`` or ``model_best.dcp`` names; other paths are returned as they are.

    Raises:
        DamagedError: the file does not name a folder next to it.
    """
    if path.suffix != ".dcp" or not path.is_file():
        return path
    name = path.read_bytes()[:256].decode(errors="replace").strip()
    if not name.endswith(".dcp") or Path(name).name != name:
        raise DamagedError(f"{path}: it should hold the name of a folder model_iter<N>.dcp next to it, it holds {name!r}")
    return path.with_name(name)


def read_checkpoint(path: Path, mesh: "DeviceMesh | None" = None, *, checked: bool = False) -> dict[str, Any]:
    """Return what a checkpoint of a run holds, a file or a sharded folder; with ``mesh`` the latter's tensors are sharded over it.

    Args:
        path: the file or folder, or a pointer to the latter.
        mesh: the ranks over which sharded tensors are to be sharded now.
        checked: :func:`damage_of_checkpoint` has just found it whole.

    Raises:
        DamagedError: it is damaged.
        CheckpointError: it is missing or no checkpoint.
    """
    path = resolve_pointer(path)
    state = read_folder(path, mesh, checked=checked) if path.suffix == ".dcp" else read_file(path, checked=checked)
    if not isinstance(state, dict):
        raise CheckpointError(f"{path}: a checkpoint holds a dictionary, this file holds a {type(state).__name__}")
    return state


def damage_of_checkpoint(path: Path, *, part: int = 0, parts: int = 1) -> str:
    """Return what is wrong with a checkpoint that a run wrote, by its checksums; empty where it is whole.

    Args:
        path: the file or folder, or a pointer to the latter.
        part: which share of the reading is done here, from 0.
        parts: how many processes share the reading.
    """
    try:
        target = resolve_pointer(path)
        if target.suffix == ".dcp":
            return folder_damage(target, part=part, parts=parts)
    except (DamagedError, OSError) as error:
        return str(error)
    return zip_damage(target) if part == 0 else ""
