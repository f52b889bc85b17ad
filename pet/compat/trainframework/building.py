"""How the names of TrainFramework's configs are registered and built."""

from collections.abc import Mapping
from typing import Any

from pet.compat.shared.building import build
from petlib.config.nested import Component
from petlib.registry import Registry

HINT = "import the module that registers it in train.py, or name it under imports in the config"
"""How a user's components are found, for messages."""


def make_registry(kind: str, builtin: Mapping[str, str] | None = None) -> Registry:
    """Return a registry of one kind of component; scripts fill it while they are imported, so it refuses on use."""
    return Registry(kind, builtin, hint=HINT, if_taken="refuse_on_use")


def make(registry: Registry, component: Component) -> Any:
    """Return the object that an entry ``dict(name=..., ...)`` asks for.

    Raises:
        UserError: see :func:`pet.compat.shared.building.build`.
    """
    return build(registry, component, name_key="name")
