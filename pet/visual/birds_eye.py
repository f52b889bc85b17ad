"""Points and boxes from above: what lies ahead is up, what lies to the left is left."""

from typing import NamedTuple

import cv2
import numpy as np

from pet.visual.palette import BLACK, Colour


class BirdsEyeView(NamedTuple):
    """A part of the ground and its picture.

    Attributes:
        ahead: metres from the lower to the upper edge of the picture, along x of the points.
        left: metres from the right to the left edge, along y of the points.
        scale: pixels of a metre.
    """

    ahead: tuple[float, float] = (0.0, 72.0)
    left: tuple[float, float] = (-40.0, 40.0)
    scale: float = 8.0

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the picture, pixels."""
        return round((self.ahead[1] - self.ahead[0]) * self.scale), round((self.left[1] - self.left[0]) * self.scale)

    def to_pixels(self, places: np.ndarray) -> np.ndarray:
        """Return x, y in the picture (..., 2) of places (..., 2) or (..., 3) in the frame of the points."""
        return np.stack([self.left[1] - places[..., 1], self.ahead[1] - places[..., 0]], axis=-1) * self.scale

    def draw_points(self, points: np.ndarray) -> np.ndarray:
        """Return a picture, uint8 (H, W, 3), of points (N, 3 or more): the higher one lies, the brighter it is."""
        height, width = self.size
        picture = np.zeros((height, width, 3), np.uint8)
        columns, rows = np.floor(self.to_pixels(points[:, :3])).astype(np.int64).T
        inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        order = np.argsort(points[inside, 2], kind="stable")
        columns, rows, heights = columns[inside][order], rows[inside][order], points[inside, 2][order]
        shade = np.clip((heights + 2.5) / 4.0, 0, 1)
        picture[rows, columns] = np.stack([60 + 195 * shade, 90 + 165 * shade, 150 - 30 * shade], axis=1).astype(np.uint8)
        # a single pixel is hard to see
        spread: np.ndarray = cv2.dilate(picture, np.ones((2, 2), np.uint8))
        return spread


def draw_wireframe(pixels: np.ndarray, corners: np.ndarray, colour: Colour, width: int) -> None:
    """Draw the edges of a box and a cross on its front.

    Args:
        pixels: uint8 (H, W, 3), the picture.
        corners: (8, 2) in the picture, in the order of :meth:`pet.structures.boxes3d.Boxes3D.corners`; NaN: behind the camera.
        colour: of the lines.
        width: of the lines.
    """
    edges = [(0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7), (0, 5), (1, 4)]
    _draw_edges(pixels, corners, edges, colour, width)


def draw_footprint(pixels: np.ndarray, corners: np.ndarray, colour: Colour, width: int) -> None:
    """Draw the lower face of a box, (4, 2) in the picture, and a line from its middle through its front."""
    middle, front = corners.mean(axis=0), corners[:2].mean(axis=0)
    points = np.concatenate([corners, [middle, front + (front - middle) * 0.3]])
    _draw_edges(pixels, points, [(0, 1), (1, 2), (2, 3), (3, 0), (4, 5)], colour, width)


def _draw_edges(pixels: np.ndarray, points: np.ndarray, edges: list[tuple[int, int]], colour: Colour, width: int) -> None:
    places = [None if np.isnan(point).any() else tuple(np.clip(point, -(2**15), 2**15).round().astype(int).tolist()) for point in points]
    for shade, thickness in ((BLACK, width + 2), (colour, width)):
        for first, second in edges:
            start, end = places[first], places[second]
            if start is not None and end is not None:
                cv2.line(pixels, start, end, shade, thickness, cv2.LINE_AA)
