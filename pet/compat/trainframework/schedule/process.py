"""The processes of a training that a user's own script starts, by the means of Pet's launcher."""

import os
import sys

from petlib.launch.start.devices import Devices
from petlib.launch.start.main import run_ranks


def is_rank() -> bool:
    """Return whether a launcher, ours or torchrun, has started this process as one of several."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def start_ranks(devices: Devices) -> int:
    """Run this program once more for each device, stay with the processes, and return the exit code of the run."""
    command = (sys.executable, *sys.orig_argv[1:])
    return run_ranks(command, devices)
