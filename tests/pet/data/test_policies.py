"""What the policies draw, and from where."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from pet.data.transforms.base import ImageTransform
from pet.data.transforms.operations import Canvas
from pet.data.transforms.policies import AugMix, AutoAugment, RandAugment
from pet.data.transforms.policy_tables import AUGMIX_OPERATIONS, OPERATIONS, POLICIES, RANDAUGMENT_OPERATIONS, SIGNED
from petlib.errors import ConfigError

ALL = [
    RandAugment(),
    RandAugment(magnitude_std=5.0, interpolation="linear", operations=["invert", "solarize_add"]),
    AutoAugment(),
    AutoAugment(policy="cifar10"),
    AugMix(),
    AugMix(severity=10, width=1, depth=2),
]

CANVAS = Canvas(fill=128)


def picture() -> np.ndarray:
    image = np.random.default_rng(0).integers(0, 200, (32, 36, 3), dtype=np.uint8)
    image.flags.writeable = False
    return image


@pytest.mark.parametrize("transform", ALL, ids=lambda transform: type(transform).__name__)
def test_the_generator_decides_and_the_given_image_stays(transform: ImageTransform) -> None:
    image = picture()
    sample = {"image": image, "label": 1}
    runs = [[transform(sample, np.random.default_rng(seed))["image"] for seed in range(40)] for _ in range(2)]
    assert all(np.array_equal(*pair) for pair in zip(*runs, strict=True))
    assert len({found.tobytes() for found in runs[0]}) > 10
    assert all((found.shape, found.dtype) == (image.shape, np.uint8) for found in runs[0])
    assert sample["image"] is image
    assert np.array_equal(image, picture())


@pytest.mark.parametrize("name", sorted(SIGNED))
def test_signed_operations_go_both_ways(name: str) -> None:
    assert not np.array_equal(OPERATIONS[name](picture(), 1.0, CANVAS), OPERATIONS[name](picture(), -1.0, CANVAS))


@pytest.mark.parametrize("name", sorted({*OPERATIONS} - {"autocontrast", "equalize", "invert"}))
def test_level_nought_changes_nothing(name: str) -> None:
    assert np.array_equal(OPERATIONS[name](picture(), 0.0, CANVAS), picture())


def test_the_greatest_levels_are_those_of_the_papers() -> None:
    image = np.zeros((331, 331, 3), np.uint8)
    image[100, 100] = 200
    assert OPERATIONS["translate_x"](image, 1.0, CANVAS)[100, 250, 0] == 200
    assert OPERATIONS["translate_y"](image, -0.5, CANVAS)[25, 100, 0] == 200
    assert OPERATIONS["posterize"](np.full((1, 1, 3), 255, np.uint8), 1.0, CANVAS)[0, 0, 0] == 0b11110000
    assert OPERATIONS["brightness"](image, 0.25, CANVAS)[100, 100, 0] == 245
    assert OPERATIONS["solarize"](np.full((1, 1, 3), 128, np.uint8), 0.5, CANVAS)[0, 0, 0] == 127
    assert AUGMIX_OPERATIONS["translate_x"](image, 0.3, CANVAS)[100, 133, 0] == 200
    assert AUGMIX_OPERATIONS["posterize"](np.full((1, 1, 3), 255, np.uint8), 0.3, CANVAS)[0, 0, 0] == 0b11100000


def test_randaugment_draws_every_operation_evenly() -> None:
    """Seen from outside: of single operations on a picture that distinguishes them."""
    assert len(RANDAUGMENT_OPERATIONS) == 14
    image = picture()
    results = {
        OPERATIONS[name](image, sign * 20 / 30, CANVAS).tobytes(): name
        for name in RANDAUGMENT_OPERATIONS
        for sign in ((1, -1) if name in SIGNED else (1,))
    }
    transform, rng = RandAugment(num_ops=1, magnitude=20), np.random.default_rng(0)
    counts = Counter(results.get(transform.apply(image, rng).tobytes(), "unknown") for _ in range(2800))
    assert set(counts) == set(RANDAUGMENT_OPERATIONS)
    assert all(140 < count < 260 for count in counts.values())


def test_the_strength_spreads_around_the_magnitude() -> None:
    image = np.full((2, 2, 3), 100, np.uint8)
    transform, rng = RandAugment(num_ops=1, magnitude=10, magnitude_std=3, operations=["solarize_add"]), np.random.default_rng(0)
    added = np.array([int(transform.apply(image, rng)[0, 0, 0]) - 100 for _ in range(500)])
    assert abs(added.mean() - 110 / 3) < 2
    assert 8 < added.std() < 14


def test_policies_have_25_pairs_of_known_operations() -> None:
    for policy in POLICIES.values():
        lines = policy.strip().splitlines()
        assert len(lines) == 25
        for line in lines:
            steps = [step.split() for step in line.split(",")]
            assert len(steps) == 2
            assert all(name in OPERATIONS and 0 <= float(share) <= 1 and 0 <= int(level) <= 9 for name, share, level in steps)


def test_autoaugment_uses_the_policy_that_is_named() -> None:
    """Only CIFAR-10's moves to the right reach the fill value at the left edge without a turn."""
    image = np.full((30, 30, 3), 60, np.uint8)
    rng = np.random.default_rng(0)
    found = [AutoAugment(policy="cifar10", fill=255).apply(image, rng) for _ in range(300)]
    assert any((moved[:, 0] == 255).all() and (moved[:, 20] < 255).all() for moved in found)
    found = [AutoAugment(policy="imagenet", fill=255).apply(image, rng) for _ in range(300)]
    assert not any((moved[:, 0] == 255).all() and (moved[:, 20] < 255).all() for moved in found)


