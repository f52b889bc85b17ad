"""Images per second that one core decodes and augments for training: at 224 pixels, or with objects at 800x1333.

JPEG files (500x375, quality 90) are made in a temporary folder. Each pipeline reads a file, decodes it, takes a random
resized crop, flips it in half of the cases, changes brightness, contrast and saturation by up to 0.4 in random order,
and gives a uint8 array or tensor. They take turns; the medians of their repeats are compared. ``ours`` is what a loader
worker does: data set, transforms from a config, a generator for each sample. ``--task detection`` measures what
detection_pipelines.py describes. ``ours`` and ``torchvision_v2`` both shrink
with an antialiasing filter, as they do by default; the rows "no antialias" are without. ``--task views`` decodes a file once and makes
two views of it, as MoCo v2 does to learn without labels: crop, jitter in 80 % of the cases, grey in 20 %, blur in half of them, flip.
``--task cache`` measures a later epoch with ``DATA.CACHE``: the images are decoded already, and lie in the memory or on the disk.
The last line is one JSON object.

    python tools/benchmark/data_pipeline.py [--task classification|detection|views|cache] [--images 200] [--repeats 7]
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import detection_pipelines
import numpy as np
import torch
from counts import count
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg, read_file
from torchvision.transforms import v2

from pet import data
from pet.data.files.image_cache import CACHE, MEMORY
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


def make_image(rng: np.random.Generator, height: int = 375, width: int = 500) -> np.ndarray:
    """Return a picture with large and fine structure, (H, W, 3) uint8."""
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


def write_images(folder: Path, images: int) -> list[Path]:
    """Write JPEG files and return their paths."""
    rng = np.random.default_rng(0)
    paths = [folder / f"{index:04}.jpg" for index in range(images)]
    for path in paths:
        Image.fromarray(make_image(rng)).save(path, quality=90)
    return paths


def ours(paths: Sequence[Path], entries: Sequence[Any]) -> Pipeline:
    """Return what a loader worker does for a sample with ``TRANSFORMS``."""
    transforms, _ = data.build_transforms(entries, default_size=SIZE)
    reader = SampleReader(Files(paths), transforms, seed=0)
    return lambda index: reader.read([SampleKey(0, index, index)])


def one_image(*, antialias: bool) -> list[Any]:
    """Return the augmentation of a classifier."""
    jitter = {"name": "ColorJitter", "brightness": 0.4, "contrast": 0.4, "saturation": 0.4}
    return [{"name": "RandomResizedCrop", "antialias": antialias}, "RandomHorizontalFlip", jitter]


TWO_VIEWS = [
    {
        "name": "Views",
        "first": [
            {"name": "RandomResizedCrop", "scale": [0.2, 1.0]},
            {"name": "ColorJitter", "brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1, "probability": 0.8},
            {"name": "RandomGrayscale", "probability": 0.2},
            {"name": "GaussianBlur", "sigma": [0.1, 2.0], "probability": 0.5},
            "RandomHorizontalFlip",
        ],
    }
]


def torchvision_transforms(*, antialias: bool) -> v2.Compose:
    """Return the same augmentation from torchvision."""
    return v2.Compose(
        [
            v2.RandomResizedCrop(SIZE, antialias=antialias),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4),
        ]
    )


def torchvision_view() -> v2.Compose:
    """Return the augmentation of a view from torchvision, with the kernel that MoCo's blur has."""
    return v2.Compose(
        [
            v2.RandomResizedCrop(SIZE, scale=(0.2, 1.0), antialias=True),
            v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
            v2.RandomGrayscale(0.2),
            v2.RandomApply([v2.GaussianBlur(23, (0.1, 2.0))], p=0.5),
            v2.RandomHorizontalFlip(),
        ]
    )


def torchvision_v2(paths: Sequence[Path], transforms: v2.Compose, *, views: int = 1) -> Pipeline:
    """Return torchvision's path on tensors."""

    def run(index: int) -> object:
        image = decode_jpeg(read_file(str(paths[index])), mode=ImageReadMode.RGB)
        return [transforms(image) for _ in range(views)]

    return run


def pil(paths: Sequence[Path], transforms: v2.Compose, *, views: int = 1) -> Pipeline:
    """Return torchvision's path on PIL images."""

    def run(index: int) -> object:
        with Image.open(paths[index]) as file:
            image = file.convert("RGB")
        return [np.asarray(transforms(image)) for _ in range(views)]

    return run


def rate(pipeline: Pipeline, images: int) -> float:
    """Return images per second of processor time, which other work on the machine does not count against."""
    begin = time.process_time()
    for index in range(images):
        pipeline(index)
    return images / (time.process_time() - begin)


def measure(pipelines: dict[str, Pipeline], images: int, repeats: int) -> dict[str, float]:
    """Run the pipelines in turn; return the medians of their images per second."""
    for pipeline in pipelines.values():
        rate(pipeline, min(images, 20))
    rates: dict[str, list[float]] = {name: [] for name in pipelines}
    for _ in range(repeats):
        for name, pipeline in pipelines.items():
            rates[name].append(rate(pipeline, images))
    return {name: statistics.median(values) for name, values in rates.items()}


