"""The mesh of DensePose-COCO from the official files, here small ones of the same layout."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from pet.commands.convert_surface import PARTS, SPREADS, SWAP, convert_surface
from pet.structures.surfaces import read_mesh
from petlib.errors import DataError


def write_files(folder: Path) -> dict[str, Path]:
    parts = np.repeat(np.arange(1, 25), 2)
    rng = np.random.default_rng(0)
    savemat(folder / "subdiv.mat", {"Part_ID_subdiv": parts[None], "U_subdiv": rng.random((1, 48)), "V_subdiv": rng.random((1, 48))})
    savemat(folder / "transform.mat", {"index": np.arange(1, 49)[None]})
    tables = np.empty((1, 24), object)
    for part in range(24):
        tables[0, part] = np.full((256, 256), part / 24)
    savemat(folder / "symmetry.mat", {"U_transforms": tables, "V_transforms": tables})
    distances = np.arange(48 * 47 // 2, dtype=np.float32)[:, None]
    (folder / "distances.pkl").write_bytes(pickle.dumps({"Pdist_matrix": distances}, protocol=2))
    return {
        name: folder / f"{name}.{suffix}"
        for name, suffix in (("subdiv", "mat"), ("transform", "mat"), ("symmetry", "mat"), ("distances", "pkl"))
    }


def test_official_files_become_a_mesh(tmp_path: Path) -> None:
    files = write_files(tmp_path)
    convert_surface(**files, out=tmp_path / "new" / "mesh.npz")
    mesh = read_mesh(tmp_path / "new" / "mesh.npz")
    assert mesh.names == PARTS and len(PARTS) == 24
    # the place in the official evaluation, whose pairs are counted backwards from the last vertex
    count, first, second = 48, 30, 12
    high, low = count - first - 1, count - second - 1
    place = count * (count - 1) // 2 - (count - high) * (count - high - 1) // 2 + low - high - 1
    expected = (count * count - count) // 2 - place - 1
    assert mesh.distances.between(np.array([first]), np.array([second]))[0] == expected
    assert mesh.mirrored(np.array([4]), np.array([[0.1, 0.9]]))[0].tolist() == [3]
    np.testing.assert_allclose(mesh.mirrored(np.array([4]), np.array([[0.1, 0.9]]))[1], 3 / 24)


def test_spreads_and_swap_are_those_of_the_evaluation() -> None:
    by_coarse_part = [0, 0.351, 0.107, 0.126, 0.237, 0.173, 0.142, 0.128, 0.150]
    coarse = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7, 8, 8]
    assert list(SPREADS) == [by_coarse_part[place] for place in coarse]
    names = ["background", *PARTS]
    exchange = {"left": "right", "right": "left"}
    for name, partner in zip(names[3:23], SWAP[3:23], strict=True):
        side, _, rest = name.partition("_")
        assert names[partner] == f"{exchange[side]}_{rest}"


def test_missing_and_exchanged_files_are_named(tmp_path: Path) -> None:
    files = write_files(tmp_path)
    with pytest.raises(DataError, match="it has no index"):
        convert_surface(**{**files, "transform": files["subdiv"]}, out=tmp_path / "mesh.npz")
    with pytest.raises(DataError, match="no Pdist_matrix can be read"):
        convert_surface(**{**files, "distances": tmp_path / "none.pkl"}, out=tmp_path / "mesh.npz")
