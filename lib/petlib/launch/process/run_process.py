"""One process of a run: its arguments, config and log, what it says when it fails, and its exit code."""

import logging
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from petlib.config import CfgNode, TaskConfig, keys_in_errors, load_cfg, read_layers
from petlib.config.usage import describe_settings, describe_unread
from petlib.errors import USER_ERROR_EXIT_CODE, UserError
from petlib.launch.process.garbage import collector
from petlib.launch.process.guard import follow_launcher, has_died
from petlib.launch.start.arguments import ScriptArguments, parse_script_arguments
from petlib.launch.start.plan import LAUNCH_FOLDER
from petlib.launch.start.resolve import find_config, type_of_script
from petlib.launch.start.task_folder import find_task_folder
from petlib.launch.watch.diagnose import INTERRUPTED_EXIT_CODE
from petlib.launch.watch.status import first_report, write_report
from petlib.launch.watch.supervise import report_interrupt, say
from petlib.log import FILE_ONLY, open_missing_streams, setup_logging

LATER_SECTIONS = ("TEST", "EVAL", "VIS", "EXPORT")
"""Sections that belong to what may follow a training."""
RUNS = {"train": "training", "test": "test"}
"""Beginnings of scripts' names -> what a run of them is called."""

logger = logging.getLogger(__name__)


class RunProcess:
    """This process as one of a run.

    Args:
        launch_folder: private folder of the launcher that started it; None: there is none, or one that is not ours.

    Attributes:
        rank: its number among all.
    """

    def __init__(self, launch_folder: Path | None) -> None:
        self.rank = int(os.environ.get("RANK", "0"))
        self._launch_folder = launch_folder
        self._attempt = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))
        self._logging = False
        self._screen = os.dup(2)

    def log_to(self, folder: Path, *, purpose: str) -> None:
        """Log to the output folder from here on; what went wrong in the attempt before is said first.

        Args:
            folder: the output folder.
            purpose: of the run, the beginning of the log's name: ``"train"``, ``"test"``.

        Raises:
            OutputError: the log file cannot be made.
        """
        early_output = self._launch_folder / f"rank{self.rank}.log" if self._launch_folder else None
        log = setup_logging(folder, rank=self.rank, purpose=purpose, early_output=early_output)
        self._logging = True
        if early_output is not None:
            _replace_by_link(early_output, log)
        if self.rank == 0:
            self._report_restart()

    def call(self, main: Callable[["RunProcess"], None]) -> int:
        """Call ``main`` with this process and return its exit code; see :func:`run_process`."""
        try:
            main(self)
        except UserError as error:
            self._report_mistake(str(error))
            return USER_ERROR_EXIT_CODE
        except KeyboardInterrupt as interrupt:
            # a launcher says so itself, and of several processes without one the first does
            if self._launch_folder is None and os.environ.get("LOCAL_RANK", "0") == "0":
                interrupt.add_note("the same command goes on from the last checkpoint, where there is one")
                return report_interrupt(interrupt)
            return INTERRUPTED_EXIT_CODE
        except Exception:
            if self._logging:
                logger.exception("rank %d failed", self.rank, extra=FILE_ONLY)
            if not self._report(traceback.format_exc(), user_error=False, exit_code=1):
                os.dup2(self._screen, 2)
                raise
            return 1
        return 0

    def _report_mistake(self, message: str) -> None:
        """Report a mistake of the user once, on the screen, whoever started this process."""
        if self._logging:
            logger.error(message, extra=FILE_ONLY)
        if self._report(message, user_error=True, exit_code=USER_ERROR_EXIT_CODE):
            return
        # before logging is set up all ranks make the same mistake: one reports it
        if self._logging or os.environ.get("LOCAL_RANK", "0") == "0":
            os.dup2(self._screen, 2)
            say(f"error: {message}")

    def _report_restart(self) -> None:
        if self._attempt and self._launch_folder:
            report = first_report(self._launch_folder, self._attempt - 1)
            reason = f" after rank {report.rank} failed:\n{report.text.rstrip()}" if report else ""
            logger.warning("restart %d%s", self._attempt, reason)

    def _report(self, text: str, *, user_error: bool, exit_code: int) -> bool:
        """Leave the error to the launcher to print; return whether there is one that can."""
        if self._launch_folder is None:
            return False
        try:
            write_report(self._launch_folder, rank=self.rank, user_error=user_error, text=text, exit_code=exit_code, attempt=self._attempt)
        except OSError as error:
            logger.warning("the error cannot be reported to the launcher: %s", error)
            return False
        return True


