"""The processes of a training that a user's own script starts, by the means of Pet's launcher."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from petlib.launch.devices import Devices
from petlib.launch.plan import Meeting, listening_socket, plan_ranks
from petlib.launch.supervise import supervise


def is_rank() -> bool:
    """Return whether a launcher, ours or torchrun, has started this process as one of several."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def start_ranks(devices: Devices) -> int:
    """Run this program once more for each device, stay with the processes, and return the exit code of the run."""
    command = (sys.executable, *sys.orig_argv[1:])
    folder = Path(tempfile.mkdtemp(prefix="pet-launch-"))
    try:
        with listening_socket() as listener:
            port, descriptor = str(listener.getsockname()[1]), str(listener.fileno())
            meeting = Meeting(port=port, descriptor=descriptor, launcher_pid=str(os.getpid()), folder=str(folder))
            return supervise(plan_ranks(command, devices, meeting), folder=folder, listener=listener)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
