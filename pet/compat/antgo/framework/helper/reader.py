"""The decorator that makes a user's data set known: ``@reader.register``."""

from typing import TypeVar

from pet.compat.antgo.framework.helper.dataset.builder import DATASETS

Class = TypeVar("Class", bound=type)


def register(dataset: Class) -> Class:
    """Register a class of :class:`pet.compat.antgo.dataflow.dataset.dataset.Dataset` under its own name and return it.

    Raises:
        ConfigError: another module has registered a data set of this name.
    """
    return DATASETS.register_module()(dataset)
