"""Exports a model of the TrainFramework layer: python tools/export_net_all.py --type trainframework --cfg PATH [--weights FILE] --out FILE.

The module that registers the model is named under ``imports`` of the config, or by ``imports=[codes]``, and found in the current folder.
"""

import argparse
import sys
from pathlib import Path

from pet.compat.trainframework.schedule.scheduler import TrainArguments, export
from petlib.addresses import local_path
from petlib.launch.process.tool import run_plain_tool


def run(options: argparse.Namespace) -> int:
    """Export."""
    # as python does for a script of the user's own
    sys.path.insert(0, str(Path.cwd()))
    export(TrainArguments(options.cfg, options.overrides, weights=options.weights), options.out)
    return 0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--cfg", type=Path, required=True, metavar="PATH", help="config file of the training: .py or .yaml")
    parser.add_argument("--type", metavar="FOLDER", help="engine, by which this script was found")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a checkpoint (default: the best of output_dir, or the latest)")
    parser.add_argument("--out", type=local_path, required=True, metavar="FILE", help="the file, .onnx or .pt2")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings that replace those of the config")


if __name__ == "__main__":
    run_plain_tool(
        run, description="Exports a model of the TrainFramework layer as ONNX, or for torch.export as .pt2.", add_options=add_options
    )
