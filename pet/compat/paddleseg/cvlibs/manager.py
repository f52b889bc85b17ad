"""Components that a user registers by a decorator, ``@manager.TRANSFORMS.add_component``.

Nothing in Pet looks them up: they are given to :class:`pet.compat.paddleseg.datasets.Dataset` and the like as objects.
"""

from collections.abc import Callable
from typing import Any

from petlib.errors import ConfigError
from petlib.registry import Component, Registry


class ComponentManager(Registry):
    """Classes and functions by their names; of two with one name the later one counts, as when a cell of a notebook runs again.

    Args:
        kind: what they are, for messages: ``"transform"``.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(kind, hint="register it with add_component", if_taken="replace")

    @property
    def components_dict(self) -> dict[str, Callable[..., Any]]:
        """The components by their names."""
        return dict(self._registered)

    def __len__(self) -> int:
        return len(self._registered)

    def __getitem__(self, name: str) -> Callable[..., Any]:
        try:
            return self.get(name)
        except ConfigError as error:
            raise KeyError(str(error)) from error

    def add_component(self, component: Component) -> Component:
        """Register a class or function under its own name and return it."""
        return self.register()(component)


TRANSFORMS = ComponentManager("transform")
DATASETS = ComponentManager("data set")
MODELS = ComponentManager("model")
BACKBONES = ComponentManager("backbone")
LOSSES = ComponentManager("loss")
