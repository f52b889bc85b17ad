"""The names of the classes that a data set of a user's script has."""

from collections.abc import Mapping, Sequence
from weakref import WeakKeyDictionary

from torch import nn

from petlib.engine.changed_settings import other_names
from petlib.errors import DataError

ATTRIBUTES = ("classes", "CLASSES", "class_names", "CLASS_NAMES", "labels", "LABELS", "label_map", "LABEL_MAP", "class_to_idx")
"""Where data sets of scripts have them: a list of texts, or a dictionary between texts and the numbers 0, 1, 2, ..."""


def class_names(dataset: object) -> list[str]:
    """Return the names of the classes in the order of their numbers; empty: the data set has none, or nothing that can only be names."""
    found = (_as_names(getattr(dataset, attribute, None)) for attribute in ATTRIBUTES)
    return next((names for names in found if names), [])


def check_same_classes(place: str, names: list[str], trained: list[str]) -> None:
    """Hold the names of test data against those of the training, where both have some.

    Raises:
        DataError: they are others, or in another order.
    """
    difference = other_names({"classes": trained}, {"classes": names}) if names and trained else None
    if difference:
        raise DataError(f"{place}: {difference}")


def remember_classes(network: nn.Module, names: Sequence[str]) -> None:
    """Keep what the numbers of a network are called, as long as it lives; it learned them, or has its weights from where they are known.

    Args:
        network: as the script has it.
        names: in the order of their numbers; empty: not known any more.
    """
    _CLASSES[network] = list(names)


def remembered_classes(network: nn.Module) -> list[str]:
    """Return what :func:`remember_classes` kept; empty: nothing is known."""
    return _CLASSES.get(network, [])


_CLASSES: WeakKeyDictionary[nn.Module, list[str]] = WeakKeyDictionary()


def _as_names(value: object) -> list[str]:
    if isinstance(value, Mapping):
        numbers = {name: number for name, number in value.items() if isinstance(name, str) and type(number) is int}
        numbers = numbers or {name: number for number, name in value.items() if isinstance(name, str) and type(number) is int}
        ordered = sorted(numbers, key=numbers.__getitem__)
        return ordered if len(numbers) == len(value) and [numbers[name] for name in ordered] == list(range(len(ordered))) else []
    names = list(value) if isinstance(value, list | tuple) else []
    # a list with the label of each sample repeats itself
    return names if all(isinstance(name, str) for name in names) and len(set(names)) == len(names) else []
