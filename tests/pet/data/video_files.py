"""Small video files for tests."""

from pathlib import Path

import cv2
import numpy as np


def write_video(path: Path, frames: np.ndarray, rate: float = 10.0, code: str = "FFV1") -> Path:
    """Write frames, uint8 (T, H, W, 3), RGB; FFV1 keeps every pixel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), rate, (frames.shape[2], frames.shape[1]))
    assert file.isOpened()
    for frame in frames:
        file.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    file.release()
    return path


def noise(frames: int = 6, seed: int = 0, size: tuple[int, int] = (16, 24)) -> np.ndarray:
    """Return random frames."""
    return np.random.default_rng(seed).integers(0, 256, (frames, *size, 3), dtype=np.uint8)
