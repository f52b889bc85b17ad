"""Surfaces: a mesh whose every place has a part and two coordinates u and v, and distances along it. Kept as one ``.npz`` file."""

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from scipy.spatial.distance import cdist

from petlib.errors import DataError
from petlib.files import temporary_path

ABSENT = 0
"""The part of a point that there is not; parts of the surface count from 1."""

REQUIRED = ("names", "part", "u", "v", "vertex", "spread", "geodesic")
CHART = ("part", "u", "v", "vertex")
MIRROR = ("swap", "symmetry")
MOST_PARTS = 255


@dataclass(frozen=True)
class StoredDistances:
    """Distances between all pairs of vertices, of which only those asked for are read from the file.

    The pair (i, j) with i > j is at i (i - 1) / 2 + j. A file is mapped for the time of a question: the pages of a longer
    mapping would stay in the memory of the process, 1.5 GB for 27,554 vertices.

    Attributes:
        path: an ``.npz`` file.
        offset: where the numbers begin, bytes.
        dtype: of the numbers.
        count: of the numbers.
    """

    path: Path
    offset: int
    dtype: str
    count: int

    def between(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return the distances, float64 (N,), between vertices (N,) and vertices (N,), counted from 0."""
        high, low = np.maximum(first, second).astype(np.int64), np.minimum(first, second).astype(np.int64)
        apart = high != low
        distances = np.zeros(len(high), np.float64)
        numbers = np.memmap(self.path, self.dtype, "r", self.offset, (self.count,))
        distances[apart] = numbers[(high * (high - 1) // 2 + low)[apart]]
        return distances


@dataclass(frozen=True)
class SurfaceMesh:
    """A surface in charts. A vertex that several charts share has a chart point in each.

    Attributes:
        names: of the P parts.
        part: int64 (W,), the part of each chart point, from 1.
        uv: float64 (W, 2), from 0 to 1.
        vertex: int64 (W,), the vertex that each chart point is, from 0.
        spread: float64 (P + 1,), for each part the distance at which similarity is exp(-1/2); of 0 nothing is asked.
        distances: between vertices, in the unit of the spreads.
        swap: int64 (P + 1,), the part that each becomes in a mirrored image; None: nothing is known of mirrored images.
        symmetry: float32 (P, 2, S, S): of part i + 1 at v (row) and u (column), from 0 to 1 over S places, u and v of the mirrored place.
    """

    names: tuple[str, ...]
    part: np.ndarray
    uv: np.ndarray
    vertex: np.ndarray
    spread: np.ndarray
    distances: StoredDistances
    swap: np.ndarray | None = None
    symmetry: np.ndarray | None = None

    def chart_points(self, parts: np.ndarray, uv: np.ndarray) -> np.ndarray:
        """Return the chart point nearest to each point in u and v among those of its part, int64 (N,); -1: its part has none.

        Args:
            parts: (N,).
            uv: (N, 2).
        """
        nearest = np.full(len(parts), -1, np.int64)
        for part in np.unique(parts):
            points, asked = np.flatnonzero(self.part == part), parts == part
            if len(points):
                nearest[asked] = points[cdist(self.uv[points], uv[asked].astype(np.float64)).argmin(axis=0)]
        return nearest

    def mirrored(self, parts: np.ndarray, uv: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return part (N,) and u, v (N, 2) that points have in a mirrored image; the part is 0 where that is not known."""
        if self.swap is None or self.symmetry is None:
            return np.full(len(parts), ABSENT, np.int64), np.zeros_like(uv)
        last = self.symmetry.shape[-1] - 1
        columns, rows = np.clip(np.rint(uv * last), 0, last).astype(np.int64).T
        of_part = np.clip(parts - 1, 0, None)
        moved = np.stack([self.symmetry[of_part, axis, rows, columns] for axis in (0, 1)], axis=-1)
        return self.swap[parts], moved.astype(uv.dtype)


def write_mesh(path: Path, arrays: dict[str, Any]) -> None:
    """Write a mesh.

    Args:
        path: the ``.npz`` file.
        arrays: ``names``, ``part``, ``u``, ``v``, ``vertex``, ``spread``, ``geodesic``, and ``swap`` and ``symmetry`` where a
            mirror is known; see :class:`SurfaceMesh` and :class:`StoredDistances`.
    """
    with temporary_path(path) as temporary, temporary.open("wb") as file:
        # without compression, so that distances can be read where they are
        np.savez(file, **arrays)


def read_mesh(path: Path) -> SurfaceMesh:
    """Return a mesh of a file; its distances stay there.

    Raises:
        DataError: the file is missing or is no mesh.
    """
    if not path.is_file():
        raise DataError(
            f"{path}: no such mesh; tools/data/convert_surface.py makes one of SMPL_subdiv.mat, SMPL_SUBDIV_TRANSFORM.mat and "
            "Pdist_matrix.pkl"
        )
    try:
        distances = _find_distances(path)
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in REQUIRED if name not in file]
            if missing:
                raise DataError(f"{path}: the mesh has no {', '.join(missing)}; it needs {', '.join(REQUIRED)}")
            shapes = {name: file[name].shape for name in CHART}
            if len(set(shapes.values())) > 1:
                given = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
                raise DataError(f"{path}: arrays of the shapes {given}; one length for {', '.join(CHART)} expected")
            has_mirror = all(name in file for name in MIRROR)
            mesh = SurfaceMesh(
                names=tuple(str(name) for name in file["names"]),
                part=file["part"].astype(np.int64),
                uv=np.stack([file["u"], file["v"]], axis=-1).astype(np.float64),
                vertex=file["vertex"].astype(np.int64),
                spread=file["spread"].astype(np.float64),
                distances=distances,
                swap=file["swap"].astype(np.int64) if has_mirror else None,
                symmetry=file["symmetry"].astype(np.float32) if has_mirror else None,
            )
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: no mesh, or a damaged one: {error}") from error
    _check(path, mesh)
    return mesh


