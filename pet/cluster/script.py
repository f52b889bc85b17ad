"""Runs a script of the user's on the devices of this node, a process each, under the launcher's supervision."""

import sys
from collections.abc import Sequence

from petlib.errors import USER_ERROR_EXIT_CODE, UserError
from petlib.launch.start.devices import choose_devices, visible_gpus
from petlib.launch.start.main import run_ranks
from petlib.launch.watch.supervise import say


def main(processes: int, words: Sequence[str]) -> int:
    """Run a script and return its exit code.

    Args:
        processes: how many; each gets a GPU, or computes on the CPU where there is none.
        words: the script and its arguments.
    """
    try:
        devices = choose_devices(gpu_id=None, nproc=processes, device="auto", visible=visible_gpus())
    except UserError as error:
        say(f"error: {error}")
        return USER_ERROR_EXIT_CODE
    say(f"{words[0]}: {devices.summary}" + (f" ({devices.note})" if devices.note else ""))
    return run_ranks((sys.executable, "-u", *words), devices)
