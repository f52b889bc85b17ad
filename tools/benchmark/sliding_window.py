"""Memory that predicting a large image through windows takes beyond the model.

For each size a fresh process predicts an image of random areas with a small network of many classes, and writes labels, overlay and
polygons. The peak of its memory before it begins, with torch and the model loaded, is subtracted from that at its end; medians of the
repeats count. The last line is one JSON object with the figures of the last size.

    python tools/benchmark/sliding_window.py [--sizes 1024 4096] [--classes 16] [--window 1024] [--format tif] [--repeats 1]
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from counts import count
from torch import Tensor, nn

from pet.data.files.rasters import load_rasterio
from pet.exporting.description import ModelDescription
from pet.prediction import LabelledWindows, WindowSettings, find_inputs, predict_files
from pet.prediction.predictors.pixels import NetworkPixels
from pet.visual import DrawSettings

BLOCK = 512
COARSE = 64
"""Pixels of an edge of the areas in the image: as many polygons as of buildings rather than of noise."""


class Small(nn.Module):
    """A network that costs little compared with the windows: one convolution at a quarter of the size, resized."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, classes, 4, stride=4)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return logits at the size of the images."""
        size = images.shape[2], images.shape[3]
        return [nn.functional.interpolate(self.layer(images), size=size, mode="bilinear")]


def write_image(path: Path, size: int) -> None:
    """Write an image of random colours; a GeoTIFF block by block."""
    generator = np.random.default_rng(0)
    if path.suffix == ".png":
        cv2.imwrite(str(path), _rows(generator, size, size))
        return
    rasterio = load_rasterio()
    profile = {"driver": "GTiff", "height": size, "width": size, "count": 3, "dtype": "uint8", "compress": "lzw", "crs": "EPSG:32650"}
    place = rasterio.Affine(0.5, 0, 500000, 0, -0.5, 4000000)
    with rasterio.open(path, "w", tiled=True, blockxsize=BLOCK, blockysize=BLOCK, transform=place, **profile) as file:
        for top in range(0, size, BLOCK):
            rows = _rows(generator, min(BLOCK, size - top), size)
            file.write(rows.transpose(2, 0, 1), window=rasterio.windows.Window(0, top, size, len(rows)))


def _rows(generator: np.random.Generator, height: int, width: int) -> np.ndarray:
    colours = generator.integers(0, 256, (-(-height // COARSE), -(-width // COARSE), 3), dtype=np.uint8)
    return np.ascontiguousarray(np.kron(colours, np.ones((COARSE, COARSE, 1), np.uint8))[:height, :width])


def predict(path: Path, out: Path, *, classes: int, window: int) -> dict[str, float]:
    """Predict a file in this process; return the peaks of its memory, megabytes, and the time that it took."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    description = ModelDescription(classes=tuple(f"class {number}" for number in range(classes)), mean=(0.5,), std=(0.25,))
    pixels = NetworkPixels(network=Small(classes), description=description, num_images=1, num_channels=3, device=torch.device("cpu"))
    loaded, begin = peak_megabytes(), time.perf_counter()
    predictor = LabelledWindows(pixels, WindowSettings(size=window), description.target_names())
    predict_files(predictor, find_inputs(str(path)), out, drawing=DrawSettings(), overlays=True, polygons=True)
    return {"loaded_mb": loaded, "peak_mb": peak_megabytes(), "seconds": time.perf_counter() - begin}


def peak_megabytes() -> float:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def measure(size: int, arguments: argparse.Namespace) -> dict[str, float]:
    """Predict an image of a size in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"image.{arguments.format}"
        write_image(path, size)
        command = [sys.executable, __file__, "--predict", str(path), "--classes", str(arguments.classes), "--window", str(arguments.window)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", type=count, nargs="+", default=[1024, 4096], help="edges of the images, pixels")
    parser.add_argument("--classes", type=count, default=16)
    parser.add_argument("--window", type=count, default=1024, help="edge of a window, pixels")
    parser.add_argument("--format", choices=("tif", "png"), default="tif")
    parser.add_argument("--repeats", type=count, default=1)
    parser.add_argument("--predict", type=Path, metavar="FILE", help="predict a file in this process and print its figures")
    arguments = parser.parse_args()
    if arguments.predict:
        figures = predict(arguments.predict, arguments.predict.parent / "out", classes=arguments.classes, window=arguments.window)
        print(json.dumps(figures))
        return
    figures = {}
    print(f"{'image':<16}{'model loaded':>14}{'peak':>12}{'beyond':>12}{'time':>10}")
    for size in arguments.sizes:
        runs = [measure(size, arguments) for _ in range(arguments.repeats)]
        figures = {name: round(statistics.median(run[name] for run in runs), 1) for name in runs[0]}
        figures["beyond_mb"] = round(figures["peak_mb"] - figures["loaded_mb"], 1)
        megabytes = "".join(f"{figures[name]:>9.0f} MB" for name in ("loaded_mb", "peak_mb", "beyond_mb"))
        print(f"{f'{size} x {size}':<18}{megabytes}{figures['seconds']:>8.1f} s")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
