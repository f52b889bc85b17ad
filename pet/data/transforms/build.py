"""Transforms by name."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from pet.data.transforms.base import Compose
from pet.data.transforms.normalize import Normalize
from petlib.config import ConfigError
from petlib.registry import Registry
from petlib.suggest import did_you_mean

TRANSFORMS = Registry(
    "transform",
    {
        "AugMix": "pet.data.transforms.policies:AugMix",
        "AutoAugment": "pet.data.transforms.policies:AutoAugment",
        "CenterCrop": "pet.data.transforms.geometry:CenterCrop",
        "ColorJitter": "pet.data.transforms.colour:ColorJitter",
        "Normalize": "pet.data.transforms.normalize:Normalize",
        "RandAugment": "pet.data.transforms.policies:RandAugment",
        "RandomCrop": "pet.data.transforms.geometry:RandomCrop",
        "RandomErasing": "pet.data.transforms.erasing:RandomErasing",
        "RandomGrayscale": "pet.data.transforms.colour:RandomGrayscale",
        "RandomHorizontalFlip": "pet.data.transforms.geometry:RandomHorizontalFlip",
        "RandomResizedCrop": "pet.data.transforms.geometry:RandomResizedCrop",
        "RandomVerticalFlip": "pet.data.transforms.geometry:RandomVerticalFlip",
        "Resize": "pet.data.transforms.geometry:Resize",
    },
)


def build_transforms(entries: Sequence[Any], *, default_size: int | None) -> tuple[Compose, Normalize | None]:
    """Return the transforms of a list, and apart from them a ``Normalize`` that stands at its end.

    Args:
        entries: names, or mappings ``{"name": "RandomResizedCrop", "scale": [0.2, 1.0]}``.
        default_size: the ``size`` of transforms that need one and are not given one; None: there is no default.

    Raises:
        ConfigError: a name or an argument is unknown, missing or wrong.
    """
    transforms = [_build(entry, default_size) for entry in entries]
    if transforms and isinstance(transforms[-1], Normalize):
        return Compose(transforms[:-1]), transforms[-1]
    return Compose(transforms), None


def _build(entry: Any, default_size: int | None) -> Any:
    name, arguments = _name_and_arguments(entry)
    transform = TRANSFORMS.get(name)
    parameters = inspect.signature(transform).parameters
    for given in arguments:
        if given not in parameters:
            takes = ", ".join(parameters) or "no arguments"
            raise ConfigError(f"transform {name}: unknown argument {given!r}{did_you_mean(given, parameters)} (it takes {takes})")
    if "size" in parameters and "size" not in arguments and default_size is not None:
        arguments["size"] = default_size
    lacking = [key for key, parameter in parameters.items() if parameter.default is parameter.empty and key not in arguments]
    if lacking:
        raise ConfigError(f"transform {name}: {', '.join(lacking)} missing; write {{name: {name}, {lacking[0]}: ...}}")
    try:
        return transform(**arguments)
    except (TypeError, AttributeError) as error:
        raise ConfigError(f"transform {name}: an argument has the wrong type ({error}); given: {arguments}") from error


def _name_and_arguments(entry: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(entry, str):
        return entry, {}
    if isinstance(entry, Mapping) and isinstance(entry.get("name"), str):
        return entry["name"], {str(key): value for key, value in entry.items() if key != "name"}
    raise ConfigError(f"TRANSFORMS: {entry!r} given, a name or a mapping like {{name: RandomCrop, size: 32}} expected")
