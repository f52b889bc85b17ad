"""Components that a user registers by a decorator, ``@manager.TRANSFORMS.add_component``.

Nothing in Pet looks them up: they are given to :class:`pet.compat.paddleseg.datasets.Dataset` and the like as objects.
"""

import logging
from typing import Any, TypeVar

logger = logging.getLogger(__name__)

Component = TypeVar("Component")


class ComponentManager:
    """Classes and functions by their names.

    Args:
        name: what they are, for messages.

    Attributes:
        components_dict: name -> component.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.components_dict: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self.components_dict)

    def __getitem__(self, name: str) -> Any:
        if name not in self.components_dict:
            raise KeyError(f"{name} is none of the {self.name}; there are {', '.join(self.components_dict) or 'none'}")
        return self.components_dict[name]

    def add_component(self, component: Component) -> Component:
        """Register a class or function under its own name and return it.

        The name may be there already, as when a cell of a notebook runs again: the new one counts from then on.
        """
        name = getattr(component, "__name__", type(component).__name__)
        if name in self.components_dict:
            logger.info("%s is registered anew among the %s", name, self.name)
        self.components_dict[name] = component
        return component


TRANSFORMS = ComponentManager("transforms")
DATASETS = ComponentManager("data sets")
MODELS = ComponentManager("models")
BACKBONES = ComponentManager("backbones")
LOSSES = ComponentManager("losses")
