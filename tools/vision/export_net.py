"""Exports a trained model of ``pet.vision`` as ONNX or .pt2: python tools/export_net_all.py --cfg PATH [--weights FILE] [--out FILE]."""

from pathlib import Path

from pet.export.task import add_export_options
from pet.vision.export import run_export
from petlib.launch import run_tool

ROOT = Path(__file__).resolve().parents[2]

if __name__ == "__main__":
    run_tool(
        run_export,
        package="pet",
        description="Exports a trained model as ONNX, or for torch.export where the file ends with .pt2.",
        add_options=add_export_options,
        repository=ROOT,
    )
