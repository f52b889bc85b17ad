"""The body of the figures of ``mannequins``: ten ellipsoids, their twelve charts, and distances along their surface."""

from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

LIMBS = ("upper_arm", "lower_arm", "upper_leg", "lower_leg")
PARTS = ("torso_front", "torso_back", "face", "back_of_head", *(f"{side}_{limb}" for limb in LIMBS for side in ("left", "right")))
SPREADS = (0.351, 0.351, 0.150, 0.150, 0.142, 0.142, 0.128, 0.128, 0.237, 0.237, 0.173, 0.173)
"""Metres, as DensePose-COCO has them for the parts of people."""
SWAP = (0, 1, 2, 3, 4, *(number for limb in range(len(LIMBS)) for number in (6 + 2 * limb, 5 + 2 * limb)))

RINGS, COLUMNS = 9, 12
OUTERMOST = 0.03
"""v of the first ring; the last one lies as far from the other end."""
SYMMETRY_CELLS = 256

SHOULDER, HIP = np.array([0.2, 1.42, 0.0]), np.array([0.1, 0.93, 0.0])
LENGTHS = {"upper_arm": 0.3, "lower_arm": 0.3, "upper_leg": 0.44, "lower_leg": 0.44}
RADII = {"upper_arm": 0.062, "lower_arm": 0.052, "upper_leg": 0.092, "lower_leg": 0.068}
OVERLAP = 1.12
"""Limbs are longer than the way between their joints, so that they meet."""


class Ellipsoid(NamedTuple):
    """A piece of the body, in metres: x to the figure's left, y up, z to the front.

    Attributes:
        parts: its two parts, front and back, from 1; the same number twice: one chart goes around.
        centre: (3,).
        frame: (3, 3), its rows are the unit vectors along v, to the front, and across; a mirror turns the last one.
        radii: (3,), along these.
        parent: place of the piece that it is joined to; -1: none.
    """

    parts: tuple[int, int]
    centre: np.ndarray
    frame: np.ndarray
    radii: np.ndarray
    parent: int


class Pose(NamedTuple):
    """Directions of the limbs: unit vectors from the nearer joint to the farther one, by name with its side; the others hang down."""

    directions: dict[str, np.ndarray]


REST = Pose({f"{side}_{limb}": np.array([sign * 0.6, -0.8, 0.0]) for sign, side in ((1, "left"), (-1, "right")) for limb in LIMBS[:2]})


def build_body(pose: Pose) -> list[Ellipsoid]:
    """Return the ten pieces: torso, head, and the limbs in the order of :data:`PARTS`."""
    upright = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    body = [
        Ellipsoid((1, 2), np.array([0.0, 1.18, 0.0]), upright, np.array([0.34, 0.13, 0.2]), -1),
        Ellipsoid((3, 4), np.array([0.0, 1.64, 0.0]), upright, np.array([0.155, 0.13, 0.115]), 0),
    ]
    ends: dict[str, np.ndarray] = {}
    for name in PARTS[4:]:
        side, _, limb = name.partition("_")
        sign = np.array([1.0 if side == "left" else -1.0, 1.0, 1.0])
        upper = f"{side}_upper_{limb.partition('_')[2]}"
        start = ends[upper] if limb.startswith("lower") else sign * (SHOULDER if limb.endswith("arm") else HIP)
        along = pose.directions.get(name, np.array([0.0, -1.0, 0.0]))
        ends[name] = start + LENGTHS[limb] * along
        number = PARTS.index(name) + 1
        radii = np.array([OVERLAP * LENGTHS[limb] / 2, RADII[limb], RADII[limb]])
        parent = PARTS.index(upper) - 2 if limb.startswith("lower") else 0
        body.append(Ellipsoid((number, number), (start + ends[name]) / 2, _limb_frame(along), radii, parent))
    return body


def _limb_frame(along: np.ndarray) -> np.ndarray:
    front = np.array([0.0, 0.0, 1.0]) - along[2] * along
    front /= np.linalg.norm(front)
    return np.stack([along, front, np.cross(along, front)])


