"""Transforms by name."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from pet.data.transforms.base import Compose, ImageTransform
from pet.data.transforms.mosaic import Mosaic
from pet.data.transforms.normalize import Normalize
from petlib.arguments import fit_arguments, split_entry
from petlib.data.protocols import Dataset
from petlib.errors import ConfigError
from petlib.registry import Registry

TRANSFORMS = Registry(
    "transform",
    {
        "AugMix": "pet.data.transforms.policies:AugMix",
        "AutoAugment": "pet.data.transforms.policies:AutoAugment",
        "CenterCrop": "pet.data.transforms.geometry:CenterCrop",
        "CentralSegments": "pet.data.transforms.clips:CentralSegments",
        "ColorJitter": "pet.data.transforms.colour:ColorJitter",
        "CropObject": "pet.data.transforms.objects:CropObject",
        "EvenClips": "pet.data.transforms.clips:EvenClips",
        "CropViews": "pet.data.transforms.clips:CropViews",
        "Equalize": "pet.data.transforms.photometric:Equalize",
        "Expand": "pet.data.transforms.ssd:Expand",
        "GaussianBlur": "pet.data.transforms.photometric:GaussianBlur",
        "InitMask": "pet.data.transforms.label_values:InitMask",
        "Mosaic": "pet.data.transforms.mosaic:Mosaic",
        "MultiScaleCrop": "pet.data.transforms.clips:MultiScaleCrop",
        "Normalize": "pet.data.transforms.normalize:Normalize",
        "Pad": "pet.data.transforms.scales:Pad",
        "PasteObjects": "pet.data.transforms.points:PasteObjects",
        "PhotometricDistortion": "pet.data.transforms.photometric:PhotometricDistortion",
        "PointsInImage": "pet.data.transforms.points:PointsInImage",
        "RandAugment": "pet.data.transforms.policies:RandAugment",
        "RandomBlur": "pet.data.transforms.photometric:RandomBlur",
        "RandomChannelSwap": "pet.data.transforms.photometric:RandomChannelSwap",
        "RandomClip": "pet.data.transforms.clips:RandomClip",
        "RandomCrop": "pet.data.transforms.geometry:RandomCrop",
        "RandomCropObject": "pet.data.transforms.objects:RandomCropObject",
        "RandomErasing": "pet.data.transforms.erasing:RandomErasing",
        "RandomFog": "pet.data.transforms.photometric:RandomFog",
        "RandomGrayscale": "pet.data.transforms.colour:RandomGrayscale",
        "RandomHorizontalFlip": "pet.data.transforms.geometry:RandomHorizontalFlip",
        "RandomIoUCrop": "pet.data.transforms.ssd:RandomIoUCrop",
        "RandomMirrorPoints": "pet.data.transforms.points:RandomMirrorPoints",
        "RandomResizedCrop": "pet.data.transforms.geometry:RandomResizedCrop",
        "RandomAffine": "pet.data.transforms.rotate:RandomAffine",
        "RandomRotate90": "pet.data.transforms.rotate:RandomRotate90",
        "RandomRotation": "pet.data.transforms.rotate:RandomRotation",
        "RandomScale": "pet.data.transforms.scales:RandomScale",
        "RandomScalePoints": "pet.data.transforms.points:RandomScalePoints",
        "RandomTurnPoints": "pet.data.transforms.points:RandomTurnPoints",
        "RandomScaleAspect": "pet.data.transforms.scales:RandomScaleAspect",
        "RandomSegments": "pet.data.transforms.clips:RandomSegments",
        "RandomVerticalFlip": "pet.data.transforms.geometry:RandomVerticalFlip",
        "Resize": "pet.data.transforms.geometry:Resize",
        "ResizeShortestEdge": "pet.data.transforms.scales:ResizeShortestEdge",
        "Rotate": "pet.data.transforms.rotate:Rotate",
        "ScaleJitterCrop": "pet.data.transforms.scales:ScaleJitterCrop",
        "Solarize": "pet.data.transforms.photometric:Solarize",
        "SwapImages": "pet.data.transforms.pairs:SwapImages",
        "Views": "pet.data.transforms.views:Views",
    },
)


EXAMPLE = "{name: RandomCrop, size: 32}"


def build_transforms(
    entries: Sequence[Any],
    *,
    default_size: int | None,
    default_sizes: Sequence[int] | None = None,
    dataset: Dataset | None = None,
    place: str = "TRANSFORMS",
) -> tuple[Compose, Normalize | None]:
    """Return the transforms of a list, and apart from them a ``Normalize`` at its end.

    Args:
        entries: names, or mappings ``{"name": "RandomResizedCrop", "scale": [0.2, 1.0]}``.
        default_size: the ``size`` of transforms that need one and are not given one; None: there is no default.
        default_sizes: likewise the ``sizes``.
        dataset: where transforms that join several samples take the others from.
        place: what the list is called, for messages, which also say the number of the entry: ``TRAIN.TRANSFORMS[2]``.

    Raises:
        ConfigError: a name or an argument is unknown, missing or wrong, or what changes pixels comes after ``Normalize``.
    """
    defaults = {"size": default_size, "sizes": default_sizes, "dataset": dataset}
    given = {name: value for name, value in defaults.items() if value is not None}
    transforms = [_build(f"{place}[{number}]", entry, given) for number, entry in enumerate(entries)]
    _check_order(place, transforms)
    if transforms and isinstance(transforms[-1], Normalize):
        return Compose(transforms[:-1]), transforms[-1]
    return Compose(transforms), None


def take_default_size(entries: Sequence[Any]) -> bool:
    """Return whether a transform of a list has no size of its own and takes the default.

    Raises:
        ConfigError: a name is unknown, or an entry is no entry.
    """
    split = [split_entry("TRANSFORMS", entry, example=EXAMPLE) for entry in entries]
    return any(
        name in inspect.signature(TRANSFORMS.get(transform)).parameters and name not in arguments
        for transform, arguments in split
        for name in ("size", "sizes")
    )


def _build(place: str, entry: Any, defaults: Mapping[str, Any]) -> Any:
    name, arguments = split_entry(place, entry, example=EXAMPLE)
    try:
        transform = TRANSFORMS.get(name)
        for parameter in inspect.signature(transform).parameters:
            if parameter in defaults:
                arguments.setdefault(parameter, defaults[parameter])
        return transform(**fit_arguments("transform", name, transform, arguments))
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from error


def _check_order(place: str, transforms: Sequence[Any]) -> None:
    """Refuse what would change the pixels of a normalised image, which it takes for values from 0 to 255."""
    for number, transform in enumerate(transforms):
        later = [item for item in transforms[number + 1 :] if isinstance(item, ImageTransform | Mosaic | Normalize)]
        if isinstance(transform, Normalize) and later:
            raise ConfigError(
                f"{place}[{transforms.index(later[0])}]: transform {type(later[0]).__name__}: it works on pixels from 0 to 255 and comes "
                "after Normalize; put Normalize at the end of TRANSFORMS"
            )
