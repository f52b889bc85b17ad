"""What every training and test script runs in: arguments, config, logging, exit codes."""

import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from petlib.config import CfgNode, TaskConfig, load_cfg
from petlib.launch.process.run_process import RunProcess, run_process
from petlib.launch.start.arguments import parse_script_arguments

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
    sys.exit(run_process(lambda process: main(_prepare(process, task, words))))


def _prepare(process: RunProcess, task: TaskConfig, argv: Sequence[str]) -> CfgNode:
    purpose = Path(sys.argv[0]).stem.split("_")[0] or "run"
    arguments = parse_script_arguments(argv, description=f"{purpose} with a config")
    if arguments.local_rank is not None:
        os.environ.setdefault("LOCAL_RANK", str(arguments.local_rank))
    cfg = load_cfg(task, arguments.cfg, arguments.overrides)
    process.log_to(Path(cfg.MISC.CKPT), purpose=purpose)
    if process.rank == 0:
        logger.info("%s, with the settings of the command line:\n%s", arguments.cfg, cfg.dump().rstrip())
    return cfg
