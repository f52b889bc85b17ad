"""Exports a trained model of any task as ONNX or .pt2."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from pet import api, exporting
from pet.task import PACKAGE, find_task
from pet.typed import PetConfig
from petlib import engine
from petlib.addresses import local_path
from petlib.config import CfgNode
from petlib.errors import name_in_errors
from petlib.files import check_folder
from petlib.launch import run_tool
from petlib.launch.process.tool import read_tool

DESCRIPTION = "Exports a trained model as ONNX, or for torch.export where the file ends with .pt2."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of an export."""
    parser.add_argument("--out", type=local_path, metavar="FILE", help="the file, .onnx or .pt2 (default: MISC.CKPT/model.onnx)")
    parser.add_argument("--weights", default="", metavar="FILE", help="a checkpoint (default: what TEST.WEIGHTS says)")


def export_model(cfg: PetConfig, options: argparse.Namespace) -> int:
    """Export the model of the config with its trained weights, which have to fit in every name and shape, and say what was written."""
    if options.out is not None:
        # before PyTorch is imported for it
        check_folder(options.out.parent, f"--out {options.out}")
    task = find_task(Path(options.cfg), type_folder=options.type)
    exporting.choose_weights(cfg, options.weights)
    names = {"export_task.path": "--out" if options.out is not None else "MISC.CKPT", "TEST.WEIGHTS": "--weights (TEST.WEIGHTS)"}
    with name_in_errors(names):
        report = api.export_trained(task, cfg, options.out or Path(cfg.MISC.CKPT) / "model.onnx")
    exporting.print_report(report)
    if options.out is None:
        engine.keep_results(cfg)
    return 0


def read_config(argv: Sequence[str]) -> CfgNode:
    """Return the checked config of a command line that another machine is to run."""
    cfg, _ = read_tool(argv, package=PACKAGE, description=DESCRIPTION, add_options=add_options)
    return cfg


def main() -> NoReturn:
    """Read the command line, export, and exit."""
    run_tool(export_model, package=PACKAGE, description=DESCRIPTION, add_options=add_options)
