"""Draws the images of the data set ``shapes``: simple objects with exact targets, before cluttered backgrounds."""

from typing import NamedTuple

import cv2
import numpy as np

from pet.data.datasets.shapes_background import draw_background, pick_colour

CLASSES = ("circle", "square", "triangle", "figure")
FIGURE = CLASSES.index("figure")
KEYPOINTS = ("head", "left_hand", "right_hand", "left_foot", "right_foot")
PARTS = ("background", "head", "torso", "left_arm", "right_arm", "left_leg", "right_leg")

CLASS_WEIGHTS = (0.22, 0.22, 0.22, 0.34)
MOST_OBJECTS = 5
LEAST_VISIBLE = 0.8
"""An object is not put where it would leave less than this share of an earlier one to be seen."""
PLACING_TRIES = 40
SUPERSAMPLING = 4
SUBPIXEL_BITS = 4
LEFT, RIGHT = 1, -1
"""Signs of x: a figure faces the viewer, so its left side is the viewer's right."""


class Piece(NamedTuple):
    """One part of an object: a filled polygon, or a path of round ends where it has a width."""

    points: np.ndarray
    """float64 (n, 2), pixels, around the object's own origin."""
    colour: np.ndarray
    part: int = 0
    width: float = 0.0


class Patch(NamedTuple):
    """A drawn object in its own small window."""

    colour: np.ndarray
    """float32 (h, w, 3)."""
    alpha: np.ndarray
    """float32 (h, w), the share of each pixel that is covered."""
    parts: np.ndarray
    """uint8 (h, w), labels of :data:`PARTS`."""
    keypoints: np.ndarray
    """float64 (K, 2) in the window; K is 0 for what is no figure."""
    palette: list[np.ndarray]
    """Its colours."""


class DrawnObject(NamedTuple):
    """An object of an image. Coordinates are continuous: pixel i covers [i, i + 1).

    Attributes:
        label: place in :data:`CLASSES`.
        mask: bool (size, size), the pixels that are seen: those that it covers by half and no later object covers.
        keypoints: float64 (5, 3) of x, y and 2 (seen) or 1 (covered by a later object); (0, 3) for what is no figure.
    """

    label: int
    mask: np.ndarray
    keypoints: np.ndarray


class Drawing(NamedTuple):
    """An image and its targets.

    Attributes:
        image: uint8 (size, size, 3), RGB; float32 while it is drawn.
        objects: from the backmost to the foremost.
        parsing: uint8 (size, size), labels of :data:`PARTS`, figures only.
        instances: uint8 (size, size), place in ``objects`` + 1, figures only.
    """

    image: np.ndarray
    objects: list[DrawnObject]
    parsing: np.ndarray
    instances: np.ndarray


def draw_image(rng: np.random.Generator, size: int) -> Drawing:
    """Return an image of ``size`` by ``size`` pixels with 1 to 5 objects, all inside of it and mostly to be seen."""
    background, used_colours = draw_background(rng, size)
    drawing = Drawing(background, [], np.zeros((size, size), np.uint8), np.zeros((size, size), np.uint8))
    areas: list[int] = []
    for _ in range(rng.integers(1, MOST_OBJECTS + 1)):
        label = int(rng.choice(len(CLASSES), p=CLASS_WEIGHTS))
        patch = draw_object(rng, label, size / 128, used_colours)
        place = _find_place(rng, patch, drawing, areas)
        if place is not None:
            _put(drawing, patch, label, place)
            areas.append(int(drawing.objects[-1].mask.sum()))
            used_colours.extend(patch.palette)
    for drawn in drawing.objects:
        _mark_hidden(drawn)
    return drawing._replace(image=_finish(rng, background))


def _put(drawing: Drawing, patch: Patch, label: int, place: tuple[int, int]) -> None:
    """Draw an object over what is there, at x and y of its window's corner."""
    height, width = patch.alpha.shape
    window = np.s_[place[1] : place[1] + height, place[0] : place[0] + width]
    covered = np.zeros(drawing.parsing.shape, bool)
    covered[window] = patch.alpha >= 0.5
    drawing.image[window] += (patch.colour - drawing.image[window]) * patch.alpha[..., None]
    for earlier in drawing.objects:
        earlier.mask[covered] = False
    drawing.parsing[covered] = 0
    drawing.parsing[window] += patch.parts
    drawing.instances[covered] = len(drawing.objects) + 1 if label == FIGURE else 0
    visible = np.full((len(patch.keypoints), 1), 2.0)
    drawing.objects.append(DrawnObject(label, covered, np.hstack([patch.keypoints + place, visible])))


