"""Points of surfaces under moves, joins and the finish, and their drawing."""

from pathlib import Path

import numpy as np
import pytest

from pet.data.datasets.coco import CocoDataset
from pet.data.datasets.mannequins import ANNOTATIONS, IMAGES, MESH, write_mannequins
from pet.data.targets.dataset import Expectation
from pet.data.targets.drawing import draw_predictions, draw_targets
from pet.data.targets.finish import FinishTargets
from pet.data.targets.kinds import find_kind
from pet.data.transforms.geometry import RandomHorizontalFlip
from pet.structures.masks import InstanceMasks
from petlib.errors import DataError

KINDS = ("boxes", "surface")
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> CocoDataset:
    folder: Path = write_mannequins(tmp_path_factory.mktemp("mannequins"), split="test", count=4).parent
    return CocoDataset(images=folder / IMAGES, annotations=folder / ANNOTATIONS, kinds=frozenset(KINDS), mesh=folder / MESH)


def test_two_flips_are_the_identity_and_one_moves_u_and_v_of_all_parts(dataset: CocoDataset) -> None:
    sample = dataset[0]
    flip = RandomHorizontalFlip(probability=1.0)
    once = flip(sample, RNG)
    twice = flip(once, RNG)
    np.testing.assert_array_equal(twice["surface"][..., 2:], sample["surface"][..., 2:])
    np.testing.assert_allclose(twice["surface"][..., :2], sample["surface"][..., :2], atol=1e-4)
    np.testing.assert_array_equal(twice["surface_masks"].rasterise(), sample["surface_masks"].rasterise())
    before, after = sample["surface"], once["surface"]
    swap = dataset.info.surface_set.swap if dataset.info.surface_set else ()
    assert after[..., 2].tolist() == np.array(swap)[before[..., 2].astype(int)].tolist()
    # the torso is its own mirror image, and its u changes as well
    np.testing.assert_allclose(after[..., 3], 1 - before[..., 3], atol=1 / 500)
    np.testing.assert_allclose(after[..., 4], before[..., 4], atol=1 / 500)


def test_the_finish_draws_the_masks_and_marks_unknown_ones(dataset: CocoDataset) -> None:
    sample = dataset[0]
    count = len(sample["boxes"])
    finished = FinishTargets(KINDS)(sample, RNG)
    assert finished["surface_masks"].shape == (count, 128, 128)
    points = finished["surface"][0]
    at_points = finished["surface_masks"][0][points[:, 1].astype(int), points[:, 0].astype(int)]
    assert at_points.mean() > 0.95
    unknown = FinishTargets(KINDS)({**sample, "surface_masks": InstanceMasks([()] * count, (128, 128))}, RNG)
    assert (unknown["surface_masks"] == 255).all()


def test_points_that_leave_the_image_are_absent(dataset: CocoDataset) -> None:
    kind, sample = find_kind("surface"), dataset[0]
    points = sample["surface"].copy()
    points[0, 0, :2] = -5
    moved = RandomHorizontalFlip(probability=1.0)({**sample, "surface": points}, RNG)["surface"]
    assert not moved[0, 0].any() and moved[0, 1].any()
    kind.check(sample, Expectation(kinds=KINDS, counts={"surface": 13}))
    with pytest.raises(DataError, match="a point of part"):
        kind.check(sample, Expectation(kinds=KINDS, counts={"surface": 2}))
    with pytest.raises(DataError, match="surface of shape"):
        kind.check({**sample, "surface": points[:0]}, Expectation(kinds=KINDS))


def test_targets_and_predictions_are_drawn(dataset: CocoDataset) -> None:
    sample = dataset[0]
    plain = draw_targets({name: sample[name] for name in ("image", "boxes", "labels", "meta")})
    assert (draw_targets(sample) != plain).any()
    found = {"boxes": sample["boxes"], "labels": sample["labels"], "scores": np.ones(len(sample["boxes"]), np.float32)}
    surface = np.full((len(sample["boxes"]), 3, 8, 8), 7, np.uint8)
    surface[:, 0, :4] = 0
    drawn, bare = (draw_predictions(sample["image"], one) for one in ({**found, "surface": surface}, found))
    left, top, right, bottom = sample["boxes"][0] * drawn.shape[0] / 128
    changed = (drawn != bare).any(axis=2)[:, int(left + right) // 2]
    assert changed[int(bottom - 12)] and not changed[int(top + (bottom - top) / 4)]
