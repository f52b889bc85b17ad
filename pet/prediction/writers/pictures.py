"""Pictures as files."""

from pathlib import Path

import cv2
import numpy as np

from pet.prediction.output import temporary_path

JPEG_QUALITY = 92


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write a picture, uint8 (H, W, 3), RGB, as the suffix of ``path`` says; nothing half-written stays."""
    parameters = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if path.suffix == ".jpg" else []
    done, data = cv2.imencode(path.suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), parameters)
    assert done, f"{path}: {picture.shape} {picture.dtype} cannot be encoded"
    with temporary_path(path) as temporary:
        temporary.write_bytes(data.tobytes())
