"""Text files of KITTI: objects of a frame, and its calibration."""

import math
from pathlib import Path

import numpy as np

from pet.data.files.opening import read_text
from pet.structures.boxes3d import Boxes3D
from pet.structures.calibration import Calibration
from pet.structures.objects3d import Objects3D
from petlib.errors import DataError

COLUMNS = (
    *("type", "truncated", "occluded", "alpha", "left", "top", "right", "bottom", "height", "width", "length", "x", "y", "z"),
    "rotation_y",
)
OWN_COLUMNS = ("x", "y", "z", "length", "width", "height", "yaw", "type")
"""Of folders without a camera: the centre of the box, in the frame of the points."""
DONT_CARE = "DontCare"
MATRICES = {"P2": 12, "R0_rect": 9, "Tr_velo_to_cam": 12}


def read_objects(path: Path, calibration: Calibration) -> Objects3D:
    """Return the objects of a label file, or of a result file with scores in its 16th column.

    Lines have KITTI's 15 columns, or the 8 of folders without a camera: x y z length width height yaw type, in the frame of the points.

    Raises:
        DataError: the file is missing, or a line is wrong; the message names it.
    """
    lines = [line.split() for line in read_text(path, what="the labels").splitlines() if line.strip()]
    if lines and len(lines[0]) == len(OWN_COLUMNS):
        return _own_objects(path, lines, calibration)
    rows = [_read_line(path, number, fields) for number, fields in enumerate(lines, start=1)]
    values = np.array(rows, np.float64).reshape(-1, len(COLUMNS))
    height, width, length = values[:, 7:10].T
    boxes = np.stack([*values[:, 10:13].T, length, width, height, values[:, 13]], axis=1)
    return Objects3D(
        types=np.array([fields[0] for fields in lines], dtype=np.str_),
        truncated=values[:, 0],
        occluded=values[:, 1].astype(np.int64),
        alphas=values[:, 2],
        boxes2d=values[:, 3:7],
        boxes=Boxes3D(boxes, "camera"),
        scores=values[:, 14],
    )


def _read_line(path: Path, number: int, fields: list[str]) -> list[float]:
    """Return the 14 numbers of a line and its score."""
    if len(fields) not in (len(COLUMNS), len(COLUMNS) + 1):
        expected = f"{len(COLUMNS)} columns expected ({', '.join(COLUMNS)}), or {len(OWN_COLUMNS)} ({', '.join(OWN_COLUMNS)})"
        raise DataError(f"{path}, line {number}: {len(fields)} columns; {expected}")
    values = _numbers(path, number, fields[1:])
    if fields[0] != DONT_CARE:
        _check_sizes(path, number, values[7:10])
    return values if len(fields) > len(COLUMNS) else [*values, 1.0]


def _own_objects(path: Path, lines: list[list[str]], calibration: Calibration) -> Objects3D:
    for number, fields in enumerate(lines, start=1):
        if len(fields) != len(OWN_COLUMNS):
            raise DataError(f"{path}, line {number}: {len(fields)} columns; {len(OWN_COLUMNS)} expected ({', '.join(OWN_COLUMNS)})")
    rows = [_numbers(path, number, fields[:-1]) for number, fields in enumerate(lines, start=1)]
    for number, row in enumerate(rows, start=1):
        _check_sizes(path, number, row[3:6])
    boxes = Boxes3D(np.array(rows, np.float64), "lidar").to_camera(calibration)
    count = len(boxes)
    return Objects3D(
        types=np.array([fields[-1] for fields in lines], dtype=np.str_),
        truncated=np.zeros(count),
        occluded=np.zeros(count, np.int64),
        alphas=boxes.observed_angles(),
        boxes2d=np.zeros((count, 4)),
        boxes=boxes,
        scores=np.ones(count),
    )


def _numbers(path: Path, number: int, fields: list[str]) -> list[float]:
    try:
        values = [float(field) for field in fields]
    except ValueError as error:
        raise DataError(f"{path}, line {number}: {error}; numbers and the name of a class expected") from error
    if not all(map(math.isfinite, values)):
        raise DataError(f"{path}, line {number}: a number is not finite")
    return values


