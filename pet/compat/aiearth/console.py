"""Log lines of scripts that set up no logging themselves."""

import logging
import os

from petlib.log import ConsoleHandler


def show_log_lines() -> None:
    """Let log lines appear on the screen, in the first process, unless the program decided where they go; a run takes over from there."""
    root = logging.getLogger()
    if not root.handlers and os.environ.get("RANK", "0") == "0":
        root.addHandler(ConsoleHandler())
        root.setLevel(logging.INFO)