def chart_of(piece: Ellipsoid, local: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return part, u and v, (N,) each, of places on a piece: (N, 3) in its frame, in units of its radii."""
    angle = np.arctan2(local[:, 2], local[:, 1])
    v = np.clip((local[:, 0] + 1) / 2, 0, 1)
    if piece.parts[0] == piece.parts[1]:
        return np.full(len(local), piece.parts[0]), (angle + np.pi) / (2 * np.pi), v
    is_front = np.abs(angle) <= np.pi / 2
    # the back's own angle goes on where that of the front ends
    behind = np.where(angle > 0, angle - np.pi, angle + np.pi)
    u = np.where(is_front, angle, behind) / np.pi + 0.5
    return np.where(is_front, *piece.parts), np.clip(u, 0, 1), v


def body_mesh() -> dict[str, Any]:
    """Return the arrays of the mesh of the resting body; see :func:`pet.structures.surfaces.write_mesh`."""
    body = build_body(REST)
    points = np.concatenate([_vertices(piece) for piece in body])
    parts, us, vs, owners = (np.concatenate(column) for column in zip(*map(_charts, range(len(body)), body), strict=True))
    distances = dijkstra(_edges(body, points), directed=False)
    rows, columns = np.tril_indices(len(points), -1)
    cells = np.linspace(0, 1, SYMMETRY_CELLS, dtype=np.float32)
    mirrored = np.stack([np.broadcast_to(1 - cells, (SYMMETRY_CELLS,) * 2), np.broadcast_to(cells[:, None], (SYMMETRY_CELLS,) * 2)])
    return {
        "names": np.array(PARTS),
        "part": parts,
        "u": us,
        "v": vs,
        "vertex": owners,
        "spread": np.array([0.0, *SPREADS]),
        "geodesic": distances[rows, columns].astype(np.float32),
        "swap": np.array(SWAP),
        "symmetry": np.broadcast_to(mirrored, (len(PARTS), *mirrored.shape)),
    }


def _vertices(piece: Ellipsoid) -> np.ndarray:
    """Return the vertices of a piece, ring by ring, in metres."""
    along = np.linspace(2 * OUTERMOST - 1, 1 - 2 * OUTERMOST, RINGS)[:, None]
    angles = -np.pi + 2 * np.pi * np.arange(COLUMNS) / COLUMNS
    radius = np.sqrt(1 - along**2)
    local = np.stack([np.broadcast_to(along, (RINGS, COLUMNS)), radius * np.cos(angles), radius * np.sin(angles)], axis=-1)
    vertices: np.ndarray = piece.centre + (local.reshape(-1, 3) * piece.radii) @ piece.frame
    return vertices


def _charts(place: int, piece: Ellipsoid) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return part, u, v and vertex of the chart points of a piece: where charts meet, each has its own."""
    first = place * RINGS * COLUMNS
    v = np.linspace(OUTERMOST, 1 - OUTERMOST, RINGS)
    quarter = COLUMNS // 4
    # part, its first column, and how many it goes around
    front, back = piece.parts
    charts = [(front, 0, COLUMNS)] if front == back else [(front, quarter, COLUMNS // 2), (back, -quarter, COLUMNS // 2)]
    columns: list[tuple[np.ndarray, ...]] = []
    for part, start, length in charts:
        steps = np.arange(length + 1)
        vertex = first + np.arange(RINGS)[:, None] * COLUMNS + (start + steps) % COLUMNS
        shape = (RINGS, length + 1)
        u, height = np.broadcast_to(steps / length, shape), np.broadcast_to(v[:, None], shape)
        columns.append((np.full(vertex.size, part), u.ravel(), height.ravel(), vertex.ravel()))
    parts, us, vs, owners = (np.concatenate(own) for own in zip(*columns, strict=True))
    return parts, us, vs, owners


def _edges(body: list[Ellipsoid], points: np.ndarray) -> Any:
    """Return the lengths of the edges between vertices: around and along each piece, across its cells, and at the joints."""
    grid = np.arange(len(points)).reshape(len(body), RINGS, COLUMNS)
    around = np.roll(grid, -1, axis=2)
    pairs = [
        (grid, around),
        (grid[:, :-1], grid[:, 1:]),
        (grid[:, :-1], around[:, 1:]),
        (around[:, :-1], grid[:, 1:]),
    ]
    for place, piece in enumerate(body):
        if piece.parent >= 0:
            ends, others = grid[place, 0], grid[piece.parent].ravel()
            apart = np.linalg.norm(points[ends][:, None] - points[others], axis=-1)
            pairs.append((ends, others[apart.argmin(axis=1)]))
    first, second = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
    lengths = np.linalg.norm(points[first] - points[second], axis=1)
    return coo_array((lengths, (first, second)), shape=(len(points), len(points))).tocsr()
