"""Exports a trained model of land cover as ONNX: python tools/export_net_all.py --cfg PATH [--out FILE]."""

import argparse
from pathlib import Path

from pet.projects import landcover
from pet.segmentation import tools
from petlib.config import CfgNode
from petlib.launch import run_tool

ROOT = Path(__file__).resolve().parents[3]


def run(cfg: CfgNode, options: argparse.Namespace) -> int:
    """Export the model; after a semi-supervised training that of the first student."""
    return tools.run_export(cfg, options, build=landcover.build_model)


if __name__ == "__main__":
    run_tool(
        run,
        package="pet",
        description="Exports a trained model as ONNX.",
        add_options=tools.add_export_options,
        repository=ROOT,
    )
