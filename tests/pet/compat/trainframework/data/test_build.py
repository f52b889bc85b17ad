"""Data sets by name, and what goes through their pipeline."""

import re
from typing import Any

import numpy as np
import pytest

from pet.compat.trainframework.data.build import BUILD_DATASET_REGISTRY, build_data_set
from pet.compat.trainframework.data.dataset import EngineDataSet
from petlib.config.nested import Component
from petlib.errors import ConfigError, DataError
from tests.pet.compat.trainframework.data.sources import Draws, NumberedImages

PLACE = "x.py:12: dataloader.train_data_set"


def build(name: str, **arguments: Any) -> Any:
    return build_data_set(Component(name, arguments, PLACE))


@BUILD_DATASET_REGISTRY.register()
class NoItems(EngineDataSet): ...


@BUILD_DATASET_REGISTRY.register()
class NoLength:
    def __getitem__(self, index: int) -> dict[str, Any]:
        return {}


@BUILD_DATASET_REGISTRY.register()
class OfMyOwn:
    def __init__(self, path: str, **options: Any) -> None:
        self.given = path, options

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {}


def test_arguments_reach_the_class_and_its_transforms_are_built() -> None:
    data_set = build("NumberedImages", count=5.0, transformer=[{"name": "Resize", "target_size": [8, 3]}])
    assert isinstance(data_set, NumberedImages)
    assert len(data_set) == 5
    assert data_set[4]["input_data"].shape == (3, 8, 3)
    assert data_set[4]["target_data"] == 1


def test_a_class_with_the_two_methods_will_do() -> None:
    assert build("OfMyOwn", path="a", size=3).given == ("a", {"size": 3})


def test_the_length_is_that_of_dataset_where_nothing_else_is_said() -> None:
    assert len(Draws(3)) == 3


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("NumberedImage", {}, r"unknown data set 'NumberedImage'; did you mean NumberedImages\?(.|\n)*modules looked at: .*sources"),
        ("NumberedImages", {"cuont": 3, "transformer": []}, "data set NumberedImages: unknown argument 'cuont'; did you mean count"),
        ("NumberedImages", {"count": 3}, "data set NumberedImages: transformer missing"),
        ("NumberedImages", {"count": "many", "transformer": []}, "data set NumberedImages: count: 'many' given, int expected"),
        ("NumberedImages", {"count": 3, "transformer": [{"name": "Resiz"}]}, r"transformer\[0\]: unknown transform 'Resiz'; did you mean"),
        ("NoItems", {}, "data set NoItems: its class has no __getitem__; write it"),
        ("NoLength", {}, "data set NoLength: its class has no __len__; write it"),
    ],
)
def test_what_is_wrong_is_reported_with_its_place(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(PLACE) + ": " + message):
        build(name, **arguments)


def test_a_constructor_that_forgets_the_base_is_reported() -> None:
    class Forgetful(EngineDataSet):
        def __init__(self) -> None:
            self.dataset = [1]

        def __getitem__(self, index: int) -> dict[str, Any]:
            return self.data_pipeline({"img": np.zeros((2, 2))})

    with pytest.raises(ConfigError, match=r"Forgetful: .* call super\(\).__init__\(transformer\)"):
        Forgetful()[0]


def test_a_field_that_is_not_there_is_reported_by_the_pipeline() -> None:
    class Misspelt(EngineDataSet):
        def __getitem__(self, index: int) -> dict[str, Any]:
            return self.data_pipeline({"image": np.zeros((2, 2)), "img_fields": ["img"]})

    with pytest.raises(DataError, match="Resize: img_fields names 'img', which is not in results; did you mean image"):
        Misspelt([{"name": "Resize", "target_size": 3}])[0]
