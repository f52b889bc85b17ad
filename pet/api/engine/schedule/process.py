"""The processes of a training that a user's own script starts, by the means of Pet's launcher."""

import logging
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

from petlib.errors import USER_ERROR_EXIT_CODE, UserError
from petlib.launch.devices import Devices
from petlib.launch.diagnose import INTERRUPTED_EXIT_CODE
from petlib.launch.guard import follow_launcher, has_died
from petlib.launch.plan import LAUNCH_FOLDER, Meeting, listening_socket, plan_ranks
from petlib.launch.reports import write_report
from petlib.launch.supervise import supervise
from petlib.log import FILE_ONLY

logger = logging.getLogger(__name__)


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


def run_rank(main: Callable[[Path | None], None]) -> int:
    """Call ``main(early_output)`` and return the exit code: 0, 2 after a mistake of the user, which is told in one message, 1 or 130.

    A rank of our launcher leaves its error to it; any other process prints it.

    Args:
        main: the run; its argument is the file that held the output of this process so far, None where that is the screen.

    Raises:
        Exception: what ``main`` raised, where no launcher is there to print it and it is no mistake of the user.
    """
    launcher = follow_launcher()
    name = os.environ.pop(LAUNCH_FOLDER, None)
    folder = Path(name) if launcher is not None and name else None
    rank = int(os.environ.get("RANK", "0"))
    try:
        main(folder / f"rank{rank}.log" if folder else None)
    except UserError as error:
        return _tell(folder, rank, str(error))
    except KeyboardInterrupt:
        return INTERRUPTED_EXIT_CODE
    except Exception:
        logger.exception("rank %d failed", rank, extra=FILE_ONLY)
        if folder is None:
            raise
        write_report(folder, rank=rank, user_error=False, text=traceback.format_exc(), exit_code=1)
        return 1
    finally:
        if launcher is not None and folder is not None and has_died(launcher):
            shutil.rmtree(folder, ignore_errors=True)
    return 0


def _tell(folder: Path | None, rank: int, message: str) -> int:
    logger.error(message, extra=FILE_ONLY)
    if folder is not None:
        write_report(folder, rank=rank, user_error=True, text=message, exit_code=USER_ERROR_EXIT_CODE)
    else:
        print(f"error: {message}", file=sys.stderr, flush=True)
    return USER_ERROR_EXIT_CODE