def _find_place(rng: np.random.Generator, patch: Patch, drawing: Drawing, areas: list[int]) -> tuple[int, int] | None:
    """Return x and y of the window's corner such that enough of the earlier objects stays visible; None: there is no room.

    Args:
        rng: source of the places that are tried.
        patch: the object.
        drawing: what has been drawn.
        areas: pixels of each earlier object as if nothing covered it.
    """
    height, width = patch.alpha.shape
    size = len(drawing.image)
    if max(height, width) > size:
        return None
    covered = patch.alpha >= 0.5
    for _ in range(PLACING_TRIES):
        x, y = int(rng.integers(0, size - width + 1)), int(rng.integers(0, size - height + 1))
        if all(
            earlier.mask.sum() - (earlier.mask[y : y + height, x : x + width] & covered).sum() >= LEAST_VISIBLE * area
            for earlier, area in zip(drawing.objects, areas, strict=True)
        ):
            return x, y
    return None


def _mark_hidden(drawn: DrawnObject) -> None:
    for point in drawn.keypoints:
        if not drawn.mask[int(point[1]), int(point[0])]:
            point[2] = 1


def _finish(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Return the image with the noise of a camera, as bytes."""
    noise = rng.standard_normal(image.shape, np.float32) * rng.uniform(1, 7)
    finished: np.ndarray = np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)
    return finished


def draw_object(rng: np.random.Generator, label: int, scale: float, avoid: list[np.ndarray]) -> Patch:
    """Return an object of random form and colours, which differ from those to ``avoid``; at ``scale`` 1 it has 20 to 80 pixels."""
    if CLASSES[label] == "figure":
        return _draw_figure(rng, scale, avoid)
    colour = pick_colour(rng, avoid)
    turn = rng.uniform(0, 2 * np.pi)
    if CLASSES[label] == "circle":
        angles, radius = np.linspace(0, 2 * np.pi, 72, endpoint=False), rng.uniform(10, 28)
    elif CLASSES[label] == "square":
        angles, radius = turn + np.arange(4) * np.pi / 2, rng.uniform(13, 32)
    else:
        # corners at least 85 degrees apart as seen from the middle: no slivers
        angles, radius = turn + np.arange(3) * 2 * np.pi / 3 + np.radians(rng.uniform(-17, 17, 3)), rng.uniform(15, 36)
    corners = radius * scale * np.stack([np.cos(angles), np.sin(angles)], 1)
    return _render(rng, [Piece(corners, colour)], np.zeros((0, 2)))


def _draw_figure(rng: np.random.Generator, scale: float, avoid: list[np.ndarray]) -> Patch:
    """Return an upright figure, within 20 degrees; lengths below are shares of its height."""
    height = rng.uniform(46, 80) * scale
    arm_width, leg_width = max(0.095 * height, 4.5 * scale), max(0.115 * height, 5 * scale)
    skin, shirt, trousers = (pick_colour(rng, avoid) for _ in range(3))
    sleeves = skin if rng.random() < 0.5 else shirt * 0.85
    lean = np.radians(rng.uniform(-20, 20))
    turn = np.array([[np.cos(lean), np.sin(lean)], [-np.sin(lean), np.cos(lean)]]) * height

    arms = {side: _limb((side * 0.14, -0.29), 0.17, _arm_angles(rng), side) @ turn for side in (LEFT, RIGHT)}
    legs = {side: _limb((side * 0.065, 0.0), 0.205, _leg_angles(rng), side) @ turn for side in (LEFT, RIGHT)}
    torso = np.array([[-0.15, -0.34], [0.15, -0.34], [0.115, 0.04], [-0.115, 0.04]]) @ turn
    head = np.array([0, -0.46]) @ turn
    circle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    face = head + 0.125 * height * np.stack([np.cos(circle), np.sin(circle)], 1)
    pieces = [
        Piece(legs[LEFT], trousers, PARTS.index("left_leg"), leg_width),
        Piece(legs[RIGHT], trousers * 0.95, PARTS.index("right_leg"), leg_width),
        Piece(torso, shirt, PARTS.index("torso")),
        Piece(arms[LEFT], sleeves, PARTS.index("left_arm"), arm_width),
        Piece(arms[RIGHT], sleeves, PARTS.index("right_arm"), arm_width),
        Piece(face, skin, PARTS.index("head")),
    ]
    return _render(rng, pieces, np.stack([head, arms[LEFT][-1], arms[RIGHT][-1], legs[LEFT][-1], legs[RIGHT][-1]]))


def _arm_angles(rng: np.random.Generator) -> tuple[float, float]:
    upper = rng.uniform(22, 150)
    return upper, float(np.clip(upper + rng.uniform(-45, 45), 10, 160))


def _leg_angles(rng: np.random.Generator) -> tuple[float, float]:
    upper = rng.uniform(8, 34)
    return upper, float(np.clip(upper + rng.uniform(-18, 12), 3, 40))


def _limb(start: tuple[float, float], length: float, angles: tuple[float, float], side: int) -> np.ndarray:
    """Return the joints (3, 2) of a limb of two bones; angles are outwards from straight down, in degrees."""
    radians = np.radians(angles)
    bones = length * np.stack([side * np.sin(radians), np.cos(radians)], 1)
    return np.array(start) + np.vstack([np.zeros((1, 2)), np.cumsum(bones, 0)])


def _render(rng: np.random.Generator, pieces: list[Piece], keypoints: np.ndarray) -> Patch:
    """Return the pieces, later ones over earlier ones, drawn finely and averaged down to pixels."""
    low = np.floor(np.min([piece.points.min(0) - piece.width / 2 for piece in pieces], 0) - 1)
    high = np.ceil(np.max([piece.points.max(0) + piece.width / 2 for piece in pieces], 0) + 1)
    # the place between the pixels varies too
    shift = rng.uniform(0, 1, 2)
    width, height = (high - low + 1).astype(int)
    fine = np.zeros((height * SUPERSAMPLING, width * SUPERSAMPLING), np.uint8)
    for number, piece in enumerate(pieces, start=1):
        # OpenCV counts from the middle of a pixel
        points = np.rint(((piece.points - low + shift) * SUPERSAMPLING - 0.5) * 2**SUBPIXEL_BITS).astype(np.int32)
        if piece.width:
            thickness = round(piece.width * SUPERSAMPLING)
            cv2.polylines(fine, [points], isClosed=False, color=number, thickness=thickness, shift=SUBPIXEL_BITS)
        else:
            cv2.fillPoly(fine, [points], color=number, shift=SUBPIXEL_BITS)
    shares = (fine[..., None] == np.arange(1, len(pieces) + 1)).astype(np.float32)
    shares = np.stack([cv2.resize(share, (width, height), interpolation=cv2.INTER_AREA) for share in np.moveaxis(shares, 2, 0)], 2)
    alpha = shares.sum(2)
    colour = shares @ np.stack([piece.colour for piece in pieces]).astype(np.float32) / np.maximum(alpha, 1e-6)[..., None]
    labels = np.array([piece.part for piece in pieces], np.uint8)[shares.argmax(2)]
    parts: np.ndarray = np.where(alpha >= 0.5, labels, 0).astype(np.uint8)
    palette = [piece.colour for piece in pieces]
    return Patch(_shade(rng, colour), alpha, parts, keypoints - low + shift, palette)


def _shade(rng: np.random.Generator, colour: np.ndarray) -> np.ndarray:
    """Return the colours lighter on one side than on the other."""
    height, width = colour.shape[:2]
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.25)
    plane = np.add.outer(np.linspace(-1, 1, height) * np.sin(angle), np.linspace(-1, 1, width) * np.cos(angle))
    shaded: np.ndarray = (colour * (1 + strength * plane[..., None])).astype(np.float32)
    return shaded