def _find_distances(path: Path) -> StoredDistances:
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        entry = archive.getinfo("geodesic.npy")
        if entry.compress_type != zipfile.ZIP_STORED:
            raise DataError(f"{path}: geodesic is compressed; write it with numpy.savez, so that single distances can be read")
        # the local header is 30 bytes, the name and what follows it, whose lengths are its last four bytes
        file.seek(entry.header_offset + 26)
        lengths = np.frombuffer(file.read(4), "<u2")
        file.seek(entry.header_offset + 30 + int(lengths.sum()))
        shape, dtype = _read_header(file)
        if len(shape) != 1 or dtype.kind != "f":
            raise DataError(f"{path}: geodesic is {dtype} of shape {shape}; floats of shape (V (V - 1) / 2,) expected")
        return StoredDistances(path, file.seek(0, os.SEEK_CUR), dtype.str, shape[0])


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    major, _ = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _check(path: Path, mesh: SurfaceMesh) -> None:
    """Check that the arrays of a mesh fit each other."""
    parts, points = len(mesh.names), len(mesh.part)
    if not 1 <= parts <= MOST_PARTS or not points:
        raise DataError(f"{path}: {parts} parts and {points} chart points; 1 to {MOST_PARTS} parts expected, and a point at least")
    if mesh.uv.shape != (points, 2) or mesh.spread.shape != (parts + 1,):
        raise DataError(
            f"{path}: rows of numbers for part, u, v and vertex expected, and {parts + 1} spreads, for each part and one before"
        )
    if mesh.part.min() < 1 or mesh.part.max() > parts or not (mesh.spread[1:] > 0).all():
        raise DataError(f"{path}: parts from 1 to {parts} and spreads above 0 expected")
    count = int(mesh.vertex.max()) + 1
    if mesh.vertex.min() < 0 or mesh.distances.count < count * (count - 1) // 2:
        raise DataError(f"{path}: {mesh.distances.count} distances, those of {count} vertices expected: {count * (count - 1) // 2}")
    if mesh.swap is not None and (sorted(mesh.swap.tolist()) != list(range(parts + 1)) or mesh.swap[ABSENT] != ABSENT):
        raise DataError(f"{path}: swap is {mesh.swap.tolist()}; for each part that of its mirror image expected, after a 0")
    if mesh.symmetry is not None and (mesh.symmetry.ndim != 4 or mesh.symmetry.shape[:2] != (parts, 2)):
        raise DataError(f"{path}: symmetry has the shape {mesh.symmetry.shape}; ({parts}, 2, S, S) expected")
