"""Exports a trained model of one kind of target as ONNX: python tools/export_net_all.py --cfg PATH [--out FILE]."""

from pathlib import Path

from pet.segmentation import tools
from petlib.launch import run_tool

ROOT = Path(__file__).resolve().parents[3]

if __name__ == "__main__":
    run_tool(
        tools.run_export,
        package="pet",
        description="Exports a trained model as ONNX.",
        add_options=tools.add_export_options,
        repository=ROOT,
    )
