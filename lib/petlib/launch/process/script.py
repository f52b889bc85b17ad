"""What every training and test script runs in: arguments, config, logging, exit codes."""

import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from petlib.config import CfgNode, TaskConfig, load_cfg, read_layers
from petlib.config.usage import describe_settings, unread_overrides
from petlib.launch.process.run_process import RunProcess, run_process
from petlib.launch.start.arguments import ScriptArguments, parse_script_arguments
from petlib.launch.start.task_folder import find_task_folder

LATER_SECTIONS = ("TEST", "EVAL", "VIS", "EXPORT")
"""Sections that belong to what may follow a training."""

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
    words = sys.argv[1:] if argv is None else argv

    def run(process: RunProcess) -> None:
        arguments = parse_script_arguments(words, description=f"{_purpose()} with a config")
        cfg = _prepare(process, task, arguments)
        main(cfg)
        if _purpose() == "train":
            _list_unread(process, cfg)

    sys.exit(run_process(run))


def run_script_of_all_tasks(
    main: Callable[[CfgNode, ScriptArguments], None], *, package: str, argv: Sequence[str] | None = None
) -> NoReturn:
    """Do the same as :func:`run_script` for a script that serves every task: the task is found by the path of the config.

    Args:
        main: the run itself; receives the frozen config and the command line.
        package: package of the tasks, e.g. ``"pet"``.
        argv: the command line without the script's name; default: that of the process.
    """
    words = sys.argv[1:] if argv is None else argv

    def run(process: RunProcess) -> None:
        arguments = parse_script_arguments(words, description=f"{_purpose()} with a config", serves_all_tasks=True)
        read_layers(arguments.cfg)
        folder = find_task_folder(arguments.cfg, package, type_folder=arguments.type_folder)
        cfg = _prepare(process, folder.config, arguments)
        main(cfg, arguments)

    sys.exit(run_process(run))


def _purpose() -> str:
    return Path(sys.argv[0]).stem.split("_")[0] or "run"


def _prepare(process: RunProcess, task: TaskConfig, arguments: ScriptArguments) -> CfgNode:
    if arguments.local_rank is not None:
        os.environ.setdefault("LOCAL_RANK", str(arguments.local_rank))
    cfg = load_cfg(task, arguments.cfg, arguments.overrides)
    process.log_to(Path(cfg.MISC.CKPT), purpose=_purpose())
    if process.rank == 0:
        logger.info(
            "%s: what differs from the defaults (config.yaml in the output folder has all settings)\n%s",
            arguments.cfg,
            describe_settings(cfg),
        )
    return cfg


def _list_unread(process: RunProcess, cfg: CfgNode) -> None:
    """Warn of what a training was given that no part of it read; what is for tests, pictures and exports waits for those."""
    unread = [key for key in unread_overrides(cfg) if key.partition(".")[0] not in LATER_SECTIONS]
    if unread and process.rank == 0:
        logger.warning("given on the command line, but nothing in this training has read it: %s", ", ".join(unread))
