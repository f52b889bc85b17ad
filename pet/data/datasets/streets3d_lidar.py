"""What a LiDAR measures in a scene of ``streets3d``: rays meet solids and the ground exactly."""

from dataclasses import replace

import numpy as np

from pet.data.datasets.streets3d_camera import CALIBRATION, SIZE
from pet.data.datasets.streets3d_scenes import CLASSES, GROUND, NO_OBJECT, Scene
from pet.data.files.kitti_text import DONT_CARE
from pet.structures.objects3d import Objects3D, boxes_in_image, found_objects

BEAMS, TURNS = 40, 258
ELEVATIONS = (-17.0, 2.0)
HALF_ANGLE = 42.0
"""Degrees: of the lowest and the highest beam, and to either side."""
REACH = 45.0
NOISE = 0.02
DROPOUT = 0.08
FEWEST = 5
"""Objects with fewer points become regions that do not count."""
PARTLY, LARGELY = 0.2, 0.6
"""Shares of an object's rays that other things take, from which on it is occluded by KITTI's degrees 1 and 2."""


def scan(scene: Scene, rng: np.random.Generator) -> tuple[np.ndarray, Objects3D]:
    """Return points, float32 (P, 4), and the objects as KITTI's labels have them."""
    rays = _rays()
    depths = _depths(scene, rays)
    with np.errstate(divide="ignore"):
        ground = np.where(rays[:, 2] < 0, GROUND / rays[:, 2], np.inf)
    nearest = depths.min(axis=0, initial=np.inf)
    hit = np.where(nearest < ground, depths.argmin(axis=0), NO_OBJECT)
    distances = np.minimum(nearest, ground)
    measured = (distances < REACH) & (rng.random(len(rays)) >= DROPOUT)
    owners = np.where(hit >= 0, scene.owners[hit], NO_OBJECT)
    noisy = distances + rng.normal(0, NOISE, len(rays))
    bright = np.where(hit >= 0, scene.reflectances[hit], 0.2) + rng.normal(0, 0.03, len(rays))
    points = np.concatenate([rays * noisy[:, None], bright.clip(0, 1)[:, None]], axis=1)[measured]
    return points.astype(np.float32), _labels(scene, depths, owners, measured)


def _rays() -> np.ndarray:
    """Return directions of unit length, float64 (R, 3)."""
    up, side = np.meshgrid(
        np.radians(np.linspace(*ELEVATIONS, BEAMS)), np.radians(np.linspace(HALF_ANGLE, -HALF_ANGLE, TURNS)), indexing="ij"
    )
    return np.stack([np.cos(up) * np.cos(side), np.cos(up) * np.sin(side), np.sin(up)], axis=-1).reshape(-1, 3)


def _depths(scene: Scene, rays: np.ndarray) -> np.ndarray:
    """Return the distance at which each ray enters each solid, float64 (M, R); infinite: it misses."""
    depths = np.full((len(scene.solids), len(rays)), np.inf)
    angles = np.arctan2(rays[:, 1], rays[:, 0])
    corners = scene.solids.corners()
    bearings = np.arctan2(corners[..., 1], corners[..., 0])
    for place, (x, y, z, length, width, height, yaw) in enumerate(scene.solids.values):
        near = np.flatnonzero((angles >= bearings[place].min()) & (angles <= bearings[place].max()))
        cosine, sine = np.cos(yaw), np.sin(yaw)
        turn = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
        start, ways = -np.array([x, y, z]) @ turn, rays[near] @ turn
        half = np.array([length, width, height]) / 2
        with np.errstate(divide="ignore"):
            first, second = (-half - start) / ways, (half - start) / ways
        enter, leave = np.minimum(first, second).max(axis=1), np.maximum(first, second).min(axis=1)
        depths[place, near] = np.where((enter <= leave) & (enter > 0), enter, np.inf)
    return depths


def _labels(scene: Scene, depths: np.ndarray, owners: np.ndarray, measured: np.ndarray) -> Objects3D:
    count = len(scene.boxes)
    points = np.array([((owners == number) & measured).sum() for number in range(count)])
    alone = np.array([np.isfinite(depths[scene.owners == number]).any(axis=0).sum() for number in range(count)])
    lost = 1 - np.array([(owners == number).sum() for number in range(count)]) / np.maximum(alone, 1)
    found = found_objects(np.array(CLASSES)[scene.labels], scene.boxes, np.ones(count), CALIBRATION, SIZE)
    whole = boxes_in_image(found.boxes, CALIBRATION.with_moved_image(np.array([[1.0, 0, 5e4], [0, 1, 5e4], [0, 0, 1]])), (10**5, 10**5))
    areas, all_areas = ((boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (found.boxes2d, whole))
    labelled = replace(
        found,
        types=np.where(points < FEWEST, DONT_CARE, found.types),
        truncated=np.round(1 - areas / np.maximum(all_areas, 1e-6), 2).clip(0, 1),
        occluded=(lost >= PARTLY).astype(np.int64) + (lost >= LARGELY),
    )
    return labelled[areas > 0]
