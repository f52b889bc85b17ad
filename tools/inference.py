"""Predicts images and videos: python tools/inference.py --cfg PATH --images FOLDER|FILE|PATTERN --out FOLDER [--weights FILE]."""

from pet.cli import inference

if __name__ == "__main__":
    inference()
