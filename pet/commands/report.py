"""Writes the page of runs: pet-report RUN [RUN ...] [--out FILE].

One file that needs no network: curves, figures, pictures of samples, settings and facts. Of several runs their figures and curves are next
to each other, with what differs between them. RUN is the output folder of a training.
"""

import argparse
from pathlib import Path
from typing import NoReturn

from pet.report.page import PAGE, write_page
from petlib.addresses import local_path
from petlib.files import writing_errors
from petlib.launch.process.tool import run_plain_tool


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this tool."""
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="the output folder of a training")
    parser.add_argument(
        "--out", type=local_path, metavar="FILE", help=f"the page (default: {PAGE} in the folder of the run, of several here)"
    )


def report(options: argparse.Namespace) -> int:
    """Write the page and say where it is.

    Raises:
        OutputError: it cannot be written.
    """
    path = options.out or (options.runs[0] / PAGE if len(options.runs) == 1 else Path(PAGE))
    with writing_errors(f"--out {path}"):
        write_page(options.runs, path)
    print(f"written: {path}")
    return 0


def main() -> NoReturn:
    """Read the command line, write the page, and exit."""
    run_plain_tool(report, description=(__doc__ or "").partition(":")[0], add_options=add_options)
