"""The command line of a user's ``train.py``."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from petlib.suggest import did_you_mean


@dataclass(frozen=True)
class TrainArguments:
    """What ``train.py`` was called with.

    Args:
        config_file: the config.
        overrides: settings that replace those of the file.
        num_gpus: how many of the visible GPUs to use; None: all.
        nproc: number of CPU processes; None: one.
        resume: go on from the latest checkpoint of the output folder.
        export: do not train, but write the trained model as this file.
        weights: the checkpoint that is exported; None: the best of the output folder, or else the latest.
    """

    config_file: Path
    overrides: list[str]
    num_gpus: int | None = None
    nproc: int | None = None
    resume: bool = False
    export: Path | None = None
    weights: Path | None = None


def parse_arguments(argv: Sequence[str]) -> TrainArguments:
    """Read the command line.

    Raises:
        SystemExit: ``--help`` (code 0), or an option is unknown or malformed (code 2, after a message).
    """
    parser = argparse.ArgumentParser(
        description="Trains the model of a config.",
        usage="%(prog)s --config-file PATH [options] [KEY=VALUE ...]",
        epilog="KEY=VALUE: settings that replace those of the config, e.g. solver.max_iter=1000",
        allow_abbrev=False,
    )
    parser.add_argument("--config-file", metavar="PATH", required=True, help="config file: .py or .yaml")
    parser.add_argument("--num-gpus", type=_count, metavar="N", help="use the first N visible GPUs (default: all); 0: the CPU")
    parser.add_argument("--nproc", type=_count, metavar="N", help="number of CPU processes, with trainer.device=cpu or --num-gpus 0")
    parser.add_argument("--resume", action="store_true", help="go on from the latest checkpoint of output_dir where there is one")
    parser.add_argument("--export", type=Path, metavar="FILE", help="do not train: write the trained model as FILE, .onnx or .pt2")
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="the checkpoint to export (default: the best of output_dir, or the latest)"
    )
    options, overrides = parser.parse_known_args(argv)
    for word in overrides:
        if word.startswith("--"):
            known = [f"--{name.replace('_', '-')}" for name in (*vars(options), "help")]
            parser.error(f"unknown option {word}{did_you_mean(word.partition('=')[0], known)}")
    if options.weights and not options.export:
        parser.error("--weights belongs to --export; a training begins with trainer.weights of the config")
    return TrainArguments(
        Path(options.config_file), overrides, options.num_gpus, options.nproc, options.resume, options.export, options.weights
    )


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} given, a whole number expected")
    return int(text)
