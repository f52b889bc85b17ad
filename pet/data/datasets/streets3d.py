"""The data set ``streets3d``: drawn scenes of streets, written as folders of KITTI when it is first used."""

import json
import zlib
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from pet.data.catalog.source import Source, check_split
from pet.data.datasets.drawn_set import DrawnSet, replaced_folder
from pet.data.datasets.kitti import CALIBRATIONS, IMAGES, LABELS, POINTS, TRAINING, KittiDataset
from pet.data.datasets.streets3d_camera import CALIBRATION, paint_image
from pet.data.datasets.streets3d_lidar import scan
from pet.data.datasets.streets3d_scenes import CLASSES, draw_scene
from pet.data.files.kitti_text import format_calibration, format_objects

COUNTS = {"train": 800, "test": 200}
VERSION = 1
"""Goes up with every change of what is drawn or written; files of another version are written anew."""
GENERATOR = "pet streets3d"
DESCRIPTION = "streets3d.json"
NAME = "streets3d"
PNG_FAST = [cv2.IMWRITE_PNG_COMPRESSION, 1]


def write_streets3d(folder: Path, *, split: str, count: int) -> None:
    """Write the first ``count`` scenes of a split into ``folder/training`` and take the place of what is there.

    A scene depends on split and number alone.

    Args:
        folder: with the description of what is in it.
        split: ``train`` or ``test``, from which the seed follows.
        count: number of scenes.
    """
    with replaced_folder(folder) as temporary:
        for part in (POINTS, IMAGES, CALIBRATIONS, LABELS):
            (temporary / TRAINING / part).mkdir(parents=True)
        calibration = format_calibration(CALIBRATION)
        for index in range(count):
            rng = np.random.default_rng([zlib.crc32(split.encode()), index])
            _write_scene(temporary / TRAINING, f"{index:06d}", calibration, rng)
        info = {"description": GENERATOR, "version": VERSION, "split": split, "count": count}
        (temporary / DESCRIPTION).write_text(json.dumps({"info": info}), encoding="utf-8")


def _write_scene(root: Path, name: str, calibration: str, rng: np.random.Generator) -> None:
    scene = draw_scene(rng)
    points, objects = scan(scene, rng)
    (root / POINTS / f"{name}.bin").write_bytes(points.tobytes())
    (root / LABELS / f"{name}.txt").write_text(format_objects(objects, with_scores=False), encoding="utf-8")
    (root / CALIBRATIONS / f"{name}.txt").write_text(calibration, encoding="utf-8")
    # OpenCV reports a full disk by False alone; write_bytes raises
    encoded = cv2.imencode(".png", paint_image(scene)[..., ::-1], PNG_FAST)[1]
    (root / IMAGES / f"{name}.png").write_bytes(encoded.tobytes())


def build_streets3d_points(source: Source) -> KittiDataset:
    """Return frames of points of a split; see :func:`build_streets3d_images`."""
    return _build(source, of_points=True)


def build_streets3d_images(source: Source) -> KittiDataset:
    """Return a split of ``streets3d``, 800 scenes for training and 200 for testing, written first where absent.

    Cars, pedestrians and cyclists between walls and poles on a plane, up to 41 m away: some 8,000 points of a LiDAR with 40 beams, the
    image of a camera with KITTI's calibration, and labels with occlusion and truncation. The first process of each machine writes, the
    others wait; every process has to call this.

    Raises:
        ConfigError: there is no such split.
        DataError: the folder cannot be written, or holds something else.
    """
    return _build(source, of_points=False)


def _build(source: Source, *, of_points: bool) -> KittiDataset:
    check_split(NAME, source.split)
    folder, count = source.path / source.split, COUNTS[source.split]
    drawn = DrawnSet(NAME, GENERATOR, VERSION, count, partial(write_streets3d, folder, split=source.split, count=count))
    place = drawn.write_where_absent(folder, DESCRIPTION)
    return KittiDataset(folder=place.parent, split=source.split, of_points=of_points, classes=source.classes or CLASSES, kinds=source.kinds)
