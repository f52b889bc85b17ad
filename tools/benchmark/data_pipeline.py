"""Images per second that one core decodes and augments for training at 224 pixels.

JPEG files (500x375, quality 90) are made in a temporary folder. Each pipeline reads a file, decodes it, takes a random
resized crop, flips it in half of the cases, changes brightness, contrast and saturation by up to 0.4 in random order,
and gives a uint8 array or tensor. They take turns; the medians of their repeats are compared. ``ours`` is what a loader
worker does: data set, transforms from a config, a generator for each sample. ``ours`` and ``torchvision_v2`` both shrink
with an antialiasing filter, as they do by default; the rows "no antialias" are without. The last line is one JSON object.

    python tools/benchmark/data_pipeline.py [--images 200] [--repeats 7]
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg, read_file
from torchvision.transforms import v2

from pet import data
from petlib.data import SampleKey, SampleReader

SIZE = 224
Pipeline = Callable[[int], object]
"""Reads and augments the file of a number."""


class Files:
    """A data set of image files."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> dict[str, object]:
        return {"image": data.read_image(self._paths[index]), "meta": {"file": str(self._paths[index])}}


def make_image(rng: np.random.Generator) -> np.ndarray:
    """Return a picture of 500x375 pixels with large and fine structure, (H, W, 3) uint8."""
    height, width = 375, 500
    image = np.zeros((height, width, 3), np.float32)
    for cell, contrast in ((64, 50.0), (16, 20.0), (3, 8.0)):
        noise = rng.normal(0.0, contrast, (height // cell + 2, width // cell + 2, 3)).astype(np.float32)
        image += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    picture = np.clip(image + 128.0, 0, 255).astype(np.uint8)
    for _ in range(10):
        centre = int(rng.integers(width)), int(rng.integers(height))
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        cv2.circle(picture, centre, int(rng.integers(8, 60)), colour, thickness=-1, lineType=cv2.LINE_AA)
    return picture


def write_images(folder: Path, count: int) -> list[Path]:
    """Write JPEG files and return their paths."""
    rng = np.random.default_rng(0)
    paths = [folder / f"{index:04}.jpg" for index in range(count)]
    for path in paths:
        Image.fromarray(make_image(rng)).save(path, quality=90)
    return paths


def ours(paths: Sequence[Path], *, antialias: bool) -> Pipeline:
    """Return what a loader worker does for a sample."""
    entries = [
        {"name": "RandomResizedCrop", "antialias": antialias},
        "RandomHorizontalFlip",
        {"name": "ColorJitter", "brightness": 0.4, "contrast": 0.4, "saturation": 0.4},
    ]
    transforms, _ = data.build_transforms(entries, default_size=SIZE)
    reader = SampleReader(Files(paths), transforms, seed=0)
    return lambda index: reader.read([SampleKey(0, index, index)])


def torchvision_transforms(*, antialias: bool) -> v2.Compose:
    """Return the same augmentation from torchvision."""
    return v2.Compose(
        [
            v2.RandomResizedCrop(SIZE, antialias=antialias),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4),
        ]
    )


def torchvision_v2(paths: Sequence[Path], *, antialias: bool) -> Pipeline:
    """Return torchvision's path on tensors."""
    transforms = torchvision_transforms(antialias=antialias)
    return lambda index: transforms(decode_jpeg(read_file(str(paths[index])), mode=ImageReadMode.RGB))


def pil(paths: Sequence[Path]) -> Pipeline:
    """Return torchvision's path on PIL images."""
    transforms = torchvision_transforms(antialias=True)

    def run(index: int) -> object:
        with Image.open(paths[index]) as image:
            return np.asarray(transforms(image.convert("RGB")))

    return run


def rate(pipeline: Pipeline, count: int) -> float:
    """Return images per second."""
    begin = time.perf_counter()
    for index in range(count):
        pipeline(index)
    return count / (time.perf_counter() - begin)


def measure(pipelines: dict[str, Pipeline], count: int, repeats: int) -> dict[str, float]:
    """Run the pipelines in turn; return the medians of their images per second."""
    for pipeline in pipelines.values():
        rate(pipeline, min(count, 20))
    rates: dict[str, list[float]] = {name: [] for name in pipelines}
    for _ in range(repeats):
        for name, pipeline in pipelines.items():
            rates[name].append(rate(pipeline, count))
    return {name: statistics.median(values) for name, values in rates.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    with tempfile.TemporaryDirectory() as folder:
        paths = write_images(Path(folder), arguments.images)
        pipelines = {
            "ours": ours(paths, antialias=True),
            "ours, no antialias": ours(paths, antialias=False),
            "torchvision_v2": torchvision_v2(paths, antialias=True),
            "torchvision_v2, no antialias": torchvision_v2(paths, antialias=False),
            "pil": pil(paths),
        }
        kilobytes = statistics.mean(path.stat().st_size for path in paths) / 1000
        rates = measure(pipelines, arguments.images, arguments.repeats)
    print(f"{arguments.images} JPEG files of 500x375 pixels, {kilobytes:.0f} kB on average, to {SIZE}x{SIZE}, one core")
    print(f"{'pipeline':<32}{'images/s':>10}{'ours / it':>12}")
    for name, value in rates.items():
        print(f"{name:<32}{value:>10.0f}{rates['ours'] / value:>12.2f}")
    print(json.dumps({name: round(rates[name], 1) for name in ("ours", "torchvision_v2", "pil")}))


if __name__ == "__main__":
    main()
