"""Labels the pixels of images: python tools/projects/landcover/predict.py --cfg PATH --images FOLDER|FILE --out FOLDER."""

from pathlib import Path

from pet.segmentation import tools
from petlib.launch import run_tool

ROOT = Path(__file__).resolve().parents[3]

if __name__ == "__main__":
    run_tool(
        tools.run_predict,
        package="pet",
        description="Labels the pixels of images with a trained model.",
        add_options=tools.add_predict_options,
        repository=ROOT,
    )
