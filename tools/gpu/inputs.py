"""Images per second from JPEG files to the device: Pet's loader, torchvision's transforms in torch's loader, and files that the device
itself decodes and crops, in turns."""

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from loops import load
from report import Report, device_of, part_options, synchronize
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.io import ImageReadMode, decode_jpeg, read_file
from torchvision.transforms import v2

from pet import vision

SIZE = 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def write_picture(path: Path, seed: int) -> None:
    """Write a picture of 500x375 pixels with large and fine structure."""
    rng = np.random.default_rng(seed)
    image = np.full((375, 500, 3), 128, np.float32)
    for cell, contrast in ((64, 50.0), (16, 20.0), (3, 8.0)):
        noise = rng.normal(0.0, contrast, (375 // cell + 2, 500 // cell + 2, 3)).astype(np.float32)
        image += cv2.resize(noise, (500, 375), interpolation=cv2.INTER_CUBIC)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90])


class Pictures(Dataset[Tensor]):
    """torchvision's way: decoded and cropped as tensors.

    Args:
        paths: the files.
        length: samples, of which files are taken over and over.
    """

    def __init__(self, paths: list[Path], length: int) -> None:
        self._paths = paths
        self._length = length
        self._transforms = v2.Compose([v2.RandomResizedCrop(SIZE, antialias=True), v2.RandomHorizontalFlip()])

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Tensor:
        image = decode_jpeg(read_file(str(self._paths[index % len(self._paths)])), mode=ImageReadMode.RGB)
        return self._transforms(image)  # type: ignore[no-any-return]


def torchvision_batches(paths: list[Path], device: torch.device, *, batch: int, count: int, workers: int) -> Iterator[Tensor]:
    """Yield normalised batches of torchvision's path."""
    loader: Any = DataLoader(
        Pictures(paths, batch * count), batch_size=batch, num_workers=workers, pin_memory=device.type == "cuda", prefetch_factor=2
    )
    for images in loader:
        yield normalized(images.to(device, non_blocking=True))


def device_batches(paths: list[Path], device: torch.device, *, batch: int, count: int, threads: int) -> Iterator[Tensor]:
    """Yield normalised batches of files that threads read ahead, and that the device decodes, by nvJPEG where it is CUDA, and crops."""
    transforms = v2.Compose([v2.RandomResizedCrop(SIZE, antialias=True), v2.RandomHorizontalFlip()])

    def read(number: int) -> list[Tensor]:
        return [read_file(str(paths[index % len(paths)])) for index in range(number * batch, (number + 1) * batch)]

    with ThreadPoolExecutor(threads) as pool:
        for encoded in pool.map(read, range(count)):
            images = decode_jpeg(encoded, mode=ImageReadMode.RGB, device=device)
            yield normalized(torch.stack([transforms(image) for image in images]))


def normalized(images: Tensor) -> Tensor:
    """Return images uint8 (B, 3, H, W) as a network gets them."""
    mean, std = (torch.tensor(values, device=images.device).view(1, 3, 1, 1) * 255 for values in (MEAN, STD))
    return (images.contiguous(memory_format=torch.channels_last).float() - mean) / std


def rate(batches: Iterator[Any], device: torch.device, *, batch: int, skipped: int) -> float:
    """Return images per second after the first ``skipped`` batches, which the workers had time to prepare."""
    count, begin = 0, 0.0
    for number, _ in enumerate(batches):
        if number == skipped:
            synchronize(device)
            begin = time.perf_counter()
        count += number > skipped
    synchronize(device)
    return count * batch / (time.perf_counter() - begin)


def measure(report: Report, device: torch.device, *, dry: bool) -> None:
    """Take turns and write the rates."""
    files, batch, count, workers, turns = (8, 4, 4, 1, 1) if dry else (2048, 256, 120, os.cpu_count() or 1, 2)
    skipped = 1 if dry else 2 * workers
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / str(number % 2) / f"{number}.jpg" for number in range(files)]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(write_picture, paths, range(files)))
        settings = [f"TRAIN.DATASETS=[{folder}]", "MODEL.NUM_CLASSES=2", f"TRAIN.BATCH_SIZE={batch}", f"TRAIN.NUM_WORKERS={workers}"]
        cfg = load(vision.config, "vision/imagenet/resnet50.yaml", Path(folder) / "out", count, settings)
        ours, theirs, decoded = [], [], []
        for _ in range(turns):
            theirs.append(
                rate(torchvision_batches(paths, device, batch=batch, count=count, workers=workers), device, batch=batch, skipped=skipped)
            )
            ours.append(rate(vision.TASK.build_training_data(cfg, device).batches(0, count), device, batch=batch, skipped=skipped))
            on_device = device_batches(paths, device, batch=batch, count=4 if dry else 24, threads=workers)
            decoded.append(rate(on_device, device, batch=batch, skipped=1 if dry else 4))
    report.add("input: Pet", statistics.median(ours), "images/s", note=f"{workers} workers, JPEG 500x375 to 224, onto the device")
    report.add("input: torchvision", statistics.median(theirs), "images/s")
    report.add("input: Pet's rate / torchvision's", statistics.median(ours) / statistics.median(theirs))
    faster = "the device is faster" if statistics.median(decoded) > statistics.median(ours) else "Pet's loader on the cores is faster"
    report.add("input: decoded and cropped on the device", statistics.median(decoded), "images/s", note=faster)


def main() -> None:
    """Measure."""
    arguments = part_options(__doc__).parse_args()
    torch.set_num_threads(1 if arguments.dry else 4)
    measure(Report(arguments.rows), device_of(arguments), dry=arguments.dry)


if __name__ == "__main__":
    main()
