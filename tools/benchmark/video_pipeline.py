"""Clips that one core decodes and augments for training, next to bare OpenCV.

A video (340x256, 300 frames, MPEG-4) is made in a temporary folder. Two patterns: ``sparse``, a frame of each of 8 segments, and
``dense``, 32 frames at a distance of 2 from the middle. ``bare`` is the least that OpenCV has to do: ``grab`` up to the last wanted
frame, ``retrieve`` and a change to RGB of those that are wanted. ``read`` is Pet's reader, ``pet`` what a loader worker does: reader,
resize to 256, random resized crop to 224, flip. ``seek`` sets the position before each frame, as readers do that do not read in
order (docs/benchmarks.md says why Pet does). They take turns, and medians of the processor time are compared, in wanted frames a second.
The last line is one JSON object.

    python tools/benchmark/video_pipeline.py [--frames 300] [--repeats 7]
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from counts import count

from pet.data.clips import central_segments, dense_frames, even_starts
from pet.data.files.videos import VideoFile, count_decoded, read_frames
from pet.data.transforms.build import build_transforms

WIDTH, HEIGHT = 340, 256
AUGMENTATION = [{"name": "Resize", "size": 256}, {"name": "RandomResizedCrop", "size": 224}, "RandomHorizontalFlip"]


def write_video(path: Path, frames: int) -> None:
    """Write a video of a texture that moves."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
    texture = cv2.resize(coarse, (3 * WIDTH, 3 * HEIGHT), interpolation=cv2.INTER_CUBIC)
    file = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (WIDTH, HEIGHT))
    for number in range(frames):
        y, x = round(HEIGHT * (1 + np.sin(number / 30))), round(WIDTH * (1 + np.cos(number / 40)))
        file.write(np.ascontiguousarray(texture[y : y + HEIGHT, x : x + WIDTH]))
    file.release()


def read_bare(path: Path, numbers: np.ndarray) -> list[np.ndarray]:
    """Return frames, ``numbers`` ascending, with as little as OpenCV needs."""
    capture, frames, wanted = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), [], set(numbers.tolist())
    for number in range(int(numbers[-1]) + 1):
        capture.grab()
        if number in wanted:
            frames.append(cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB))
    capture.release()
    return frames


def read_seeking(path: Path, numbers: np.ndarray) -> list[np.ndarray]:
    """Return frames, each after a seek."""
    capture, frames = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), []
    for number in numbers.tolist():
        capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        frames.append(cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB))
    capture.release()
    return frames


def augmented(path: Path, numbers: np.ndarray) -> Callable[[], object]:
    """Return what reads and augments a clip."""
    transforms, _ = build_transforms(AUGMENTATION, default_size=None)
    source, rng = VideoFile(path, count_decoded(path)), np.random.default_rng(0)
    return lambda: transforms({"clip": source.read(numbers), "label": 0, "meta": {}}, rng)


def measure(path: Path, numbers: np.ndarray, repeats: int) -> dict[str, float]:
    """Return seconds of processor time for a clip, the median of the repeats."""
    ways: dict[str, Callable[[], object]] = {
        "bare": lambda: read_bare(path, numbers),
        "read": lambda: read_frames(path, numbers),
        "pet": augmented(path, numbers),
        "seek": lambda: read_seeking(path, numbers),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            start = time.process_time()
            way()
            times[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Measure both patterns."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(".")[0])
    parser.add_argument("--frames", type=int, default=300, help="frames of the video, at least 70")
    parser.add_argument("--repeats", type=count, default=7)
    options = parser.parse_args()
    cv2.setNumThreads(0)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        write_video(path, options.frames)
        starts = even_starts(options.frames, 32, 2, 1)
        for pattern, numbers in (("sparse", central_segments(options.frames, 8)[0]), ("dense", dense_frames(starts, 32, 2)[0])):
            seconds = measure(path, numbers, options.repeats)
            print(f"{pattern}: " + ", ".join(f"{name} {value * 1000:.1f} ms" for name, value in seconds.items()))
            found |= {f"{pattern}_{name}_fps": round(len(numbers) / value, 1) for name, value in seconds.items()}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
