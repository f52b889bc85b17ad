"""Makes the mesh of DensePose-COCO, one file, of the official ones: python tools/data/convert_surface.py --subdiv FILE ... --out FILE.

python tools/data/convert_surface.py --subdiv SMPL_subdiv.mat --transform SMPL_SUBDIV_TRANSFORM.mat --distances Pdist_matrix.pkl
    --symmetry UV_symmetry_transforms.mat --out data/densepose/mesh.npz
"""

import argparse
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from scipy.io import loadmat

from pet.structures.surfaces import read_mesh, write_mesh
from petlib.addresses import local_path
from petlib.errors import DataError
from petlib.launch.process.tool import run_plain_tool
from petlib.plain_pickles import PlainPickleError, parse_plain_pickle

SIDES = ("right", "left")
PARTS = (
    *("torso_1", "torso_2", "right_hand", "left_hand", "left_foot", "right_foot"),
    *(f"{side}_{limb}_{number}" for limb in ("upper_leg", "lower_leg") for number in (1, 2) for side in SIDES),
    *(f"{side}_{limb}_{number}" for limb in ("upper_arm", "lower_arm") for number in (1, 2) for side in SIDES[::-1]),
    *("head_1", "head_2"),
)
"""The 24 parts of DensePose-COCO; two of a name are two sides of one limb."""
SWAP = (0, 1, 2, *(number for first in range(3, 24, 2) for number in (first + 1, first)))
SPREADS = (0, *(0.351,) * 2, *(0.107,) * 2, *(0.126,) * 2, *(0.237,) * 4, *(0.173,) * 4, *(0.142,) * 4, *(0.128,) * 4, *(0.150,) * 2)
"""Metres, by part, as its evaluation has them."""


def convert_surface(*, subdiv: Path, transform: Path, distances: Path, symmetry: Path | None, out: Path) -> None:
    """Write the mesh.

    Args:
        subdiv: ``SMPL_subdiv.mat``: part, u and v of each chart point.
        transform: ``SMPL_SUBDIV_TRANSFORM.mat``: the vertex of each chart point, from 1.
        distances: ``Pdist_matrix.pkl``: distances between vertices; it is read into memory once.
        symmetry: ``UV_symmetry_transforms.mat``; None: points are left out of mirrored images.
        out: the ``.npz`` file.

    Raises:
        DataError: a file is missing or another one, or they do not fit each other.
    """
    charts = _read_matlab(subdiv, ("Part_ID_subdiv", "U_subdiv", "V_subdiv"))
    arrays: dict[str, Any] = {
        "names": np.array(PARTS),
        "part": charts["Part_ID_subdiv"].ravel().astype(np.int64),
        "u": charts["U_subdiv"].ravel(),
        "v": charts["V_subdiv"].ravel(),
        "vertex": _read_matlab(transform, ("index",))["index"].ravel().astype(np.int64) - 1,
        "spread": np.array(SPREADS),
        # their order is that of StoredDistances
        "geodesic": _read_distances(distances),
    }
    if symmetry is not None:
        tables = _read_matlab(symmetry, ("U_transforms", "V_transforms"))
        u, v = (np.stack([*tables[name].ravel()]).astype(np.float32) for name in ("U_transforms", "V_transforms"))
        arrays |= {"swap": np.array(SWAP), "symmetry": np.stack([u, v], axis=1)}
    out.parent.mkdir(parents=True, exist_ok=True)
    write_mesh(out, arrays)
    read_mesh(out)


def _read_matlab(path: Path, names: tuple[str, ...]) -> dict[str, Any]:
    try:
        content: dict[str, Any] = loadmat(path)
    except (OSError, ValueError, TypeError, NotImplementedError) as error:
        raise DataError(f"{path}: cannot be read as a file of MATLAB: {error}") from error
    missing = [name for name in names if name not in content]
    if missing:
        raise DataError(f"{path}: it has no {', '.join(missing)}, is it another file?")
    return content


def _read_distances(path: Path) -> np.ndarray:
    try:
        content = parse_plain_pickle(path.read_bytes())
        return np.asarray(content["Pdist_matrix"], np.float32).ravel()
    except (OSError, PlainPickleError, LookupError, TypeError) as error:
        raise DataError(f"{path}: no Pdist_matrix can be read: {error}") from error


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this tool."""
    parser.add_argument("--subdiv", type=Path, required=True, help="SMPL_subdiv.mat: part, u and v of each chart point")
    parser.add_argument("--transform", type=Path, required=True, help="SMPL_SUBDIV_TRANSFORM.mat: the vertex of each chart point")
    parser.add_argument(
        "--distances", type=Path, required=True, help="Pdist_matrix.pkl: distances between vertices; it takes 3 GB of memory"
    )
    parser.add_argument("--symmetry", type=Path, help="UV_symmetry_transforms.mat; without it points are left out of mirrored images")
    parser.add_argument("--out", type=local_path, required=True, help="the .npz file")


def convert(options: argparse.Namespace) -> int:
    """Write the mesh and say what it has."""
    convert_surface(
        subdiv=options.subdiv, transform=options.transform, distances=options.distances, symmetry=options.symmetry, out=options.out
    )
    mesh = read_mesh(options.out)
    mirror = "" if mesh.swap is not None else ", nothing about mirrored images"
    print(f"{options.out}: {len(mesh.part)} chart points of {int(mesh.vertex.max()) + 1} vertices, {len(mesh.names)} parts{mirror}")
    return 0


def main() -> NoReturn:
    """Read the command line, convert, and exit."""
    run_plain_tool(convert, description=(__doc__ or "").partition("\n")[0], add_options=add_options)
