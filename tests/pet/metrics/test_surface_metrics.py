"""GPS and GPSm against hand calculations and against the rules, written down point by point and loop by loop."""

import resource
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from pet.data.datasets.mannequins_body import body_mesh
from pet.metrics.surface import THRESHOLDS, FoundObject, MarkedObject, SurfaceOverlaps, overlaps, surface_precision
from pet.structures.surfaces import StoredDistances, SurfaceMesh, read_mesh, write_mesh
from tests.conftest import RunRanks

SIZE = (80, 90)
FULL = coco_mask.encode(np.ones((256, 256), np.uint8, order="F"))


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> SurfaceMesh:
    path: Path = tmp_path_factory.mktemp("mesh") / "mesh.npz"
    write_mesh(path, body_mesh())
    return read_mesh(path)


def surface_of(part: int, u: float, v: float) -> np.ndarray:
    return np.broadcast_to(np.array([part, round(255 * u), round(255 * v)], np.uint8)[:, None, None], (3, 8, 8))


def similarity(mesh: SurfaceMesh, points: list[list[float]], surface: np.ndarray, box: tuple[float, float, float, float]) -> float:
    marked = MarkedObject((10.0, 10.0, 40.0, 60.0), 2400.0, crowd=False, points=np.array(points), mask=FULL)
    return float(overlaps([FoundObject(box, 1.0, surface)], [marked], mesh, SIZE).similarity[0, 0])


def test_the_same_place_counts_1_and_a_distance_its_gaussian(mesh: SurfaceMesh) -> None:
    first, second = (np.flatnonzero(mesh.part == 1)[place] for place in (0, 20))
    point = [100.0, 100.0, 1.0, *mesh.uv[first]]
    box = (10.0, 10.0, 40.0, 60.0)
    assert similarity(mesh, [point], surface_of(1, *mesh.uv[first]), box) == 1.0
    distance = mesh.distances.between(mesh.vertex[[first]], mesh.vertex[[second]])[0]
    expected = np.exp(-(distance**2) / (2 * 0.351**2))
    assert similarity(mesh, [point], surface_of(1, *mesh.uv[second]), box) == pytest.approx(expected, abs=1e-12)


def test_background_and_places_outside_of_the_box_count_0(mesh: SurfaceMesh) -> None:
    place = mesh.uv[np.flatnonzero(mesh.part == 1)[0]]
    near, far = [0.0, 0.0, 1.0, *place], [250.0, 250.0, 1.0, *place]
    assert similarity(mesh, [near, far], surface_of(1, *place), (10.0, 10.0, 20.0, 20.0)) == 0.5
    assert similarity(mesh, [near, far], surface_of(0, *place), (10.0, 10.0, 40.0, 60.0)) == 0.0
    # places are cut towards 0: up to a pixel left of the box counts
    assert similarity(mesh, [near], surface_of(1, *place), (10.9, 10.9, 20.0, 20.0)) == 1.0
    assert similarity(mesh, [near], surface_of(1, *place), (11.0, 10.0, 20.0, 20.0)) == 0.0


