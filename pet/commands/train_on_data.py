"""Trains on a folder of data: pet-train --data FOLDER [--model NAME] [--epochs N | --time 10m] [KEY VALUE ...].

The format and the task are recognised, a config is written below ``cfgs`` and trained with. Options of the launcher may be given too.
"""

import argparse
import re
import sys
from collections.abc import Sequence

from pet import autoconfig
from petlib.errors import ConfigError
from petlib.launch.process.tool import exit_code_of
from petlib.launch.start.command_parser import CommandParser
from petlib.suggest import did_you_mean

OPTION = "--data"
OWN_OPTIONS = (OPTION, "--model", "--epochs", "--time", "--name")
LAUNCHER_FLAGS = ("--dry_run",)
LAUNCHER_OPTIONS = ("--gpu_id", "--nproc", "--nnodes", "--node_rank", "--rdzv_endpoint", "--max_restarts")
TIME = re.compile(r"(\d+(?:\.\d+)?)(s|m|h)")
SECONDS = {"s": 1, "m": 60, "h": 3600}


def main(argv: Sequence[str] | None = None) -> int:
    """Read the command line (that of the process by default), train, and return the exit code."""
    parser = _parser()
    options, words = parser.parse_known_args(parser.with_joined_values(sys.argv[1:] if argv is None else argv))

    def train() -> int:
        launcher, overrides = _divide(words)
        return autoconfig.train_on_data(
            options.data,
            model=options.model,
            epochs=options.epochs,
            seconds=options.time,
            name=options.name,
            overrides=overrides,
            options=launcher,
        )

    return exit_code_of(train) or 0


def _parser() -> CommandParser:
    parser = CommandParser(
        description=(__doc__ or "").partition(":")[0],
        usage="%(prog)s --data FOLDER [--model NAME] [--epochs N | --time 10m] [--name NAME] [options of the launcher] [KEY VALUE ...]",
    )
    parser.add_argument(OPTION, required=True, metavar="FOLDER", help="the data: a folder in any format, or digits, shapes, crowds, ...")
    parser.add_argument("--model", default="", metavar="NAME", help="a detector (fcos), a backbone (timm/resnet50) or a network")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=whole_number, metavar="N", help="length of the training (default: by the number of images)")
    length.add_argument(
        "--time", type=time_in_seconds, metavar="TIME", help="the same as a time, 90s, 10m or 2h: some iterations are measured first"
    )
    parser.add_argument("--name", default="", metavar="NAME", help="of the config and the run (default: that of the folder)")
    return parser


def _divide(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the options of the launcher with their values, and the settings.

    Raises:
        ConfigError: an option is misspelt; said now, before a config is written for it.
    """
    launcher: list[str] = []
    overrides: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word in LAUNCHER_OPTIONS and rest:
            launcher += [word, rest.pop(0)]
        elif word in LAUNCHER_FLAGS or word.partition("=")[0] in LAUNCHER_OPTIONS and "=" in word:
            launcher.append(word)
        elif word.startswith("--"):
            name = word.partition("=")[0]
            if name == "--cfg":
                raise ConfigError(
                    "--data and --cfg are both given: --data FOLDER writes a config, --cfg PATH trains with one; give one of them"
                )
            raise ConfigError(f"unknown option {name}{did_you_mean(name, [*OWN_OPTIONS, *LAUNCHER_FLAGS, *LAUNCHER_OPTIONS])}")
        else:
            overrides.append(word)
    return launcher, overrides


def whole_number(text: str) -> int:
    """Return a number of a command line, from 1 on."""
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} given, a whole number from 1 on expected")
    return int(text)


def time_in_seconds(text: str) -> float:
    """Return a time of a command line, 90s, 10m or 2h, in seconds."""
    found = TIME.fullmatch(text)
    if found is None or float(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} given, a time expected: 90s, 10m or 2h")
    return float(found[1]) * SECONDS[found[2]]