def _check_sizes(path: Path, number: int, sizes: list[float]) -> None:
    if min(sizes) <= 0:
        raise DataError(f"{path}, line {number}: the edges of the box are {sizes}, metres above 0 expected")


def format_objects(objects: Objects3D, *, with_scores: bool) -> str:
    """Return the text of a label file, or with scores of a result file as KITTI's server takes it."""
    lines = []
    for place in range(len(objects)):
        x, y, z, length, width, height, yaw = objects.boxes.values[place]
        numbers = [*objects.boxes2d[place], height, width, length, x, y, z, yaw]
        text = f"{objects.types[place]} {objects.truncated[place]:.2f} {objects.occluded[place]} {objects.alphas[place]:.2f} "
        text += " ".join(f"{value:.2f}" for value in numbers)
        lines.append(f"{text} {objects.scores[place]:.4f}" if with_scores else text)
    return "".join(f"{line}\n" for line in lines)


def read_calibration(path: Path) -> Calibration:
    """Return the calibration of a frame: the left colour camera (``P2``), its rectification, and the LiDAR.

    Raises:
        DataError: the file is missing, or a matrix is missing or wrong.
    """
    found = {}
    for line in read_text(path, what="the calibration").splitlines():
        name, colon, text = line.partition(":")
        if colon and name in MATRICES:
            found[name] = _read_matrix(path, name, text)
    lacking = [name for name in MATRICES if name not in found]
    if lacking:
        raise DataError(f"{path}: no {lacking[0]} in it; lines with {', '.join(MATRICES)} expected, as in KITTI's calib folder")
    rectification, device = np.eye(4), np.eye(4)
    rectification[:3, :3] = found["R0_rect"].reshape(3, 3)
    device[:3] = found["Tr_velo_to_cam"].reshape(3, 4)
    return Calibration(found["P2"].reshape(3, 4), rectification @ device)


def read_camera(path: Path) -> Calibration:
    """Return what a file says of the left colour camera: ``P2``, or twelve numbers and nothing else. The LiDAR is assumed at its place.

    Raises:
        DataError: the file is missing, or has neither.
    """
    text = read_text(path, what="the calibration")
    lines = (line.partition(":") for line in text.splitlines())
    numbers = next((values for name, colon, values in lines if colon and name == "P2"), None)
    if numbers is None and ":" in text:
        raise DataError(f"{path}: no P2 in it; a line P2 with 12 numbers expected, as in KITTI's calib folder, or 12 numbers alone")
    projection = _read_matrix(path, "P2", text if numbers is None else numbers).reshape(3, 4)
    return Calibration(projection, Calibration.of_lidar_alone().lidar_to_camera)


def _read_matrix(path: Path, name: str, text: str) -> np.ndarray:
    try:
        values = np.array(text.split(), np.float64)
    except ValueError as error:
        raise DataError(f"{path}: {name}: {error}; {MATRICES[name]} numbers expected") from error
    if len(values) != MATRICES[name] or not np.isfinite(values).all():
        raise DataError(f"{path}: {name} has {len(values)} numbers, {MATRICES[name]} finite ones expected")
    # places are led back through it: of what lies in one plane or line there is no way back
    if np.linalg.matrix_rank(values.reshape(3, -1)[:, :3]) < 3:
        raise DataError(f"{path}: the first three columns of {name} are of no camera: they have no inverse")
    return values


def format_calibration(calibration: Calibration) -> str:
    """Return the text of a calibration file, with all cameras at the place of the one that is known and no rectification."""
    projection = " ".join(f"{value:.12e}" for value in calibration.projection.reshape(-1))
    lines = [f"P{number}: {projection}" for number in range(4)]
    lines.append("R0_rect: " + " ".join(f"{value:.12e}" for value in np.eye(3).reshape(-1)))
    lines.append("Tr_velo_to_cam: " + " ".join(f"{value:.12e}" for value in calibration.lidar_to_camera[:3].reshape(-1)))
    lines.append("Tr_imu_to_velo: " + " ".join(f"{value:.12e}" for value in np.eye(3, 4).reshape(-1)))
    return "".join(f"{line}\n" for line in lines)