def similarity_by_the_rules(mesh: SurfaceMesh, found: FoundObject, marked: MarkedObject) -> float:
    """Restate the rules for one pair, point by point."""
    assert marked.points is not None
    width, height = int(found.box[2]), int(found.box[3])
    values = []
    for x, y, part, u, v in marked.points:
        column = int(x * marked.box[2] / 255.0 + marked.box[0] - found.box[0])
        row = int(y * marked.box[3] / 255.0 + marked.box[1] - found.box[1])
        predicted = 0
        if 0 <= column < width and 0 <= row < height:
            cell = found.surface[:, int((row + 0.5) * 8 / height), int((column + 0.5) * 8 / width)]
            predicted = int(cell[0])
        if not predicted:
            values.append(0.0)
            continue
        ends = []
        for its_part, its_u, its_v in ((int(part), u, v), (predicted, cell[1] / 255.0, cell[2] / 255.0)):
            candidates = np.flatnonzero(mesh.part == its_part)
            away = np.sqrt((mesh.uv[candidates, 0] - its_u) ** 2 + (mesh.uv[candidates, 1] - its_v) ** 2)
            ends.append(int(mesh.vertex[candidates[away.argmin()]]))
        high, low = max(ends), min(ends)
        table = np.load(mesh.distances.path)["geodesic"]
        distance = 0.0 if high == low else float(table[high * (high - 1) // 2 + low])
        values.append(float(np.exp(-(distance**2) / (2 * mesh.spread[int(part)] ** 2))))
    return float(np.mean(values))


def draw_image(rng: np.random.Generator) -> tuple[list[FoundObject], list[MarkedObject]]:
    objects = []
    for _ in range(rng.integers(0, 4)):
        left, top, width, height = rng.uniform(0, 40), rng.uniform(0, 30), rng.uniform(12, 40), rng.uniform(12, 40)
        points = np.column_stack([rng.uniform(0, 255, (12, 2)), rng.integers(1, 4, 12), rng.random((12, 2))])
        is_marked = rng.random() < 0.7
        box = (left, top, width, height)
        objects.append(MarkedObject(box, rng.uniform(500, 3000), bool(rng.random() < 0.1), points if is_marked else None, FULL))
    found = []
    for one in [*objects, *objects]:
        box = tuple(np.array(one.box) + rng.uniform(-2, 2, 4))
        surface = np.stack([rng.integers(0, 4, (8, 8)), *rng.integers(0, 256, (2, 8, 8))]).astype(np.uint8)
        found.append(FoundObject((box[0], box[1], box[2], box[3]), float(rng.random()), surface))
    return found, objects


def test_similarities_are_those_of_the_rules(mesh: SurfaceMesh) -> None:
    rng = np.random.default_rng(1)
    pairs = 0
    for _ in range(4):
        found, objects = draw_image(rng)
        result = overlaps(found, objects, mesh, SIZE)
        ordered = sorted(found, key=lambda one: -one.score)
        for row, one in enumerate(ordered):
            for column, own in enumerate(objects):
                if own.points is not None:
                    assert result.similarity[row, column] == pytest.approx(similarity_by_the_rules(mesh, one, own), abs=1e-9)
                    pairs += 1
                else:
                    assert result.similarity[row, column] == 0
    assert pairs > 10


def random_overlaps(rng: np.random.Generator) -> SurfaceOverlaps:
    found, objects = int(rng.integers(0, 6)), int(rng.integers(0, 4))
    marked = rng.random(objects) < 0.7
    shape = found, objects
    return SurfaceOverlaps(
        scores=-np.sort(-rng.random(found)),
        found_areas=rng.uniform(500, 20000, found),
        similarity=np.where(marked, rng.random(shape) ** 0.3, 0),
        mask_iou=rng.random(shape) ** 0.3,
        box_iou=rng.random(shape),
        marked=marked,
        crowd=rng.random(objects) < 0.1,
        areas=rng.uniform(500, 20000, objects),
    )


def precision_by_the_rules(images: list[SurfaceOverlaps], area: tuple[float, float], *, masks: bool) -> float:  # noqa: PLR0912 -- the rules, loop by loop
    """Restate matching and accumulation; NaN where nothing is to be found."""
    flags: list[tuple[float, np.ndarray, np.ndarray]] = []
    wanted = 0
    for image in images:
        ignore = [not m or a < area[0] or a > area[1] for m, a in zip(image.marked, image.areas, strict=True)]
        order = sorted(range(len(ignore)), key=lambda place: ignore[place])
        wanted += ignore.count(False)
        count = len(image.scores)
        matched, dropped = np.zeros((10, count), bool), np.full((10, count), all(ignore))
        taken = np.zeros((10, len(ignore)), bool)
        for level, threshold in enumerate(THRESHOLDS):
            for row in range(count):
                best, limit = -1, min(threshold, 1 - 1e-10)
                for place in order:
                    if taken[level, place] and not image.crowd[place]:
                        continue
                    if best > -1 and not ignore[best] and ignore[place]:
                        break
                    value = image.similarity[row, place]
                    value = np.sqrt(image.mask_iou[row, place] * value) if masks else value
                    if value < limit or value == 0:
                        continue
                    limit, best = value, place
                if best > -1:
                    dropped[level, row] = ignore[best]
                    matched[level, row] = taken[level, best] = True
        for row in range(count if ignore else 0):
            if not matched[-1, row]:
                best, limit = -1, 0.8
                for place in order:
                    if (taken[-1, place] and not image.crowd[place]) or image.box_iou[row, place] < limit:
                        continue
                    limit, best = image.box_iou[row, place], place
                if best > -1:
                    dropped[:, row] = ignore[best]
                    if ignore[best]:
                        matched[-1, row] = taken[-1, best] = True
        for row in range(count):
            outside = image.found_areas[row] < area[0] or image.found_areas[row] > area[1]
            flags.append((image.scores[row], matched[:, row], dropped[:, row] | (~matched[:, row] & outside)))
    if not wanted:
        return float("nan")
    flags.sort(key=lambda flag: -flag[0])
    values = []
    for level in range(10):
        right = wrong = 0
        curve = []
        for _, matched, dropped in flags:
            right += bool(matched[level] and not dropped[level])
            wrong += bool(not matched[level] and not dropped[level])
            curve.append((right / wanted, right / (right + wrong + np.spacing(1))))
        values += [max((p for r, p in curve if r >= recall), default=0.0) for recall in np.linspace(0, 1, 101)]
    return float(np.mean(values))


@pytest.mark.parametrize("seed", range(5))
def test_precision_is_that_of_the_rules(seed: int) -> None:
    rng = np.random.default_rng(seed)
    images = [random_overlaps(rng) for _ in range(20)]
    for measure in ("gps", "gpsm"):
        figures = surface_precision([images], "gps" if measure == "gps" else "gpsm")
        for name, area in (("AP", (0.0, 1e10)), ("APm", (1024.0, 9216.0)), ("APl", (9216.0, 1e10))):
            assert figures[name] == pytest.approx(precision_by_the_rules(images, area, masks=measure == "gpsm"), abs=1e-9, nan_ok=True)


def test_truth_as_prediction_is_perfect_and_an_empty_set_undefined() -> None:
    one = SurfaceOverlaps(
        np.ones(1), np.full(1, 2e4), np.ones((1, 1)), np.ones((1, 1)), np.ones((1, 1)), np.ones(1, bool), np.zeros(1, bool), np.full(1, 2e4)
    )
    figures = surface_precision([[one]], "gpsm")
    assert figures["AP"] == pytest.approx(1) and figures["APl"] == pytest.approx(1) and np.isnan(figures["APm"])
    assert figures["AR75"] == 1
    assert np.isnan(surface_precision([[]], "gps")["AP"])


def memory_of_measuring(folder: Path) -> int:
    """Return by how many bytes the greatest memory of this process grows with 20 images and a mesh as large as that of DensePose-COCO."""
    vertices, parts = 27554, 24
    pairs = vertices * (vertices - 1) // 2
    path = folder / "distances.bin"
    with path.open("wb") as file:
        # a file with a hole: the numbers are zeros, which take no place on the disk
        file.truncate(4 * pairs)
    rng = np.random.default_rng(0)
    large = SurfaceMesh(
        names=tuple(f"part_{number}" for number in range(parts)),
        part=np.arange(vertices) % parts + 1,
        uv=rng.random((vertices, 2)),
        vertex=rng.permutation(vertices),
        spread=np.full(parts + 1, 0.255),
        distances=StoredDistances(path, 0, "<f4", pairs),
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(20):
        points = np.column_stack([rng.uniform(0, 255, (200, 2)), rng.integers(1, parts + 1, 200), rng.random((200, 2))])
        objects = [MarkedObject((20.0 * place, 10.0, 200.0, 400.0), 80000.0, crowd=False, points=points, mask=FULL) for place in range(8)]
        surfaces = [np.stack([rng.integers(0, parts + 1, (112, 112)), *rng.integers(0, 256, (2, 112, 112))]).astype(np.uint8)] * 20
        found = [FoundObject((12.0 * place, 10.0, 200.0, 400.0), 0.9, surface) for place, surface in enumerate(surfaces)]
        assert overlaps(found, objects, large, (480, 640)).similarity.max() > 0
    return 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


@pytest.mark.nightly
def test_measuring_takes_less_than_200_megabytes(run_ranks: RunRanks, tmp_path: Path) -> None:
    (growth,) = run_ranks(memory_of_measuring, 1, tmp_path)
    assert 0 <= growth < 200e6
