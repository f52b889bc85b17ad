"""docs/antgo_reference.md says what the code does."""

import inspect
from pathlib import Path
from typing import Any

import pytest

from pet.compat.antgo.framework.helper.dataset.builder import DATASETS, PIPELINES
from pet.compat.antgo.framework.helper.runner.builder import BUILTIN_MEASURES
from pet.compat.antgo.registry import ComponentRegistry

PAGE = (Path(__file__).parents[4] / "docs" / "antgo_reference.md").read_text(encoding="utf-8")
MEASURES = ComponentRegistry("measure", BUILTIN_MEASURES)


def built_in(registry: ComponentRegistry) -> list[Any]:
    components = [registry.get(name) for name in registry.names()]
    return [component for component in components if component.__module__.startswith("pet.")]


def call_of(component: Any) -> str:
    parameters = inspect.signature(component).parameters.values()
    return f"{component.__name__}({', '.join(str(item.replace(annotation=item.empty)) for item in parameters)})"


@pytest.mark.parametrize("component", [*built_in(PIPELINES), *built_in(MEASURES)], ids=lambda component: component.__name__)
def test_parameters_and_defaults_are_there(component: Any) -> None:
    assert f"| `{call_of(component)}` |" in PAGE


@pytest.mark.parametrize("component", built_in(DATASETS), ids=lambda component: component.__name__)
def test_data_sets_and_their_settings_are_there(component: Any) -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{component.__name__}` |")]
    for key, default in component.params.items():
        shown = f'"{default}"' if isinstance(default, str) else default
        assert f"`{key}={shown}`" in row
