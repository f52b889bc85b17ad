"""Pictures as bytes of JPEG, in files and within a page."""

import base64

import cv2
import numpy as np

QUALITY = 82


def encode_jpeg(picture: np.ndarray, quality: int = QUALITY) -> bytes:
    """Return a picture, uint8 (H, W, 3) in RGB, as JPEG."""
    done, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done, "OpenCV encodes JPEG"
    return data.tobytes()


def jpeg_address(data: bytes) -> str:
    """Return the address of a picture that a page holds itself."""
    return "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")
