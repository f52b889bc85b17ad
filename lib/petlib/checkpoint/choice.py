"""Which checkpoint a run resumes from: the newest whole one, on all ranks the same."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from petlib.checkpoint.damage import DamagedError
from petlib.checkpoint.locate import damage_of_checkpoint, read_checkpoint
from petlib.checkpoint.nodes import give_to_all_nodes
from petlib.distributed.collectives import all_gather_objects, broadcast_object
from petlib.distributed.process_group import is_main_process, rank, world_size
from petlib.errors import CheckpointError

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh

_LOGGER = logging.getLogger(__name__)


class Choice(NamedTuple):
    """The checkpoint that was taken.

    Attributes:
        path: where it is.
        state: what it holds.
        damaged: those that came first and are not whole.
    """

    path: Path
    state: dict[str, Any]
    damaged: list[Path]


def choose_whole(folder: Path, candidates: Sequence[Path], *, wanted: Path, mesh: "DeviceMesh | None" = None) -> Choice | None:
    """Return the first of the ``candidates`` that is whole; every rank calls it, and what rank 0 gives counts.

    The checksums are read once, shared out among the ranks. Where it is not ``wanted`` that is taken, a warning says which
    one is, and what is wrong with those before it.

    Args:
        folder: where the candidates are.
        candidates: the best choice first.
        wanted: the one that would be taken if all were well.
        mesh: the ranks over which sharded tensors are to be sharded.

    Returns:
        None where there are no candidates.

    Raises:
        CheckpointError: none is whole; each is named. Or one belongs to something else; then no other is taken instead.
    """
    names, wanted_name = broadcast_object(([path.name for path in candidates], wanted.name))
    problems = {} if not names or wanted_name == names[0] else {wanted_name: "it is not there"}
    damaged: list[Path] = []
    for path in (folder / name for name in names):
        state, problem = _try(path, mesh)
        if state is not None:
            if problems and is_main_process():
                _LOGGER.warning("%s; continuing from the newest whole checkpoint instead: %s", _listed(problems), _described(path, state))
            return Choice(path, state, damaged)
        problems[path.name] = problem
        damaged.append(path)
    if not names:
        return None
    raise CheckpointError(
        f"{folder}: there is no whole checkpoint to continue from: {_listed(problems)}; put a copy of one there, "
        "or begin anew with Checkpointer.restore False or another Checkpointer.folder"
    )


def _try(path: Path, mesh: "DeviceMesh | None") -> tuple[dict[str, Any] | None, str]:
    """Return the state where all ranks can read it, else what is wrong."""
    found = all_gather_objects(damage_of_checkpoint(path, part=rank(), parts=world_size()))
    damage = next(filter(None, found), "")
    if damage:
        return None, damage
    give_to_all_nodes(path)
    state, problem, is_damage = None, "", True
    try:
        state = read_checkpoint(path, mesh, checked=True)
    except CheckpointError as error:
        problem, is_damage = str(error), isinstance(error, DamagedError)
    first = next((other for other in all_gather_objects((problem, is_damage)) if other[0]), None)
    if first is None:
        return state, ""
    if first[1]:
        return None, first[0]
    raise CheckpointError(first[0])


def _listed(problems: dict[str, str]) -> str:
    return "; ".join(f"{name}: {problem}" for name, problem in problems.items())


def _described(path: Path, state: dict[str, Any]) -> str:
    iteration = state.get("iteration")
    return f"{path.name} of iteration {iteration}" if isinstance(iteration, int) else path.name
