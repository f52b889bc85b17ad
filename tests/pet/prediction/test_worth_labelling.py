import numpy as np
import pytest

from pet.prediction.worth_labelling import choose_images, look_of, uncertainty_of


def test_uncertainty_of_classes_and_of_objects() -> None:
    assert uncertainty_of({"logits": np.zeros(4)}) == pytest.approx(1.0)
    assert uncertainty_of({"logits": np.array([50.0, 0, 0])}) == pytest.approx(0.0, abs=1e-6)
    assert uncertainty_of({"scores": np.array([0.5, 0.05])}) == pytest.approx(1.0)
    assert uncertainty_of({"scores": np.array([0.5, 1.0])}) == pytest.approx(0.5)
    assert uncertainty_of({"scores": np.array([])}) == 0.0
    assert uncertainty_of({"something": 1}) is None


def test_of_uncertain_images_those_are_chosen_that_differ() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(4, 8))
    looks = np.tile(centres, (10, 1)) + 0.01 * rng.normal(size=(40, 8))
    uncertainties = np.full(40, 0.5)
    uncertainties[17] = 0.9
    chosen = choose_images(uncertainties, looks, 4)
    assert chosen[0] == 17
    assert sorted(place % 4 for place in chosen) == [0, 1, 2, 3]
    # what the model is sure of is not in the pool
    uncertainties[:20] = 0.1
    assert all(place >= 20 for place in choose_images(uncertainties, looks, 4))


def test_all_images_where_there_are_few_and_each_once() -> None:
    looks = np.zeros((3, 8))
    assert sorted(choose_images(np.zeros(3), looks, 10)) == [0, 1, 2]
    assert choose_images(np.zeros(0), np.zeros((0, 8)), 10) == []


def test_looks_do_not_depend_on_brightness() -> None:
    image = np.random.default_rng(0).integers(0, 200, (50, 80, 3), np.uint8)
    assert np.linalg.norm(look_of(image) - look_of(image + 40)) < 0.05
    assert np.linalg.norm(look_of(np.full((9, 9, 3), 7, np.uint8))) == 0
