"""Back to the last checkpoint while a run goes on."""

from petlib.checkpoint.random_state import restore_random_state
from petlib.distributed.process_group import rank, world_size
from petlib.engine.snapshot import parts_of
from petlib.engine.state import TrainState
from petlib.errors import CheckpointError
from petlib.events.storage import EventStorage


class RolledBack(Exception):  # noqa: N818 -- no error: it makes the loop go on from the state that was restored
    """The state of the run was put back by :func:`go_back`."""


def go_back(state: TrainState, *, iteration: int) -> int:
    """Put back the state of the last checkpoint, and set the counter to ``iteration``; every rank calls it.

    The schedules move on to ``iteration``: the iterations in between count, although nothing of them stays.

    Returns:
        The iteration of the checkpoint.

    Raises:
        CheckpointError: there is no checkpoint, or it is damaged.
    """
    saved = state.checkpointer.restore(parts_of(state, state.hooks))
    if saved is None:
        raise CheckpointError(f"{state.checkpointer.latest_path}: there is no checkpoint to go back to")
    if len(saved["random"]) == world_size():
        restore_random_state(saved["random"][rank()])
    for scheduler in state.schedulers.values():
        for _ in range(iteration - saved["iteration"]):
            scheduler.step()
    state.iteration = iteration
    state.storage = EventStorage()
    return int(saved["iteration"])