def test_augmix_is_a_mixture_of_the_image_and_its_changes() -> None:
    rng = np.random.default_rng(0)
    # of the operations at their weakest only posterize changes a plain image far from the border: from 90 to 80
    plain, weakest = np.full((12, 12, 3), 90, np.uint8), AugMix(severity=0.1, width=2, depth=1, alpha=3.0)
    values = [np.unique(weakest.apply(plain, rng)[3:-3, 3:-3]).tolist() for _ in range(200)]
    assert all(len(found) == 1 and 80 <= found[0] <= 90 for found in values)
    assert len({found[0] for found in values}) > 5
    strong = [AugMix(severity=10).apply(picture(), rng).astype(int) for _ in range(20)]
    weak = [AugMix(severity=0.1).apply(picture(), rng).astype(int) for _ in range(20)]
    assert np.mean([np.abs(found - picture()).mean() for found in strong]) > np.mean([np.abs(found - picture()).mean() for found in weak])


@pytest.mark.parametrize(
    ("transform", "arguments", "message"),
    [
        (RandAugment, {"num_ops": 0}, "num_ops: 0 given, a whole number of at least 1"),
        (RandAugment, {"num_ops": 1.5}, "num_ops: 1.5 given"),
        (RandAugment, {"magnitude": 31}, "magnitude: 31 given, a number from 0 to 30"),
        (RandAugment, {"magnitude_std": -1}, "magnitude_std: -1 given"),
        (RandAugment, {"operations": ["rotat"]}, "'rotat' is unknown; did you mean rotate"),
        (RandAugment, {"operations": []}, "at least one name expected"),
        (RandAugment, {"fill": 256}, "RandAugment: fill: 256 given"),
        (RandAugment, {"interpolation": "best"}, "interpolation: 'best' given"),
        (AutoAugment, {"policy": "cifar-10"}, "policy: 'cifar-10' given, one of imagenet, cifar10 expected; did you mean cifar10"),
        (AugMix, {"severity": 11}, "severity: 11 given, a number from 0.1 to 10"),
        (AugMix, {"width": 0}, "width: 0 given"),
        (AugMix, {"depth": 0}, "depth: 0 given"),
        (AugMix, {"alpha": 0}, "alpha: 0 given, a number above 0"),
    ],
)
def test_wrong_arguments_are_reported(transform: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        transform(**arguments)
