"""Meshes in files, their distances, and records of what was found."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pet.structures.surface_files import read_surface_record, surface_pixels, surface_record
from pet.structures.surfaces import read_mesh, write_mesh
from petlib.errors import DataError


def arrays(**changed: Any) -> dict[str, Any]:
    """Return a mesh of two parts and three vertices, the second of which both parts have, on a line of lengths 2 and 3."""
    cells = np.linspace(0, 1, 5, dtype=np.float32)
    mirrored = np.stack([np.broadcast_to(1 - cells, (5, 5)), np.broadcast_to(cells[:, None], (5, 5))])
    mesh = {
        "names": np.array(["left", "right"]),
        "part": np.array([1, 1, 2, 2]),
        "u": np.array([0.0, 1.0, 0.0, 1.0]),
        "v": np.array([0.5, 0.5, 0.5, 0.5]),
        "vertex": np.array([0, 1, 1, 2]),
        "spread": np.array([0.0, 1.0, 2.0]),
        # of 1 and 0, 2 and 0, 2 and 1
        "geodesic": np.array([2.0, 5.0, 3.0], np.float32),
        "swap": np.array([0, 2, 1]),
        "symmetry": np.stack([mirrored, mirrored]),
    }
    return {name: value for name, value in (mesh | changed).items() if value is not None}


def test_a_mesh_comes_back_from_its_file(tmp_path: Path) -> None:
    write_mesh(tmp_path / "mesh.npz", arrays())
    mesh = read_mesh(tmp_path / "mesh.npz")
    assert mesh.names == ("left", "right")
    assert mesh.distances.between(np.array([0, 0, 2, 2, 1]), np.array([1, 2, 1, 0, 1])).tolist() == [2, 5, 3, 5, 0]
    assert mesh.chart_points(np.array([1, 2, 2, 0]), np.array([[0.2, 0], [0.9, 1], [0.4, 0.5], [0, 0]])).tolist() == [0, 3, 2, -1]


def test_mirrored_points_change_part_and_u(tmp_path: Path) -> None:
    write_mesh(tmp_path / "mesh.npz", arrays())
    parts, uv = read_mesh(tmp_path / "mesh.npz").mirrored(np.array([1, 2]), np.array([[0.25, 0.75], [1.0, 0.0]]))
    assert parts.tolist() == [2, 1]
    assert uv.tolist() == [[0.75, 0.75], [0.0, 0.0]]


def test_without_tables_nothing_is_known_of_mirrored_points(tmp_path: Path) -> None:
    write_mesh(tmp_path / "mesh.npz", arrays(symmetry=None))
    assert read_mesh(tmp_path / "mesh.npz").mirrored(np.array([1]), np.zeros((1, 2)))[0].tolist() == [0]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"geodesic": np.zeros(2, np.float32)}, "2 distances, those of 3 vertices expected: 3"),
        ({"part": np.array([1, 1, 2, 3])}, "parts from 1 to 2"),
        ({"vertex": None}, "the mesh has no vertex"),
        ({"swap": np.array([0, 2, 2])}, "swap is"),
        ({"spread": np.zeros(3)}, "spreads above 0"),
    ],
)
def test_wrong_meshes_are_refused(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    write_mesh(tmp_path / "mesh.npz", arrays(**changed))
    with pytest.raises(DataError, match=message):
        read_mesh(tmp_path / "mesh.npz")


def test_missing_compressed_and_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mesh.npz"
    with pytest.raises(DataError, match=r"convert_surface\.py makes one"):
        read_mesh(path)
    np.savez_compressed(path, **arrays())
    with pytest.raises(DataError, match="compressed"):
        read_mesh(path)
    path.write_bytes(b"no mesh")
    with pytest.raises(DataError, match="no mesh, or a damaged one"):
        read_mesh(path)


def test_records_have_the_pixels_of_their_box() -> None:
    surface = np.random.default_rng(0).integers(0, 256, (3, 4, 4)).astype(np.uint8)
    box = (3.2, 1.0, 8.9, 4.0)
    pixels = surface_pixels(surface, box)
    assert pixels.shape == (3, 4, 8)
    np.testing.assert_array_equal(pixels, surface.repeat(2, axis=2))
    record = surface_record(surface, box)
    assert record["uv_shape"] == [3, 4, 8]
    np.testing.assert_array_equal(read_surface_record(record), pixels)
