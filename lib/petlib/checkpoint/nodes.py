"""A checkpoint for nodes that do not share the output folder: rank 0 has it, and each other node gets a copy."""

import os
from pathlib import Path

from petlib.checkpoint import files
from petlib.distributed.collectives import all_gather_objects, any_rank, broadcast_object
from petlib.distributed.process_group import is_main_process, local_rank, local_world_size, world_size
from petlib.errors import CheckpointError

PIECE_BYTES = 2**25


def give_to_all_nodes(path: Path) -> None:
    """Send a file of rank 0 to the nodes that do not see it under the same path; every rank calls it.

    A folder of a sharded checkpoint is not sent: those need an output folder that all nodes share.

    Raises:
        CheckpointError: a node cannot write it; raised on all ranks.
    """
    if world_size() == local_world_size() or path.suffix == ".dcp":
        return
    identity = broadcast_object(_identity(path) if is_main_process() else None)
    lacks = local_rank() == 0 and _identity(path) != identity
    if identity is None or not any_rank(lacks)[0]:
        return
    problem = _transfer(path, identity, lacks=lacks)
    first = next(filter(None, all_gather_objects(problem)), "")
    if first:
        raise CheckpointError(f"{path}: the checkpoint of the first node cannot be copied to another: {first}")


def _transfer(path: Path, identity: tuple[int, int], *, lacks: bool) -> str:
    """Send the bytes of the file through all ranks; return what went wrong in this one, which takes part to the end."""
    size, modified = identity
    temporary, problem = files.temporary_path(path), ""
    if lacks:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.remove_if_possible(temporary)
    for start in range(0, size, PIECE_BYTES):
        piece, lost = broadcast_object(_read(path, start) if is_main_process() else (b"", ""))
        problem = problem or lost
        if lacks and not problem:
            try:
                with temporary.open("ab") as file:
                    file.write(piece)
            except OSError as error:
                problem = str(error)
    if lacks and not problem:
        os.utime(temporary, ns=(modified, modified))
        temporary.replace(path)
    return problem


def _read(path: Path, start: int) -> tuple[bytes, str]:
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(PIECE_BYTES), ""
    except OSError as error:
        return b"", str(error)


def _identity(path: Path) -> tuple[int, int] | None:
    """Return size and time of a file, which a copy has, too; None: there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
