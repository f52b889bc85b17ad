"""Several classes of one sample."""

import numpy as np
import pytest

from pet.data.targets.dataset import DatasetInfo, Expectation
from pet.data.targets.kinds import find_kind
from pet.data.targets.left_right import swap_of_classes
from pet.data.targets.observation import Observation
from pet.data.transforms.build import build_transforms
from petlib.errors import ConfigError, DataError

KIND = find_kind("multilabel")


def sample_of(values: object) -> dict[str, object]:
    return {"multilabel": np.array(values, np.uint8), "meta": {"file": "a.mp4"}}


def test_a_value_for_each_class() -> None:
    expected = Expectation(kinds=("multilabel",), counts={"multilabel": 3})
    KIND.check(sample_of([0, 1, 1]), expected)
    for wrong in ([0, 1], [0, 2, 1], [[0, 1, 1]]):
        with pytest.raises(DataError, match="a 0 or a 1 for each of 3 classes expected"):
            KIND.check(sample_of(wrong), expected)
    seen = Observation(0)
    assert not list(KIND.examine(sample_of([0, 1, 1]), expected, seen))
    assert seen.labels == [1, 2]
    assert [what for what, _, _ in KIND.examine(sample_of([0, 0, 0]), expected, seen)] == ["a sample is of no class"]


def test_numbers_of_classes_change() -> None:
    fields, kept = KIND.renumber(sample_of([1, 0, 1]), np.array([2, 0, 1]))
    assert fields["multilabel"].tolist() == [0, 1, 1]
    assert kept is None
    # the second class is left out
    assert KIND.renumber(sample_of([1, 1, 0]), np.array([1, -1, 0]))[0]["multilabel"].tolist() == [0, 1]


def test_mirrored_classes() -> None:
    names = ["Pushing something from left to right", "Holding something", "Pushing something from right to left"]
    assert swap_of_classes(names) == (2, 1, 0)
    assert swap_of_classes(["run", "Putting something near something"]) == (0, 1)
    with pytest.raises(ConfigError, match="the mirror image of the classes 'turning left' is no class"):
        swap_of_classes(["turning left", "run"])


class Data:
    info = DatasetInfo(kinds=frozenset({"multilabel"}), classes=["turn left", "run", "turn right"], sided_classes=True)

    def __init__(self, classes: list[str] | None = None) -> None:
        if classes:
            self.info = DatasetInfo(kinds=frozenset({"multilabel"}), classes=classes, sided_classes=True)


def test_flips_exchange_all_classes_of_a_sample() -> None:
    flip, _ = build_transforms([{"name": "RandomHorizontalFlip", "probability": 1.0}], default_size=None, dataset=Data())
    sample = {**sample_of([1, 1, 0]), "clip": np.zeros((2, 4, 4, 3), np.uint8)}
    assert flip(sample, np.random.default_rng(0))["multilabel"].tolist() == [0, 1, 1]
    with pytest.raises(ConfigError, match="RandomHorizontalFlip: the mirror image .*swap_classes: false"):
        build_transforms(["RandomHorizontalFlip"], default_size=None, dataset=Data(["turn left", "run"]))
