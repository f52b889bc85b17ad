"""Serves the page of a run while it trains: pet-view RUN [--port 0].

Progress and time left, curves, the predictions of the last evaluation, load, warnings and log. It only reads, listens on this machine
alone, and needs the token in its address. From another machine: ssh -L 6007:127.0.0.1:6007 HOST, with --port 6007 here.
"""

import argparse
from pathlib import Path
from typing import NoReturn

from pet.report.server import RunServer
from petlib.errors import name_in_errors
from petlib.launch.process.tool import run_plain_tool

OPTIONS = {"RunServer.port": "--port"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this tool."""
    parser.add_argument("run", type=Path, metavar="RUN", help="the output folder of a training")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="of the page (default: any that is free)")


def view(options: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C."""
    with name_in_errors(OPTIONS):
        server = RunServer(options.run, port=options.port)
    print(f"the page of {options.run} is at {server.address}\nCtrl-C ends it", flush=True)
    try:
        server.serve()
    except KeyboardInterrupt:
        print("ended")
    return 0


def main() -> NoReturn:
    """Read the command line, serve the page, and exit."""
    run_plain_tool(view, description=(__doc__ or "").partition(":")[0], add_options=add_options)
