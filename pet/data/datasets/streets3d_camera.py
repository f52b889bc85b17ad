"""The camera of ``streets3d``: the image of a scene, with the calibration of KITTI's left colour camera."""

import cv2
import numpy as np

from pet.data.datasets.streets3d_scenes import GROUND, Scene
from pet.structures.calibration import Calibration

SIZE = (375, 1242)
PROJECTION = np.array([[721.5377, 0.0, 609.5593, 44.85728], [0.0, 721.5377, 172.854, 0.2163791], [0.0, 0.0, 1.0, 0.002745884]])
CALIBRATION = Calibration(
    PROJECTION, Calibration.of_lidar_alone().lidar_to_camera + np.array([[0, 0, 0, 0.0], [0, 0, 0, -0.08], [0, 0, 0, -0.27], [0, 0, 0, 0]])
)
FACES = np.array([[0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7], [4, 5, 6, 7]])
"""Corners of front, right, back, left and top, in the order of :meth:`pet.structures.boxes3d.Boxes3D.corners`."""
SHADES = np.array([1.0, 0.8, 0.62, 0.8, 1.15])
FRONT_COLOUR, BACK_COLOUR = np.array([250, 245, 190]), np.array([200, 20, 20])
"""Of the lamps, which show where the front is."""
LAMPS = ((0.06, 0.3), (0.7, 0.94))
"""Shares of the width where they begin and end."""
SUBPIXEL = 4
"""Bits behind the point of coordinates that OpenCV draws at."""


def paint_image(scene: Scene) -> np.ndarray:
    """Return the image, uint8 (375, 1242, 3) RGB: solids back to front, each with shaded faces."""
    image = _backdrop()
    camera = scene.solids.to_camera(CALIBRATION)
    corners = camera.corners()
    middles = camera.centres
    order = np.argsort(-np.linalg.norm(middles, axis=1), kind="stable")
    for place in order:
        _paint_solid(image, corners[place], middles[place], scene.colours[place].astype(np.float64), has_lamps=scene.owners[place] >= 0)
    return image


def _backdrop() -> np.ndarray:
    """Return sky and ground; the ground has a line at every five metres."""
    height, width = SIZE
    rows = np.arange(height)[:, None]
    horizon = PROJECTION[1, 2]
    sky = np.array([150, 190, 230]) + (rows - horizon) * np.array([0.15, 0.1, 0.05])
    below = np.maximum(rows - horizon, 1)
    distance = -GROUND * PROJECTION[1, 1] / below
    ground = np.array([105, 105, 100]) + 25 / (1 + distance / 10) - 12 * (np.abs(distance % 5 - 2.5) < 0.15)
    column = np.where(rows < horizon, sky, ground).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(column[:, None], (height, width, 3)))


def _paint_solid(image: np.ndarray, corners: np.ndarray, middle: np.ndarray, colour: np.ndarray, *, has_lamps: bool) -> None:
    for number, face in enumerate(FACES):
        places = corners[face]
        centre = places.mean(axis=0)
        # its outer side is turned away from the camera
        if (centre - middle) @ centre >= 0:
            continue
        _fill(image, places, (colour * SHADES[number]).clip(0, 255))
        if has_lamps and number in (0, 2):
            for start, end in LAMPS:
                across = np.array([start, end, end, start])[:, None]
                up = np.array([0.5, 0.5, 0.75, 0.75])[:, None]
                lamp = places[0] + across * (places[1] - places[0]) + up * (places[3] - places[0])
                _fill(image, lamp, FRONT_COLOUR if number == 0 else BACK_COLOUR)


def _fill(image: np.ndarray, places: np.ndarray, colour: np.ndarray) -> None:
    pixels, _ = CALIBRATION.project(places)
    if not np.isnan(pixels).any():
        fixed = ((pixels - 0.5) * 2**SUBPIXEL).round().astype(np.int32)
        cv2.fillConvexPoly(image, fixed, colour.tolist(), cv2.LINE_AA, SUBPIXEL)
