"""A rank that its launcher started does not outlive it: it saves, or it is ended."""

import logging
import os
import signal
import threading
import time
from pathlib import Path

from petlib.launch.start.plan import LAUNCH_FOLDER, LAUNCHER_PID
from petlib.launch.watch.processes import request_death_signal
from petlib.launch.watch.status import share_with_launcher

logger = logging.getLogger(__name__)

ORPHAN_GRACE = "PET_ORPHAN_GRACE"
"""Environment variable: seconds that a rank has to save after its launcher has died."""
DEFAULT_GRACE_SECONDS = 30.0
POLL_SECONDS = 1.0


def follow_launcher() -> int | None:
    """Tie this process to the launcher that started it; return the launcher's process id, or None where there is none.

    When the launcher dies, even by SIGKILL, this process gets SIGTERM, and after a grace its process group is killed. The
    variable with the launcher's number is taken out of the environment: it does not concern what this process starts.
    The launcher can see how far this process is. The request to save (SIGUSR1) is ignored until there is something to save.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    launcher = os.environ.pop(LAUNCHER_PID, None)
    if launcher is None:
        return None
    _show_status()
    asked_by_kernel = request_death_signal(signal.SIGTERM)
    if has_died(int(launcher)):
        os.kill(os.getpid(), signal.SIGTERM)
    grace = float(os.environ.get(ORPHAN_GRACE, DEFAULT_GRACE_SECONDS))
    threading.Thread(target=_watch, args=(int(launcher), grace, asked_by_kernel), name="launcher-watch", daemon=True).start()
    return int(launcher)


def has_died(launcher: int) -> bool:
    """Return whether the launcher is no longer the parent of this process."""
    return os.getppid() != launcher


def _show_status() -> None:
    folder = os.environ.get(LAUNCH_FOLDER)
    if folder is None:
        return
    try:
        share_with_launcher(Path(folder), int(os.environ.get("RANK", "0")))
    except OSError as error:
        logger.warning("the launcher cannot see how far this rank is: %s", error)


def _watch(launcher: int, grace: float, asked_by_kernel: bool) -> None:
    while not has_died(launcher):
        time.sleep(POLL_SECONDS)
    if not asked_by_kernel:
        os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace)
    os.killpg(os.getpgid(0), signal.SIGKILL)
