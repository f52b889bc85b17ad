"""The ranks of one machine, from their command to their exit code."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from petlib.errors import OutputError
from petlib.launch.start.devices import Devices
from petlib.launch.start.plan import Meeting, RankPlan, plan_ranks
from petlib.launch.watch.supervise import supervise


def run_ranks(command: tuple[str, ...], devices: Devices, *, max_restarts: int = 0, root: Path | None = None) -> int:
    """Run a command once for each device, stay with the processes, and return the exit code of the run.

    Args:
        command: of every rank.
        devices: one for each rank.
        max_restarts: how often all ranks are started again after a failure.
        root: a folder that the ranks find modules in; None: there is none.

    Raises:
        OutputError: there is no room for temporary files.
    """
    with private_folder() as folder:

        def plan(listener: socket.socket, attempt: int) -> list[RankPlan]:
            port, descriptor = str(listener.getsockname()[1]), str(listener.fileno())
            meeting = Meeting(port=port, descriptor=descriptor, launcher_pid=str(os.getpid()), folder=str(folder), attempt=attempt)
            return plan_ranks(command, devices, meeting, root=root)

        return supervise(plan, folder=folder, max_restarts=max_restarts)


@contextmanager
def private_folder() -> Iterator[Path]:
    """Give a temporary folder that nobody else may look into, and remove it at the end.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="pet-launch-"))
    except OSError as error:
        raise OutputError(f"a temporary folder cannot be made: {error}; name a place for it with TMPDIR") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
