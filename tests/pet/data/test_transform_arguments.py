"""Arguments of transforms, held against what they declare."""

from typing import Any

import pytest

from pet.data import build_transforms
from petlib.errors import ConfigError


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "RandomCrop", "padding": 2.5},
        {"name": "RandomCrop", "fill": 256},
        {"name": "CenterCrop", "fill": 1000},
        {"name": "Resize", "size": True},
        {"name": "Resize", "size": 0},
        {"name": "RandomResizedCrop", "scale": 0.5},
        {"name": "RandAugment", "fill": -1},
        {"name": "Normalize", "mean": [123.7, 116.3, 103.5], "std": [58.4, 57.1, 57.4]},
        {"name": "Normalize", "std": ["a", "b", "c"]},
    ],
)
def test_wrong_arguments_are_reported_before_an_image_is_read(entry: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"{entry['name']}.* given, .*expected"):
        build_transforms([entry], default_size=32)


def test_what_works_on_bytes_cannot_follow_normalize() -> None:
    message = "transform RandomErasing: it works on pixels from 0 to 255 and comes after Normalize; put Normalize at the end"
    with pytest.raises(ConfigError, match=message):
        build_transforms(["Normalize", "RandomHorizontalFlip", "RandomErasing"], default_size=32)
    with pytest.raises(ConfigError, match="transform Normalize: it works on pixels"):
        build_transforms(["Normalize", "Normalize"], default_size=32)
    assert build_transforms(["Normalize", "RandomHorizontalFlip"], default_size=32)[1] is None
