# ruff: noqa: A002 -- antgo's names
"""``@X.register_module()``, ``@reader.register`` and ``X.build``."""

import importlib.util
import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pet.compat.antgo.dataflow.dataset.dataset import Dataset
from pet.compat.antgo.framework.helper import reader
from pet.compat.antgo.framework.helper.dataset.builder import DATASETS, PIPELINES
from pet.compat.antgo.framework.helper.runner.builder import BUILTIN_MEASURES
from pet.compat.antgo.registry import ComponentRegistry
from petlib.errors import ConfigError


def numbers() -> ComponentRegistry:
    return ComponentRegistry("number", {"Half": "fractions:Fraction"})


class Thing:
    def __init__(self, size: int, *, scale: float = 1.0) -> None:
        self.size, self.scale = size, scale


def test_a_component_is_built_from_its_entry() -> None:
    registry = numbers()
    assert registry.register_module()(Thing) is Thing
    entry = {"type": "Thing", "size": 3}
    thing = registry.build(entry)
    assert (thing.size, thing.scale) == (3, 1.0)
    assert entry == {"type": "Thing", "size": 3}, "the entry stays as it is"
    assert registry.build({"type": "Half", "numerator": 1, "denominator": 2}) == 0.5


def test_arguments_of_any_name_reach_a_class_that_takes_them() -> None:
    registry = numbers()

    @registry.register_module()
    class Open:
        def __init__(self, *rest: Any, **others: Any) -> None:
            self.others = others

    assert registry.build({"type": "Open", "size": 3}).others == {"size": 3}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"type": "Thng", "size": 1}, "unknown number 'Thng'; did you mean Thing?"),
        ({"size": 1}, "the name of a number expected"),
        ("Thing", "the name of a number expected"),
        ({"type": "Thing"}, "number Thing: size missing"),
        ({"type": "Thing", "size": 1, "scael": 2}, "unknown argument 'scael'; did you mean scale? (it takes size, scale)"),
    ],
)
def test_an_entry_that_cannot_be_built_is_reported_with_its_place(entry: Any, message: str) -> None:
    registry = numbers()
    registry.register_module()(Thing)
    with pytest.raises(ConfigError) as caught:
        registry.build(entry, place="data.train.pipeline.1")
    assert str(caught.value).startswith("data.train.pipeline.1: ")
    assert message in str(caught.value)


def test_an_unknown_name_reports_the_modules_that_were_looked_at() -> None:
    registry = numbers()
    registry.register_module()(Thing)
    with pytest.raises(ConfigError) as caught:
        registry.build({"type": "Whatever"})
    assert "modules looked at: fractions, " in str(caught.value)
    assert Thing.__module__ in str(caught.value)


def test_a_users_component_takes_the_place_of_a_built_in_one(caplog: pytest.LogCaptureFixture) -> None:
    registry = numbers()
    with caplog.at_level(logging.INFO):
        registry.register_module("Half")(Thing)
    assert registry.get("Half") is Thing
    assert "takes the place of the built-in number" in caplog.text


def test_a_decorator_without_its_brackets_is_reported() -> None:
    with pytest.raises(ConfigError, match=r"write @\.\.\.\.register_module\(\), with brackets"):
        numbers().register_module(Thing)  # type: ignore[arg-type]


def test_two_components_of_one_name_are_a_mistake() -> None:
    registry = numbers()
    registry.register_module("Same")(Thing)
    registry.register_module("Same")(Thing)  # a cell that runs again
    with pytest.raises(ConfigError, match="the number 'Same' of .*Dataset has a name that is taken by .*Thing; choose another name"):
        registry.register_module("Same")(Dataset)


def test_a_script_that_is_also_imported_registers_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train.py").write_text("class Net:\n    pass\n")
    registry = numbers()
    for name in ("antgo_script", "antgo_module"):
        spec = importlib.util.spec_from_file_location(name, tmp_path / "train.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        registry.register_module()(module.Net)
    assert registry.get("Net").__module__ == "antgo_module"


def test_a_data_set_without_a_size_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DATASETS, "_registered", {})

    @reader.register
    class WithoutSize(Dataset):
        def sample(self, id: int) -> dict[str, Any]:
            return {}

    with pytest.raises(ConfigError, match=r"data set WithoutSize: its class .*WithoutSize does not define size"):
        DATASETS.build({"type": "WithoutSize"})


def test_the_step_of_the_document_works_as_a_users_own_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PIPELINES, "_registered", {})

    def imnormalize(image: np.ndarray, mean: np.ndarray, std: np.ndarray, to_rgb: bool) -> np.ndarray:
        return ((image[..., ::-1] if to_rgb else image) - mean) / std

    @PIPELINES.register_module()
    class INormalize(object):  # noqa: UP004 -- as the document has it
        def __init__(self, mean, std, to_rgb=False, keys=["image"]):  # type: ignore[no-untyped-def]  # noqa: B006
            self.mean = np.array(mean, dtype=np.float32)
            self.std = np.array(std, dtype=np.float32)
            self.to_rgb = to_rgb
            self.keys = keys

        def __call__(self, results):  # type: ignore[no-untyped-def]
            for key in self.keys:
                results[key] = imnormalize(results[key], self.mean, self.std, self.to_rgb)

            if "image_meta" in results:
                results["image_meta"]["img_norm_cfg"] = {"mean": self.mean, "std": self.std, "to_rgb": self.to_rgb}
            return results

    step = PIPELINES.build({"type": "INormalize", "mean": [1, 2, 3], "std": [2, 2, 2]})
    results = step({"image": np.full((1, 1, 3), 5.0, np.float32), "image_meta": {}})
    assert results["image"][0, 0].tolist() == [2.0, 1.5, 1.0]
    assert results["image_meta"]["img_norm_cfg"]["std"].tolist() == [2, 2, 2]


@pytest.mark.parametrize("registry", [DATASETS, PIPELINES, ComponentRegistry("measure", BUILTIN_MEASURES)])
def test_every_built_in_name_leads_to_a_class(registry: ComponentRegistry) -> None:
    builtin = [name for name in registry.names() if registry.get(name).__module__.startswith("pet.")]
    assert len(builtin) >= 4
    for name in builtin:
        # of two spellings one is the class's
        assert registry.get(name).__name__.lower() == name.lower()
