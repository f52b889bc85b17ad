"""Labels the pixels of images: python tools/projects/landcover/predict.py --cfg PATH --images FOLDER|FILE --out FOLDER."""

import argparse
from pathlib import Path

from pet.projects import landcover
from pet.segmentation import tools
from petlib.config import CfgNode
from petlib.launch import run_tool

ROOT = Path(__file__).resolve().parents[3]


def run(cfg: CfgNode, options: argparse.Namespace) -> int:
    """Predict with the model; after a semi-supervised training that of the first student."""
    return tools.run_predict(cfg, options, build=landcover.build_model)


if __name__ == "__main__":
    run_tool(
        run,
        package="pet",
        description="Labels the pixels of images with a trained model.",
        add_options=tools.add_predict_options,
        repository=ROOT,
    )
