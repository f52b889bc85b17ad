"""What a tool without a config runs in: arguments and exit codes."""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from petlib.errors import USER_ERROR_EXIT_CODE, UserError
from petlib.launch.watch.diagnose import INTERRUPTED_EXIT_CODE


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
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    add_options(parser)
    options = parser.parse_intermixed_args(argv)
    try:
        sys.exit(main(options))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.exit(USER_ERROR_EXIT_CODE)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED_EXIT_CODE)
