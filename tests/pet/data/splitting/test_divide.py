"""Which images are for training and which for validation."""

from collections import Counter

import numpy as np
import pytest

from pet.data.splitting.divide import divide_evenly, groups_by
from petlib.errors import ConfigError, DataError

ALONE = [str(place) for place in range(100)]


def test_each_class_has_its_share() -> None:
    labels = [frozenset({"common" if place < 60 else "rare" if place < 90 else "rarest"}) for place in range(100)]
    training, validation = divide_evenly(ALONE, labels, 20, seed=3)
    assert sorted(training + validation) == list(range(100))
    assert Counter(next(iter(labels[place])) for place in validation) == {"common": 12, "rare": 6, "rarest": 2}
    assert (training, validation) == divide_evenly(ALONE, labels, 20, seed=3)
    assert validation != divide_evenly(ALONE, labels, 20, seed=4)[1]


@pytest.mark.parametrize("count", [1, 7, 33, 50, 99])
def test_the_number_is_met_and_rare_classes_of_many_are_on_both_sides(count: int) -> None:
    rng = np.random.default_rng(count)
    labels = [frozenset(str(label) for label in range(8) if rng.random() < 0.5**label) for _ in range(100)]
    training, validation = divide_evenly(ALONE, labels, count, seed=0)
    assert (len(training), len(validation)) == (100 - count, count)
    rarest = min(Counter(label for own in labels for label in own).items(), key=lambda item: (item[1], item[0]))
    found = sum(rarest[0] in labels[place] for place in validation)
    assert abs(found - rarest[1] * count / 100) <= 1


def test_groups_stay_together() -> None:
    names = [f"seq{place % 10}/{place}.png" for place in range(100)]
    groups = groups_by(names, "^[^/]+")
    training, validation = divide_evenly(groups, [frozenset()] * 100, 20, seed=0)
    assert not {groups[place] for place in training} & {groups[place] for place in validation}
    assert (len(training), len(validation)) == (80, 20)
    assert groups_by(["seq1_9.png", "seq2_9.png"], r"^seq(\d)_") == ["1", "2"]


def test_groups_that_cannot_be_divided_are_reported() -> None:
    with pytest.raises(DataError, match="1 group of 3 images cannot be divided so: one side would be empty"):
        divide_evenly(["a", "a", "a"], [frozenset()] * 3, 1, seed=0)
    with pytest.raises(DataError, match=r"--group 'seq' finds nothing in 'b.png'"):
        groups_by(["seq.png", "b.png"], "seq")
    with pytest.raises(ConfigError, match=r"--group '\(': a regular expression expected"):
        groups_by(["a"], "(")
