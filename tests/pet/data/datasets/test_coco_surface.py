"""Points of surfaces in COCO files, and the drawn data set that has them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from pet.data.catalog.source import Source
from pet.data.datasets.coco import CocoDataset
from pet.data.datasets.coco_surface import read_surface, surface_masks
from pet.data.datasets.mannequins import ANNOTATIONS, IMAGES, MESH, write_mannequins
from pet.data.datasets.mannequins_body import PARTS, SWAP, Pose, body_mesh, build_body, chart_of
from pet.data.datasets.mannequins_drawing import draw_pose
from pet.data.loading.build import DATASETS
from petlib.errors import DataError


def annotation(**changed: Any) -> dict[str, Any]:
    half = np.zeros((256, 256), np.uint8, order="F")
    half[:, :128] = 1
    rle = coco_mask.encode(half)
    mask = {"size": [256, 256], "counts": rle["counts"].decode("ascii")}
    points = {"dp_x": [0, 128.0], "dp_y": [64, 256], "dp_I": [1, 2.0], "dp_U": [0.5, 1], "dp_V": [0, 0.25]}
    return {"bbox": [10, 20, 8, 16], **points, "dp_masks": [[], mask, []], **changed}


def test_points_are_read_and_masks_joined() -> None:
    surface = read_surface(annotation(), 2)
    assert surface is not None and surface.box == (10, 20, 8, 16)
    assert surface.points.tolist() == [[0, 64, 1, 0.5, 0], [128, 256, 2, 1, 0.25]]
    pixels = surface_masks([surface, None], (40, 30)).rasterise()
    expected = np.zeros((40, 30), np.uint8)
    expected[20:36, 10:14] = 1
    np.testing.assert_array_equal(pixels[0], expected)
    assert not pixels[1].any()
    assert read_surface({"bbox": [0, 0, 1, 1]}, 2) is None
    without = read_surface(annotation(dp_masks=[]), 2)
    assert without is not None and without.mask is None


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"dp_U": None}, "its dp_U is None, a list of numbers expected"),
        ({"dp_V": [0.5]}, "its dp_V has 1 numbers, its dp_x 2"),
        ({"dp_I": [1, 3]}, "a part that is not 1 to 2"),
        ({"dp_U": [0, 1.5]}, "outside of 0 to 1"),
        ({"dp_masks": [{"size": [8, 8], "counts": "08"}]}, "256 x 256 pixels expected"),
    ],
)
def test_wrong_points_are_named(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_surface(annotation(**changed), 2)


def test_mannequins_can_be_learned_from_and_their_mistakes_name_the_annotation(tmp_path: Path) -> None:
    folder = write_mannequins(tmp_path, split="test", count=3).parent
    dataset = CocoDataset(images=folder / IMAGES, annotations=folder / ANNOTATIONS, mesh=folder / MESH)
    assert dataset.info.kinds == {"boxes", "masks", "surface"}
    assert "surface" not in CocoDataset(images=folder / IMAGES, annotations=folder / ANNOTATIONS).info.kinds
    sample, truth = dataset[0], dataset.truth(0)
    assert truth.surfaces is not None and sample["surface"].shape == (len(truth.labels), 100, 8)
    assert (sample["surface"][..., 2] > 0).all()
    again = write_mannequins(tmp_path / "again", split="test", count=1)
    assert json.loads(again.read_text())["annotations"][0] == json.loads((folder / ANNOTATIONS).read_text())["annotations"][0]
    content = json.loads((folder / ANNOTATIONS).read_text())
    content["annotations"][0]["dp_x"] = "far"
    (folder / ANNOTATIONS).write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"annotation.*dp_x is 'far', a list of numbers expected"):
        CocoDataset(images=folder / IMAGES, annotations=folder / ANNOTATIONS, mesh=folder / MESH)


def test_the_catalogue_knows_mannequins() -> None:
    assert callable(DATASETS.get("mannequins"))
    assert Source(Path(), "train", None).mesh is None


def test_the_charts_of_a_mirrored_figure_are_mirrored() -> None:
    rng = np.random.default_rng(0)
    mirror = np.diag([-1.0, 1.0, 1.0])
    pose = draw_pose(rng)
    other = Pose({name: mirror @ pose.directions[PARTS[SWAP[PARTS.index(name) + 1] - 1]] for name in pose.directions})
    pieces = {piece.parts: piece for piece in build_body(other)}
    for piece in build_body(pose):
        partner = pieces[SWAP[piece.parts[0]], SWAP[piece.parts[1]]]
        local = rng.standard_normal((50, 3))
        local /= np.linalg.norm(local, axis=1, keepdims=True)
        places = piece.centre + (local * piece.radii) @ piece.frame
        mirrored = ((places @ mirror - partner.centre) @ partner.frame.T) / partner.radii
        part, u, v = chart_of(piece, local)
        other_part, other_u, other_v = chart_of(partner, mirrored)
        assert np.array(SWAP)[part].tolist() == other_part.tolist()
        np.testing.assert_allclose(other_u, 1 - u, atol=1e-9)
        np.testing.assert_allclose(other_v, v, atol=1e-9)


def test_distances_on_the_body_join_all_parts() -> None:
    mesh = body_mesh()
    assert set(mesh["part"]) == set(range(1, len(PARTS) + 1))
    count = int(mesh["vertex"].max()) + 1
    assert len(mesh["geodesic"]) == count * (count - 1) // 2
    assert np.isfinite(mesh["geodesic"]).all() and (mesh["geodesic"] > 0).all()
    # from one foot to the other hand: about the length of a leg, the torso and an arm
    assert 2.0 < mesh["geodesic"].max() < 2.8
