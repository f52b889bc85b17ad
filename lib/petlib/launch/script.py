"""What every training and test script runs in: arguments, config, logging, exit codes."""

import logging
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from petlib.config import CfgNode, TaskConfig, load_cfg
from petlib.errors import USER_ERROR_EXIT_CODE, UserError
from petlib.launch.arguments import parse_script_arguments
from petlib.launch.diagnose import INTERRUPTED_EXIT_CODE
from petlib.launch.guard import follow_launcher, has_died
from petlib.launch.plan import LAUNCH_FOLDER
from petlib.launch.reports import first_report, write_report
from petlib.log import FILE_ONLY, setup_logging

logger = logging.getLogger(__name__)


def run_script(main: Callable[[CfgNode], None], task: TaskConfig, argv: Sequence[str] | None = None) -> NoReturn:
    """Read the command line and the config, set up logging, call ``main(cfg)`` and exit.

    Works under Pet's launcher, under torchrun, and alone. Exit codes: 0, 2 after a mistake of the user (one message, no
    traceback), 130 after Ctrl-C, 1 after any other exception (traceback), or the code of a ``SystemExit``.

    Args:
        main: the run itself; receives the frozen config.
        task: the task's ``config`` module.
        argv: the command line without the script's name; default: that of the process.
    """
    launcher = follow_launcher()
    name = os.environ.pop(LAUNCH_FOLDER, None)
    folder = Path(name) if launcher is not None and name else None
    try:
        sys.exit(_Run(main, task, launch_folder=folder)(sys.argv[1:] if argv is None else argv))
    finally:
        if launcher is not None and folder is not None and has_died(launcher):
            shutil.rmtree(folder, ignore_errors=True)


class _Run:
    """One run of a script, and what is to be said when it fails."""

    def __init__(self, main: Callable[[CfgNode], None], task: TaskConfig, *, launch_folder: Path | None) -> None:
        self._main = main
        self._task = task
        self._launch_folder = launch_folder
        self._rank = int(os.environ.get("RANK", "0"))
        self._attempt = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))
        self._purpose = Path(sys.argv[0]).stem.split("_")[0] or "run"
        self._logging = False
        self._screen = os.dup(2)

    def __call__(self, argv: Sequence[str]) -> int:
        try:
            self._main(self._prepare(argv))
        except UserError as error:
            self._tell(str(error))
            return USER_ERROR_EXIT_CODE
        except KeyboardInterrupt:
            return INTERRUPTED_EXIT_CODE
        except Exception:
            if self._logging:
                logger.exception("rank %d failed", self._rank, extra=FILE_ONLY)
            if not self._report(traceback.format_exc(), user_error=False, exit_code=1):
                os.dup2(self._screen, 2)
                raise
            return 1
        return 0

    def _prepare(self, argv: Sequence[str]) -> CfgNode:
        arguments = parse_script_arguments(argv, description=f"{self._purpose} with a config")
        if arguments.local_rank is not None:
            os.environ.setdefault("LOCAL_RANK", str(arguments.local_rank))
        cfg = load_cfg(self._task, arguments.cfg, arguments.overrides)
        early_output = self._launch_folder / f"rank{self._rank}.log" if self._launch_folder else None
        log = setup_logging(Path(cfg.MISC.CKPT), rank=self._rank, purpose=self._purpose, early_output=early_output)
        self._logging = True
        if early_output is not None:
            _replace_by_link(early_output, log)
        if self._rank == 0:
            self._tell_restart()
            logger.info("%s, with the settings of the command line:\n%s", arguments.cfg, cfg.dump().rstrip())
        return cfg

    def _tell(self, message: str) -> None:
        """Say a mistake of the user once, on the screen, whoever started this process."""
        if self._logging:
            logger.error(message, extra=FILE_ONLY)
        if self._report(message, user_error=True, exit_code=USER_ERROR_EXIT_CODE):
            return
        # before logging is set up all ranks make the same mistake: one tells it
        if self._logging or os.environ.get("LOCAL_RANK", "0") == "0":
            os.dup2(self._screen, 2)
            print(f"error: {message}", file=sys.stderr, flush=True)

    def _tell_restart(self) -> None:
        if self._attempt and self._launch_folder:
            report = first_report(self._launch_folder, self._attempt - 1)
            reason = f" after rank {report.rank} failed:\n{report.text.rstrip()}" if report else ""
            logger.warning("restart %d%s", self._attempt, reason)

    def _report(self, text: str, *, user_error: bool, exit_code: int) -> bool:
        """Leave the error to the launcher to print; return whether there is one that can."""
        if self._launch_folder is None:
            return False
        try:
            write_report(self._launch_folder, rank=self._rank, user_error=user_error, text=text, exit_code=exit_code, attempt=self._attempt)
        except OSError as error:
            logger.warning("the launcher cannot be told: %s", error)
            return False
        return True


def _replace_by_link(early_output: Path, log: Path) -> None:
    """Let the launcher find the log of the rank where it started the rank's output."""
    link = early_output.with_suffix(".link")
    link.symlink_to(log)
    link.replace(early_output)
