"""What every other tool with a config runs in, such as a look at the data: arguments, config, exit codes."""

import argparse
import logging
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from petlib.config import CfgNode, ConfigError, load_cfg, read_layers
from petlib.errors import USER_ERROR_EXIT_CODE, UserError
from petlib.launch.start.arguments import parse_tool_arguments
from petlib.launch.start.check import find_task_config
from petlib.launch.start.resolve import resolve_script
from petlib.launch.watch.diagnose import INTERRUPTED_EXIT_CODE
from petlib.log import ConsoleHandler
from petlib.registry import import_user_modules

Main = Callable[[CfgNode, argparse.Namespace], int]


def run_tool(
    main: Main,
    *,
    package: str,
    description: str,
    add_options: Callable[[argparse.ArgumentParser], None],
    repository: Path | None = None,
    argv: Sequence[str] | None = None,
) -> NoReturn:
    """Read the command line and the config of its task, call ``main(cfg, options)`` and exit with the code that it returns.

    The task is found by the path of the config, as the launcher finds it. Exit codes: that of ``main``, 2 after a mistake
    of the user (one message, no traceback), 130 after Ctrl-C.

    Args:
        main: receives the frozen config and the options.
        package: package of the tasks, e.g. ``"pet"``.
        description: what the tool does, for ``--help``.
        add_options: adds the tool's own options.
        repository: root of the checkout that the tool belongs to, where ``--type`` looks last.
        argv: the command line without the tool's name; default: that of the process.
    """
    try:
        options, overrides = parse_tool_arguments(sys.argv[1:] if argv is None else argv, description=description, add_options=add_options)
        cfg = _load(Path(options.cfg), overrides, package=package, type_folder=options.type, repository=repository)
        logging.getLogger().addHandler(ConsoleHandler())
        logging.getLogger().setLevel(logging.INFO)
        import_user_modules(cfg.MISC.IMPORTS)
        sys.exit(main(cfg, options))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.exit(USER_ERROR_EXIT_CODE)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED_EXIT_CODE)


def run_tool_of_config(script_name: str, *, description: str, repository: Path | None = None, argv: Sequence[str] | None = None) -> int:
    """Start a tool of the task that a config belongs to, in one process, and return its exit code.

    Args:
        script_name: e.g. ``"export_net.py"``: ``tools/<task>/export_net.py`` gets the whole command line.
        description: what it does, for ``--help``.
        repository: root of the checkout that is called, where ``--type`` looks last.
        argv: the command line without the program's name; default: that of the process.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(description=f"{description} Further options are those of tools/<task>/{script_name}.")
    parser.add_argument("--cfg", required=True, metavar="PATH", help="the config")
    parser.add_argument("--type", metavar="FOLDER", help="folder of the script below tools/ (default: from the config's path below cfgs/)")
    options, _ = parser.parse_known_args(arguments)
    try:
        read_layers(Path(options.cfg))
        script = resolve_script(Path(options.cfg), script_name, type_folder=options.type, repository=repository)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return USER_ERROR_EXIT_CODE
    try:
        return subprocess.call([sys.executable, str(script.path), *arguments])
    except KeyboardInterrupt:
        return INTERRUPTED_EXIT_CODE


def _load(path: Path, overrides: Sequence[str], *, package: str, type_folder: str | None, repository: Path | None) -> CfgNode:
    read_layers(path)
    script = resolve_script(path, "train_net.py", type_folder=type_folder, repository=repository)
    task = find_task_config(package, script.folders)
    if task is None:
        raise ConfigError(f"{path}: its task has no module {'.'.join((package, *script.folders, 'config'))}, which knows its settings")
    return load_cfg(task, path, overrides)
