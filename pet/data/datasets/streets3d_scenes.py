"""Scenes of ``streets3d``: what is where. Solid boxes make up all things, so that rays meet them exactly."""

from typing import NamedTuple

import numpy as np

from pet.structures.boxes3d import Boxes3D

CLASSES = ("Car", "Pedestrian", "Cyclist")
SIZES = np.array([[3.9, 1.6, 1.56], [0.8, 0.6, 1.73], [1.76, 0.6, 1.73]])
"""Mean length, width and height of each class, metres; a thing differs by up to 12 %."""
SPREAD = 0.12
SHARES = (0.55, 0.25, 0.2)
GROUND = -1.73
"""Height of the ground in the frame of the LiDAR, metres, as of KITTI's car."""
NEAR, FAR, SIDE = 5.0, 40.0, 0.75
"""Things lie so far ahead, and at most so far to the side for each metre ahead."""
NO_OBJECT = -1

SOLIDS = (
    # of each class its solids: shares of length, width and height, and where their lower centre lies in shares of the box, along and up
    (((1.0, 1.0, 0.55), (0.0, 0.0)), ((0.5, 0.9, 0.45), (-0.12, 0.55))),
    (((0.55, 1.0, 0.8), (-0.1, 0.0)), ((1.0, 0.35, 0.35), (0.0, 0.35)), ((0.35, 0.45, 0.2), (0.0, 0.8))),
    (((1.0, 0.35, 0.55), (0.0, 0.0)), ((0.35, 1.0, 0.65), (-0.12, 0.35)), ((0.5, 0.8, 0.1), (0.2, 0.55))),
)
"""They have a front and a back, which otherwise nothing would show."""


class Scene(NamedTuple):
    """A scene.

    Attributes:
        boxes: of the N objects, frame ``lidar``.
        labels: int64 (N,), classes.
        solids: what they and the things around them are made of, frame ``lidar``, M of them.
        owners: int64 (M,), the object that each is part of, or ``NO_OBJECT``.
        colours: uint8 (M, 3), RGB.
        reflectances: float64 (M,), from 0 to 1.
    """

    boxes: Boxes3D
    labels: np.ndarray
    solids: Boxes3D
    owners: np.ndarray
    colours: np.ndarray
    reflectances: np.ndarray


def draw_scene(rng: np.random.Generator) -> Scene:
    """Return a scene of 3 to 9 objects, walls and poles, none of which touch."""
    labels = rng.choice(len(CLASSES), rng.integers(3, 10), p=SHARES)
    sizes = SIZES[labels] * rng.uniform(1 - SPREAD, 1 + SPREAD, (len(labels), 3))
    others = np.concatenate(
        [
            np.stack([rng.uniform(3, 9, 3), rng.uniform(0.2, 0.4, 3), rng.uniform(1.5, 3, 3)], axis=1),
            np.stack([rng.uniform(0.15, 0.3, 4), rng.uniform(0.15, 0.3, 4), rng.uniform(2.5, 4.5, 4)], axis=1),
        ]
    )
    all_sizes = np.concatenate([sizes, others])
    placed, values = _place(all_sizes, rng)
    values = values[placed]
    is_object = np.arange(len(all_sizes))[placed] < len(labels)
    boxes, labels = Boxes3D(values[is_object], "lidar"), labels[placed[: len(labels)]]
    parts = [(*part, owner) for owner, label in enumerate(labels) for part in _solids_of(boxes.values[owner], int(label), rng)]
    gray = rng.integers(90, 170, (int((~is_object).sum()), 1)).repeat(3, axis=1)
    return Scene(
        boxes=boxes,
        labels=labels.astype(np.int64),
        solids=Boxes3D(np.array([part[0] for part in parts] + list(values[~is_object])), "lidar"),
        owners=np.array([part[2] for part in parts] + [NO_OBJECT] * len(gray), np.int64),
        colours=np.array([part[1] for part in parts] + list(gray), np.uint8).reshape(-1, 3),
        reflectances=np.concatenate([rng.uniform(0.2, 0.8, len(parts)), rng.uniform(0.1, 0.5, len(gray))]),
    )


def _place(sizes: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return bool (K,), what found a place, and boxes (K, 7) on the ground whose circles do not touch."""
    values, placed = np.zeros((len(sizes), 7)), np.zeros(len(sizes), bool)
    radii = np.hypot(sizes[:, 0], sizes[:, 1]) / 2 + 0.2
    for number, size in enumerate(sizes):
        for _ in range(30):
            ahead = rng.uniform(NEAR + radii[number], FAR)
            place = np.array([ahead, rng.uniform(-SIDE, SIDE) * ahead])
            distances = np.hypot(*(values[placed, :2] - place).T)
            if (distances > radii[placed] + radii[number]).all():
                values[number] = [*place, GROUND + size[2] / 2, *size, rng.uniform(-np.pi, np.pi)]
                placed[number] = True
                break
    return placed, values


def _solids_of(box: np.ndarray, label: int, rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the solids of an object, each with its colour."""
    colour = rng.integers(40, 230, 3)
    found = []
    for number, (shares, (along, up)) in enumerate(SOLIDS[label]):
        size = box[3:6] * shares
        shift = along * box[3]
        centre = [
            box[0] + shift * np.cos(box[6]),
            box[1] + shift * np.sin(box[6]),
            box[2] - box[5] / 2 + up * box[5] + size[2] / 2,
        ]
        found.append((np.array([*centre, *size, box[6]]), colour if number == 0 else (colour * 0.5 + 30 * number).clip(0, 255)))
    return found
