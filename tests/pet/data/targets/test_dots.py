import numpy as np
import pytest
from torch import from_numpy, tensor

from pet.data.datasets.crowds import Crowds, draw_scene
from pet.data.targets.dataset import Expectation
from pet.data.targets.density import Density
from pet.data.targets.dots import Dots
from pet.data.targets.drawing import draw_predictions, draw_targets
from pet.data.targets.kinds import to_original
from pet.data.transforms.geometry import CenterCrop, RandomCrop, RandomHorizontalFlip, RandomResizedCrop, Resize
from pet.data.transforms.mosaic import Mosaic
from pet.data.transforms.rotate import Rotate
from pet.models.counting.targets import count_in_cells, spread_over_cells
from petlib.errors import DataError

EXPECTED = Expectation(kinds=("dots",))


def sample_of(dots, size=(40, 60)):
    return {"image": np.zeros((*size, 3), np.uint8), "dots": np.array(dots, np.float32).reshape(-1, 2), "meta": {"file": "a.jpg"}}


def test_dots_go_where_their_image_goes_and_those_that_leave_it_are_dropped():
    sample = sample_of([[0, 0], [59.5, 39.5], [30, 20]])
    mirrored = RandomHorizontalFlip(probability=1.0)(sample, np.random.default_rng(0))
    np.testing.assert_allclose(mirrored["dots"], [[60, 0], [0.5, 39.5], [30, 20]])
    cropped = CenterCrop(size=[20, 20])(sample, np.random.default_rng(0))
    np.testing.assert_allclose(cropped["dots"], [[10, 10]])
    larger = Resize(size=[80, 120])(sample, np.random.default_rng(0))
    np.testing.assert_allclose(larger["dots"], sample["dots"] * 2)


@pytest.mark.parametrize("seed", range(12))
def test_the_sum_of_a_target_is_the_number_of_dots_after_any_transform(seed):
    rng = np.random.default_rng(seed)
    data = Crowds(split="train", count=8)
    transforms = [
        RandomResizedCrop(size=[72, 104], scale=(0.1, 1.0)),
        RandomCrop(size=[300, 280], padding=5),
        Resize(size=[int(rng.integers(33, 200)), int(rng.integers(33, 200))]),
        Rotate(degrees=30),
        RandomHorizontalFlip(probability=1.0),
        Mosaic(size=[128, 160], dataset=data),
    ]
    sample = data[seed % 8]
    for number in rng.permutation(len(transforms))[:3]:
        sample = transforms[number](sample, rng)
    rows, columns = (-(-length // 8) for length in sample["image"].shape[:2])
    dots = from_numpy(sample["dots"])
    assert dots.shape[1] == 2
    for target in (count_in_cells(dots, (rows, columns), 8), spread_over_cells(dots, (rows, columns), 8, sigma=9.0)):
        assert target.shape == (rows, columns)
        assert target.sum().item() == pytest.approx(len(dots), rel=1e-6, abs=1e-4)


def test_dots_on_each_other_at_the_edge_and_none_at_all_are_counted():
    size = (5, 8)
    assert count_in_cells(tensor([[60.0, 40.0], [60.0, 40.0], [0.0, 0.0]]), size, 8).tolist()[4][7] == 2
    assert count_in_cells(tensor([]).reshape(0, 2), size, 8).sum() == 0
    assert spread_over_cells(tensor([]).reshape(0, 2), size, 8, sigma=15.0).sum() == 0


def test_check_names_the_file_of_dots_that_are_no_numbers():
    with pytest.raises(DataError, match=r"a\.jpg: dots of shape \(1, 2\), finite numbers"):
        Dots().check(sample_of([[np.nan, 1]]), EXPECTED)


def test_dots_on_each_other_are_reported():
    found = list(Dots().examine(sample_of([[1, 1], [1, 1], [2, 2]]), EXPECTED, None))
    assert found == [("dots lie on each other", "1 of 3", False)]


def test_found_dots_and_cells_come_back_to_the_file():
    matrix = np.diag([2.0, 4.0, 1.0])
    predictions = [{"dots": tensor([[10.0, 20.0]]), "density": tensor([[1.0]]), "density_cell": tensor([8.0, 8.0])}]
    (restored,) = to_original(predictions, [{"matrix": matrix, "size": (10, 10)}])
    assert restored["dots"].tolist() == [[5.0, 5.0]]
    assert restored["density_cell"].tolist() == [2.0, 4.0]


def test_dots_and_densities_are_drawn_over_the_image():
    scene = draw_scene("test", 3)
    with_dots = draw_targets({"image": scene.image, "dots": scene.dots})
    density = count_in_cells(from_numpy(scene.dots), (32, 32), 8).numpy()
    with_heat = draw_predictions(scene.image, {"density": density, "density_cell": np.array([8.0, 8.0])})
    plain = draw_predictions(scene.image, {})
    assert (with_dots != plain).any() and (with_heat != plain).any()
    empty = draw_predictions(scene.image, {"dots": np.zeros((0, 2)), "density": np.zeros((32, 32)), "density_cell": np.array([8.0, 8.0])})
    assert empty.shape == plain.shape
    assert Density().fields == ("density", "density_cell")
