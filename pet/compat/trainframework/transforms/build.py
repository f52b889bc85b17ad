"""Transforms by name, and several of them one after another."""

from collections.abc import Callable, Sequence
from typing import Any

from pet.compat.trainframework.building import make, make_registry
from pet.compat.trainframework.transforms.fields import Results
from petlib.arguments import split_entry
from petlib.config.nested import Component
from petlib.errors import ConfigError, DataError

BUILD_TRANSFORMS_REGISTRY = make_registry(
    "transform",
    {
        "CenterCrop": "pet.compat.trainframework.transforms.geometry:CenterCrop",
        "Normalize": "pet.compat.trainframework.transforms.colour:Normalize",
        "Pad": "pet.compat.trainframework.transforms.geometry:Pad",
        "RandomColorJitter": "pet.compat.trainframework.transforms.colour:RandomColorJitter",
        "RandomCrop": "pet.compat.trainframework.transforms.geometry:RandomCrop",
        "RandomFlip": "pet.compat.trainframework.transforms.geometry:RandomFlip",
        "Resize": "pet.compat.trainframework.transforms.geometry:Resize",
    },
)


class Pipeline:
    """Several transforms, one after another.

    Args:
        transforms: each is called with ``results`` and returns them changed.
    """

    def __init__(self, transforms: Sequence[Callable[[Results], Results]]) -> None:
        self.transforms = list(transforms)

    def __call__(self, results: Results) -> Results:
        """Return ``results`` after all transforms.

        Raises:
            DataError: a transform returns something else than a dictionary, or cannot change what is there.
        """
        for transform in self.transforms:
            results = transform(results)
            if not isinstance(results, dict):
                given = "None" if results is None else f"a {type(results).__name__}"
                name = getattr(transform, "__name__", type(transform).__name__)
                raise DataError(f"transform {name}: it returned {given}; the changed results, a dictionary, expected")
        return results


def build_transforms(entries: Sequence[Any]) -> Pipeline:
    """Return the transforms of a ``transformer`` list.

    Args:
        entries: names, mappings ``dict(name="Resize", target_size=256)``, or objects that are called with ``results``.

    Raises:
        ConfigError: it is no list, or a name or an argument is unknown, missing or wrong.
    """
    if isinstance(entries, str) or not isinstance(entries, Sequence):
        raise ConfigError(f"transformer: {entries!r} given, a list of dict(name=...) expected")
    return Pipeline([_build(place, entry) for place, entry in enumerate(entries)])


def _build(number: int, entry: Any) -> Any:
    place = f"transformer[{number}]"
    if callable(entry) and not isinstance(entry, type):
        return entry
    name, arguments = split_entry(place, entry, example="dict(name='Resize', target_size=256)")
    transform = make(BUILD_TRANSFORMS_REGISTRY, Component(name, arguments, place))
    if not callable(transform):
        raise ConfigError(f"{place}: transform {name}: its class has no __call__; write __call__(self, results) that returns results")
    return transform