def classification(folder: Path, images: int, repeats: int) -> dict[str, float]:
    """Measure, print a table, return the figures."""
    paths = write_images(folder, images)
    pipelines = {
        "ours": ours(paths, one_image(antialias=True)),
        "ours, no antialias": ours(paths, one_image(antialias=False)),
        "torchvision_v2": torchvision_v2(paths, torchvision_transforms(antialias=True)),
        "torchvision_v2, no antialias": torchvision_v2(paths, torchvision_transforms(antialias=False)),
        "pil": pil(paths, torchvision_transforms(antialias=True)),
    }
    rates = measure(pipelines, images, repeats)
    show(f"{describe(paths)} of 500x375 pixels to {SIZE}x{SIZE}, one core", rates)
    return {name: round(rates[name], 1) for name in ("ours", "torchvision_v2", "pil")}


def views(folder: Path, images: int, repeats: int) -> dict[str, float]:
    """Measure, print a table, return the figures."""
    paths = write_images(folder, images)
    pipelines = {
        "ours": ours(paths, TWO_VIEWS),
        "torchvision_v2": torchvision_v2(paths, torchvision_view(), views=2),
        "pil": pil(paths, torchvision_view(), views=2),
    }
    rates = measure(pipelines, images, repeats)
    show(f"{describe(paths)} of 500x375 pixels to two views of {SIZE}x{SIZE}, one core", rates)
    return {name: round(value, 1) for name, value in rates.items()}


def cached(pipeline: Pipeline, folder: Path) -> Pipeline:
    """Return a pipeline that finds its images in a cache; its first run puts them there."""
    CACHE.open(folder, spare=0, in_memory=False)
    CACHE.close()

    def run(index: int) -> object:
        CACHE.folder = folder
        try:
            return pipeline(index)
        finally:
            CACHE.close()

    return run


def cache(folder: Path, images: int, repeats: int) -> dict[str, float]:
    """Measure, print a table, return the figures."""
    paths = write_images(folder, images)
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as memory:
        pipelines = {
            "ours": cached(ours(paths, one_image(antialias=True)), Path(memory)),
            "ours, disk": cached(ours(paths, one_image(antialias=True)), folder / "cache"),
            "ours, no cache": ours(paths, one_image(antialias=True)),
            "torchvision_v2": torchvision_v2(paths, torchvision_transforms(antialias=True)),
        }
        for pipeline in pipelines.values():
            rate(pipeline, images)
        rates = measure(pipelines, images, repeats)
    show(f"{describe(paths)} of 500x375 pixels to {SIZE}x{SIZE}, one core, from the second epoch on", rates)
    return {name.replace(", ", "_").replace(" ", "_"): round(value, 1) for name, value in rates.items()}


def detection(folder: Path, images: int, repeats: int) -> dict[str, float]:
    """Measure, print a table, return the figures."""
    paths, annotations = detection_pipelines.write_objects(folder, images, make_image)
    pipelines = {
        "ours": detection_pipelines.ours(paths, annotations),
        "torchvision": detection_pipelines.torchvision_reference(paths, annotations),
        "torchvision, tensors": detection_pipelines.torchvision_reference(paths, annotations, tensors=True),
        "torchvision, not resized": detection_pipelines.torchvision_reference(paths, annotations, resizes=False),
    }
    rates = measure(pipelines, images, repeats)
    show(f"{describe(paths)} of 640x480 pixels with 7 objects to 800x1066, one core", rates)
    ratio = rates["ours"] / max(rates["torchvision"], rates["torchvision, tensors"])
    print(f"ratio {ratio:.2f} to the faster of torchvision's (above 1 is wanted)")
    return {name.replace(", ", "_").replace(" ", "_"): round(rate, 1) for name, rate in rates.items()} | {"ratio": round(ratio, 2)}


def describe(paths: Sequence[Path]) -> str:
    """Return number and size of the files in words."""
    kilobytes = statistics.mean(path.stat().st_size for path in paths) / 1000
    return f"{len(paths)} JPEG files ({kilobytes:.0f} kB on average)"


def show(title: str, rates: dict[str, float]) -> None:
    """Print a table."""
    print(title)
    print(f"{'pipeline':<32}{'images/s':>10}{'ours / it':>12}")
    for name, value in rates.items():
        print(f"{name:<32}{value:>10.1f}{rates['ours'] / value:>12.2f}")


def main() -> None:
    """Measure and print."""
    tasks = {"classification": classification, "detection": detection, "views": views, "cache": cache}
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--task", choices=tasks, default="classification")
    parser.add_argument("--images", type=count, default=200)
    parser.add_argument("--repeats", type=count, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    with tempfile.TemporaryDirectory() as folder:
        figures = tasks[arguments.task](Path(folder), arguments.images, arguments.repeats)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
