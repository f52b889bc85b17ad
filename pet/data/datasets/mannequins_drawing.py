"""Draws the images of ``mannequins``: jointed figures, cast ray by ray, before cluttered backgrounds."""

from typing import NamedTuple

import numpy as np

from pet.data.datasets.mannequins_body import PARTS, Ellipsoid, Pose, build_body, chart_of
from pet.data.datasets.shapes_background import draw_background, pick_colour

MOST_FIGURES = 2
FIGURE_HEIGHT = 1.8
"""Metres of an upright figure."""
LEAST_VISIBLE = 0.6
"""A figure is not put where it would leave less than this share of an earlier one to be seen."""
TRIES = 20
EDGE = 3
"""Pixels at the edge of the image that stay free."""
TEXTURES = 20221
"""Seed of the pattern on the surface, which is the same for all figures that wear it."""
PATTERN = 60.0
"""How far it changes a colour."""


class DrawnFigure(NamedTuple):
    """What is seen of a figure, as label images of its window.

    Attributes:
        top: row of the window.
        left: column of the window.
        part: uint8 (h, w), 0 where something else is.
        uv: float32 (h, w, 2).
        visible: bool (h, w), what no later figure covers.
    """

    top: int
    left: int
    part: np.ndarray
    uv: np.ndarray
    visible: np.ndarray


class _Cast(NamedTuple):
    """A figure in its own window: part (h, w), uv (h, w, 2), and normal (h, w, 3)."""

    part: np.ndarray
    uv: np.ndarray
    normal: np.ndarray


def draw_mannequins(rng: np.random.Generator, size: int) -> tuple[np.ndarray, list[DrawnFigure]]:
    """Return an image, uint8 (size, size, 3), RGB, and its figures from the backmost to the foremost, 1 or 2."""
    image, colours = draw_background(rng, size)
    figures: list[DrawnFigure] = []
    for _ in range(rng.integers(1, MOST_FIGURES + 1)):
        cast = _cast_figure(rng, size)
        place = _find_place(rng, cast.part > 0, figures, size)
        if place is None:
            continue
        top, left = place
        height, width = cast.part.shape
        covered = cast.part > 0
        _hide(figures, covered, top, left, size)
        window = image[top : top + height, left : left + width]
        window[covered] = _paint(rng, cast, colours)[covered]
        figures.append(DrawnFigure(top, left, cast.part, cast.uv, covered.copy()))
    noisy = image + rng.standard_normal(image.shape, np.float32) * rng.uniform(1, 6)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8), figures


def draw_pose(rng: np.random.Generator) -> Pose:
    """Return a random pose: arms anywhere at the sides, legs below, elbows and knees bent."""
    directions = {}
    for sign, side in ((1.0, "left"), (-1.0, "right")):
        arm, leg = rng.uniform(0.15, 2.6), rng.uniform(0.0, 0.55)
        directions[f"{side}_upper_arm"] = _direction(sign, arm, rng.uniform(-0.5, 0.7))
        directions[f"{side}_lower_arm"] = _direction(sign, arm + rng.uniform(-0.4, 1.2), rng.uniform(-0.2, 0.8))
        directions[f"{side}_upper_leg"] = _direction(sign, leg, rng.uniform(-0.4, 0.6))
        directions[f"{side}_lower_leg"] = _direction(sign, leg + rng.uniform(-0.4, 0.2), rng.uniform(-0.7, 0.1))
    return Pose(directions)


def _direction(sign: float, sideways: float, forwards: float) -> np.ndarray:
    """Return a direction that hangs down, turned to the side and then to the front, radians."""
    flat = np.cos(forwards)
    return np.array([sign * np.sin(sideways) * flat, -np.cos(sideways) * flat, np.sin(forwards)])


def _cast_figure(rng: np.random.Generator, size: int) -> _Cast:
    """Return a figure of random pose, size and direction, turned up to 60 degrees to the side and 15 in the image."""
    yaw, roll = np.radians(rng.uniform(-60, 60)), np.radians(rng.uniform(-15, 15))
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    lean = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    scale = rng.uniform(0.5, 0.85) * size / FIGURE_HEIGHT
    # rows of the image go down
    view = np.diag([scale, -scale, scale]) @ lean @ turn
    return cast_body(build_body(draw_pose(rng)), view)


