"""Transforms by name."""

from typing import Any

import numpy as np
import pytest

from pet.compat.trainframework.transforms.build import BUILD_TRANSFORMS_REGISTRY, build_transforms
from petlib.errors import ConfigError, DataError

DOCUMENTED = [
    {"name": "RandomFlip", "direction": ["horizontal", "vertical", "diagonal"], "p": 0.5},
    {"name": "Resize", "target_size": 256, "interpolation": "INTER_LINEAR", "keep_ratio": False, "clip_border": True},
    {
        "name": "RandomColorJitter",
        "brightness_limit": [0.6, 1.2],
        "brightness_p": 0.6,
        "contrast_limit": [0.6, 1.4],
        "contrast_p": 0.6,
        "saturation_limit": [0.6, 1.4],
        "saturation_p": 0.5,
        "hue_limit": [-0.1, 0.1],
        "hue_p": 0.05,
        "blur_limit": [3, 7],
        "blur_p": 0.2,
        "gamma_limit": [0.3, 3.0],
        "gamma_p": 0.1,
    },
]


@BUILD_TRANSFORMS_REGISTRY.register()
class AddToImage:
    def __init__(self, amount: int) -> None:
        self.amount = amount

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        results["img"] = results["img"] + np.uint8(self.amount)
        return results


@BUILD_TRANSFORMS_REGISTRY.register()
class ForgetsToReturn:
    def __call__(self, results: dict[str, Any]) -> None: ...


@BUILD_TRANSFORMS_REGISTRY.register()
class NoCall: ...


def test_the_transforms_of_the_document_are_built_as_they_are() -> None:
    image = np.random.default_rng(0).integers(0, 256, (100, 80, 3), dtype=np.uint8)
    pipeline = build_transforms(DOCUMENTED)
    outcomes = []
    for seed in (0, 0, 1):
        np.random.seed(seed)
        outcomes.append(pipeline({"img": image, "img_shape": (100, 80), "img_fields": ["img"], "color_fields": ["img"]}))
    assert outcomes[0]["img"].shape == (256, 256, 3)
    assert outcomes[0]["img_shape"] == (256, 256)
    np.testing.assert_array_equal(outcomes[0]["img"], outcomes[1]["img"])
    assert (outcomes[0]["img"] != outcomes[2]["img"]).any()


def test_transforms_of_the_user_by_name_and_as_objects_run_in_their_order() -> None:
    pipeline = build_transforms([{"name": "AddToImage", "amount": 3.0}, AddToImage(4)])
    assert pipeline({"img": np.zeros((1, 1), np.uint8)})["img"].tolist() == [[7]]


def test_a_transform_that_returns_nothing_is_reported() -> None:
    with pytest.raises(DataError, match="transform ForgetsToReturn: it returned None; the changed results"):
        build_transforms(["ForgetsToReturn"])({})


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{"name": "Resiz"}], r"transformer\[0\]: unknown transform 'Resiz'; did you mean Resize\?(.|\n)*modules looked at: .*train.py"),
        (
            ["RandomFlip", {"name": "Resize", "target_size": 8, "keepratio": True}],
            r"transformer\[1\]: transform Resize: unknown argument 'keepratio'; did you mean keep_ratio",
        ),
        ([{"name": "Resize"}], r"transformer\[0\]: transform Resize: target_size missing"),
        ([{"name": "RandomFlip", "p": 2}], r"transformer\[0\]: RandomFlip: p: 2"),
        ([{"target_size": 3}], r"transformer\[0\]: .* a name or a mapping"),
        ([AddToImage], r"transformer\[0\]: <class .* a name or a mapping"),
        (["NoCall"], r"transformer\[0\]: transform NoCall: its class has no __call__"),
        ("Resize", "transformer: 'Resize' given, a list"),
    ],
)
def test_wrong_entries_are_reported(entries: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_transforms(entries)