def run_process(main: Callable[[RunProcess], None]) -> int:
    """Call ``main`` as one process of a run, whoever started it, and return the exit code.

    ``main`` reads its config, calls :meth:`RunProcess.log_to` when it knows the output folder, and trains. Exit codes: 0, 2
    after a mistake of the user (one message, no traceback), 130 after Ctrl-C, 1 after another exception that was left to the
    launcher to print. When the launcher dies, this process saves and ends, or is ended. Until its first batches are loaded
    Python's collector of garbage rests.

    Raises:
        Exception: what ``main`` raised, where no launcher of ours is there to print it and it is no mistake of the user.
    """
    open_missing_streams()
    collector.rest()
    launcher = follow_launcher()
    name = os.environ.pop(LAUNCH_FOLDER, None)
    folder = Path(name) if launcher is not None and name else None
    try:
        return RunProcess(folder).call(main)
    finally:
        collector.resume()
        if launcher is not None and folder is not None and has_died(launcher):
            shutil.rmtree(folder, ignore_errors=True)


def _replace_by_link(early_output: Path, log: Path) -> None:
    """Let the launcher find the log of the rank where it started the rank's output."""
    link = early_output.with_suffix(".link")
    link.symlink_to(log)
    link.replace(early_output)


def run_script(main: Callable[[CfgNode], None], task: TaskConfig, argv: Sequence[str] | None = None) -> NoReturn:
    """Read the command line and the config, set up logging, call ``main(cfg)`` and exit.

    Works under Pet's launcher, under torchrun, and alone. Exit codes: 0, 2 after a mistake of the user (one message, no
    traceback), 130 after Ctrl-C, 1 after any other exception (traceback), or the code of a ``SystemExit``.

    Args:
        main: the run itself; receives the frozen config.
        task: the task's ``config`` module.
        argv: the command line without the script's name; default: that of the process.
    """
    words = sys.argv[1:] if argv is None else argv

    def run(process: RunProcess) -> None:
        arguments = parse_script_arguments(words, description=f"{_purpose()} with a config")
        cfg = load_cfg(task, arguments.cfg, arguments.overrides, type_folder=type_of_script(Path(sys.argv[0])))
        with keys_in_errors(cfg):
            _prepare(process, cfg, arguments)
            main(cfg)
            _list_unread(process, cfg)

    sys.exit(run_process(run))


def run_script_of_all_tasks(
    main: Callable[[CfgNode, ScriptArguments], None],
    *,
    package: str,
    check: Callable[[CfgNode], object] = lambda cfg: None,
    argv: Sequence[str] | None = None,
) -> NoReturn:
    """Do the same as :func:`run_script` for a script that serves every task: the task is found by the path of the config.

    Args:
        main: the run itself; receives the frozen config and the command line.
        package: package of the tasks, e.g. ``"pet"``.
        check: raises a mistake of the user that is to be found before anything is written into the output folder.
        argv: the command line without the script's name; default: that of the process.
    """
    words = sys.argv[1:] if argv is None else argv

    def run(process: RunProcess) -> None:
        arguments = parse_script_arguments(words, description=f"{_purpose()} with a config", serves_all_tasks=True)
        arguments = arguments._replace(cfg=find_config(arguments.cfg, package))
        read_layers(arguments.cfg)
        folder = find_task_folder(arguments.cfg, package, type_folder=arguments.type_folder)
        cfg = load_cfg(folder.config, arguments.cfg, arguments.overrides, type_folder=folder.type_folder)
        with keys_in_errors(cfg):
            check(cfg)
            _prepare(process, cfg, arguments)
            main(cfg, arguments)
            _list_unread(process, cfg)

    sys.exit(run_process(run))


def _purpose() -> str:
    return Path(sys.argv[0]).stem.split("_")[0] or "run"


def _prepare(process: RunProcess, cfg: CfgNode, arguments: ScriptArguments) -> None:
    if arguments.local_rank is not None:
        os.environ.setdefault("LOCAL_RANK", str(arguments.local_rank))
    process.log_to(Path(cfg.MISC.CKPT), purpose=_purpose())
    if process.rank == 0:
        logger.info(
            "%s: what differs from the defaults or is given on the command line (all settings: %s)\n%s",
            arguments.cfg,
            Path("config.yaml" if _purpose() == "train" else f"{_purpose()}/config.yaml"),
            describe_settings(cfg),
        )


def _list_unread(process: RunProcess, cfg: CfgNode) -> None:
    """Warn of what a run was given that no part of it read; what is for tests, pictures and exports waits for those after a training."""
    trains = _purpose() == "train"
    text = describe_unread(cfg, RUNS.get(_purpose(), "run"), later=LATER_SECTIONS if trains else ())
    if not text or process.rank != 0:
        return
    # the last line of a test's output is its result
    logger.warning(text, extra=None if trains else FILE_ONLY)
    if not trains:
        say(f"WARNING: {text}")