def cast_body(body: list[Ellipsoid], view: np.ndarray) -> _Cast:
    """Return what is seen of a body along parallel rays.

    Args:
        body: its pieces.
        view: (3, 3), from metres to pixels: columns, rows, and towards the viewer.
    """
    shapes = [view @ piece.frame.T * piece.radii for piece in body]
    centres = np.array([view @ piece.centre for piece in body])
    extents = np.array([np.linalg.norm(shape[:2], axis=1) for shape in shapes])
    low = np.floor((centres[:, :2] - extents).min(axis=0)) - 1
    width, height = (np.ceil((centres[:, :2] + extents).max(axis=0)) + 1 - low).astype(int)
    part, uv = np.zeros((height, width), np.uint8), np.zeros((height, width, 2), np.float32)
    normal, depth = np.zeros((height, width, 3), np.float32), np.full((height, width), -np.inf)
    for piece, shape, centre, extent in zip(body, shapes, centres, extents, strict=True):
        left, top = np.floor(centre[:2] - extent - low).astype(int)
        right, bottom = np.ceil(centre[:2] + extent - low).astype(int)
        rows, columns = np.mgrid[top:bottom, left:right]
        places = np.stack([columns.ravel() + 0.5 + low[0] - centre[0], rows.ravel() + 0.5 + low[1] - centre[1]], axis=-1)
        hit, local, height_of = _cast_piece(shape, places)
        in_front = np.flatnonzero(hit & (height_of + centre[2] > depth[rows, columns].ravel()))
        where = rows.ravel()[in_front], columns.ravel()[in_front]
        depth[where] = (height_of + centre[2])[in_front]
        part[where], uv[(*where, 0)], uv[(*where, 1)] = chart_of(piece, local[in_front])
        outwards = local[in_front] @ np.linalg.inv(shape)
        normal[where] = outwards / np.linalg.norm(outwards, axis=1, keepdims=True)
    return _Cast(part, uv, normal)


def _cast_piece(shape: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which rays meet an ellipsoid, where in units of its radii (N, 3), and how near to the viewer (N,).

    Args:
        shape: (3, 3), from units of the radii to pixels.
        places: (N, 2), columns and rows of the rays from its centre.
    """
    inverse = np.linalg.inv(shape)
    start, along = places @ inverse[:, :2].T, inverse[:, 2]
    # |start + t along|^2 = 1, of whose solutions the greater t is nearer to the viewer
    a, b, c = along @ along, start @ along, (start**2).sum(axis=1) - 1
    root = b * b - a * c
    height = (-b + np.sqrt(np.maximum(root, 0))) / a
    return root > 0, start + height[:, None] * along, height


def _find_place(rng: np.random.Generator, covered: np.ndarray, figures: list[DrawnFigure], size: int) -> tuple[int, int] | None:
    """Return row and column of a window such that enough of the earlier figures stays visible; None: there is no room."""
    height, width = covered.shape
    if max(height, width) > size - 2 * EDGE:
        return None
    for _ in range(TRIES):
        top, left = int(rng.integers(EDGE, size - EDGE - height + 1)), int(rng.integers(EDGE, size - EDGE - width + 1))
        page = _page(covered, top, left, size)
        if all(
            (own & ~page).sum() >= LEAST_VISIBLE * own.sum() for own in (_page(one.visible, one.top, one.left, size) for one in figures)
        ):
            return top, left
    return None


def _page(pixels: np.ndarray, top: int, left: int, size: int) -> np.ndarray:
    page = np.zeros((size, size), bool)
    page[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return page


def _hide(figures: list[DrawnFigure], covered: np.ndarray, top: int, left: int, size: int) -> None:
    page = _page(covered, top, left, size)
    for one in figures:
        height, width = one.visible.shape
        one.visible[page[one.top : one.top + height, one.left : one.left + width]] = False


def _paint(rng: np.random.Generator, cast: _Cast, avoid: list[np.ndarray]) -> np.ndarray:
    """Return the colours of a figure in the light of a lamp, float32 (h, w, 3): skin, shirt and trousers, half of them with the pattern."""
    skin, shirt, trousers = (pick_colour(rng, avoid) for _ in range(3))
    sleeves = skin if rng.random() < 0.5 else shirt
    wears = {"torso": shirt, "face": skin, "back": shirt * 0.5, "upper_arm": sleeves, "lower_arm": skin, "leg": trousers}
    base = np.zeros((len(PARTS) + 1, 3), np.float32)
    for number, name in enumerate(PARTS, 1):
        base[number] = next(colour for word, colour in wears.items() if word in name.removesuffix("_back"))
    colours = base[cast.part]
    if rng.random() < 0.5:
        colours = colours + PATTERN * pattern(cast.part, cast.uv)
    colours[_eyes(cast)] *= 0.2
    lamp = np.array([rng.uniform(-0.6, 0.6), rng.uniform(-0.8, 0.1), 1.0])
    light = np.clip(cast.normal @ (lamp / np.linalg.norm(lamp)), 0, 1)
    return np.asarray(np.clip(colours * (0.45 + 0.6 * light[..., None]), 0, 255), np.float32)


def _eyes(cast: _Cast) -> np.ndarray:
    across, up = np.abs(cast.uv[..., 0] - 0.5), cast.uv[..., 1]
    return np.asarray((cast.part == PARTS.index("face") + 1) & (np.abs(across - 0.17) < 0.07) & (np.abs(up - 0.6) < 0.07))


def pattern(part: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Return waves over u and v, float32 (..., 3) from -1 to 1, the same for each figure: what shows where on the surface a pixel is."""
    waves = np.random.default_rng(TEXTURES).uniform(0, 2 * np.pi, (len(PARTS) + 1, 3)).astype(np.float32)[part]
    u, v = 2 * np.pi * uv[..., :1], 2 * np.pi * uv[..., 1:]
    return np.asarray(np.concatenate([np.sin(u + waves[..., :1]), np.sin(v + waves[..., 1:2]), np.sin(u - v + waves[..., 2:])], axis=-1))
