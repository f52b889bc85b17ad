"""What every tool other than a run runs in, such as a look at the data: arguments, config where it has one, exit codes."""

import argparse
import logging
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import NoReturn, ParamSpec, TypeVar

from petlib.config import CfgNode, keys_in_errors, load_cfg, read_layers
from petlib.config.usage import describe_unread
from petlib.errors import USER_ERROR_EXIT_CODE, UserError
from petlib.launch.start.arguments import add_type, parse_tool_arguments
from petlib.launch.start.command_parser import CommandParser
from petlib.launch.start.resolve import find_config, find_places, find_script
from petlib.launch.start.task_folder import find_task_folder
from petlib.launch.watch.supervise import report_interrupt
from petlib.log import ConsoleHandler
from petlib.registry import import_user_modules

Main = Callable[[CfgNode, argparse.Namespace], int]
Given = ParamSpec("Given")
Returned = TypeVar("Returned")


def run_tool(
    main: Main,
    *,
    package: str,
    description: str,
    add_options: Callable[[argparse.ArgumentParser], None],
    argv: Sequence[str] | None = None,
) -> NoReturn:
    """Read the command line and the config of its task, call ``main(cfg, options)`` and exit with the code that it returns.

    The task is found by the path of the config or by ``--type``, as the launcher finds it. Exit codes: that of ``main``, 2 after a mistake
    of the user (one message, no traceback), 130 after Ctrl-C.

    Args:
        main: receives the frozen config and the options.
        package: package of the tasks, e.g. ``"pet"``.
        description: what the tool does, for ``--help``.
        add_options: adds the tool's own options.
        argv: the command line without the tool's name; default: that of the process.
    """

    def run() -> int:
        cfg, options = read_tool(sys.argv[1:] if argv is None else argv, package=package, description=description, add_options=add_options)
        logging.getLogger().addHandler(ConsoleHandler())
        logging.getLogger().setLevel(logging.INFO)
        import_user_modules(cfg.MISC.IMPORTS)
        with keys_in_errors(cfg):
            code = main(cfg, options)
        if unread := describe_unread(cfg, "command"):
            print(f"WARNING: {unread}", file=sys.stderr, flush=True)
        return code

    sys.exit(exit_code_of(run))


def read_tool(
    argv: Sequence[str], *, package: str, description: str, add_options: Callable[[argparse.ArgumentParser], None]
) -> tuple[CfgNode, argparse.Namespace]:
    """Read the command line and the config of its task; see :func:`run_tool` for the arguments.

    Raises:
        UserError: something is wrong with the config or its path.
        SystemExit: ``--help``, or an option is malformed.
    """
    options, overrides = parse_tool_arguments(argv, description=description, add_options=add_options)
    options.cfg = find_config(Path(options.cfg), package)
    read_layers(options.cfg)
    task = find_task_folder(options.cfg, package, type_folder=options.type)
    return load_cfg(task.config, options.cfg, overrides, type_folder=task.type_folder), options


def call_own_script(script_name: str, *, package: str, repository: Path | None = None, argv: Sequence[str] | None = None) -> int | None:
    """Run the script of a task that has one of its own instead of a tool for all tasks, in one process, and return its exit code.

    Args:
        script_name: e.g. ``"export_net.py"``: ``tools/<task>/export_net.py`` gets the whole command line.
        package: package of the tasks, whose configs may be given by their names.
        repository: root of the checkout that is called, where ``--type`` looks last.
        argv: the command line without the program's name; default: that of the process.

    Returns:
        The exit code; None: the task has no such script, or the command line names no config.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--cfg", type=Path)
    add_type(parser, argparse.SUPPRESS)
    options, _ = parser.parse_known_args(arguments)
    if options.cfg is None:
        return None

    def run() -> int | None:
        config = find_config(options.cfg, package)
        script = find_script(find_places(config, type_folder=options.type, repository=repository), script_name)
        return None if script is None else subprocess.call([sys.executable, str(script.path), *arguments])

    return exit_code_of(run)


def run_plain_tool(
    main: Callable[[argparse.Namespace], int],
    *,
    description: str,
    add_options: Callable[[argparse.ArgumentParser], None],
    argv: Sequence[str] | None = None,
) -> NoReturn:
    """Read the command line, call ``main(options)`` and exit with the code that it returns.

    Exit codes: that of ``main``, 2 after a mistake of the user (one message, no traceback), 130 after Ctrl-C.

    Args:
        main: receives the options.
        description: what the tool does, for ``--help``.
        add_options: adds the tool's options and positional arguments.
        argv: the command line without the tool's name; default: that of the process.
    """
    parser = CommandParser(description=description)
    add_options(parser)
    options, rest = parser.parse_known_intermixed_args(parser.checked(sys.argv[1:] if argv is None else argv))
    if rest and rest[0].startswith("-"):
        parser.refuse_option(rest[0].partition("=")[0])
    if rest:
        parser.error(f"{rest[0]!r} is given, which has no meaning here")
    sys.exit(exit_code_of(lambda: main(options)))


def exit_code_of(call: Callable[[], int | None]) -> int | None:
    """Return what a call returns, 2 after a mistake of the user, which one message reports, and 130 after Ctrl-C, which one line reports.

    Code that knows what an interrupted command leaves or how it goes on says so, :func:`petlib.errors.note_if_interrupted`.
    """
    try:
        return call()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return USER_ERROR_EXIT_CODE
    except KeyboardInterrupt as interrupt:
        return report_interrupt(interrupt)


def reports_interrupt(command: Callable[Given, Returned]) -> Callable[Given, Returned]:
    """Make a function that is a whole command, its imports among it, report Ctrl-C in one line and exit with 130."""

    @wraps(command)
    def call(*arguments: Given.args, **options: Given.kwargs) -> Returned:
        try:
            return command(*arguments, **options)
        except KeyboardInterrupt as interrupt:
            sys.exit(report_interrupt(interrupt))

    return call
