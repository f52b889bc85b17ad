"""Data sets by name."""

import inspect
from typing import Any

from pet.compat.trainframework.building import make, make_registry
from petlib.config.nested import Component
from petlib.errors import ConfigError

BUILD_DATASET_REGISTRY = make_registry("data set")


def build_data_set(component: Component) -> Any:
    """Return the data set of a config's entry ``dict(name="MyDataset", ..., transformer=[...])``.

    All keys but ``name`` are arguments of its class, ``transformer`` among them, as the config has them.

    Raises:
        ConfigError: the name or an argument is unknown, missing or of another type, or the class has no ``__getitem__`` or ``__len__``.
    """
    if component.name in BUILD_DATASET_REGISTRY:
        _check_methods(component)
    return make(BUILD_DATASET_REGISTRY, component)


def _check_methods(component: Component) -> None:
    found = BUILD_DATASET_REGISTRY.get(component.name)
    abstract = getattr(found, "__abstractmethods__", ())
    lacking = [method for method in ("__getitem__", "__len__") if not hasattr(found, method) or method in abstract]
    if inspect.isclass(found) and lacking:
        raise ConfigError(f"{component.place}: data set {component.name}: its class has no {' and no '.join(lacking)}; write it")
