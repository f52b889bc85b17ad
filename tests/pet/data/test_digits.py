"""The bundled digits."""

import importlib.util

import numpy as np
import pytest
from sklearn.datasets import load_digits

from pet.data.datasets import digits
from pet.data.datasets.digits import Digits
from petlib.errors import ConfigError, DataError


def test_the_split_is_fixed_and_covers_every_digit_once() -> None:
    train, test = Digits(split="train"), Digits(split="test")
    assert (len(train), len(test)) == (1437, 360)
    numbers = [dataset[index]["meta"]["id"] for dataset in (train, test) for index in range(len(dataset))]
    assert sorted(numbers) == list(range(1797))
    assert [test[index]["meta"]["id"] for index in range(360)] == [Digits(split="test")[index]["meta"]["id"] for index in range(360)]
    assert set(np.bincount([test[index]["label"] for index in range(360)]) > 20) == {True}


@pytest.mark.parametrize("file", [digits.FILE, "elsewhere.csv.gz"])
def test_samples_are_those_of_scikit_learn(monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    """Read from the file of this version, or by the function of one that has it elsewhere."""
    monkeypatch.setattr(digits, "FILE", file)
    given = load_digits()
    test = Digits(split="test")
    assert test.info.classes == [str(digit) for digit in range(10)]
    for index in (0, 77, 359):
        sample = test[index]
        number = sample["meta"]["id"]
        assert (sample["image"].dtype, sample["image"].shape) == (np.uint8, (8, 8, 3))
        assert sample["label"] == given.target[number]
        np.testing.assert_allclose(sample["image"][..., 1] * (16 / 255), given.images[number], atol=0.05)


def test_without_scikit_learn_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"scikit-learn, which is not installed: pip install 'pet-vision\[demo\]'"):
        Digits(split="test")


def test_other_splits_are_reported() -> None:
    with pytest.raises(ConfigError, match="'tset'"):
        Digits(split="tset")
