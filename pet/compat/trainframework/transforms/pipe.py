"""Several transforms, one after another, from a list of a config."""

from collections.abc import Sequence
from typing import Any

from pet.compat.trainframework.transforms.build import Pipeline, build_transforms


class TransformCompose(Pipeline):
    """The transforms of a list, which is called with ``results``; see :func:`~pet.compat.trainframework.transforms.build.build_transforms`.

    Args:
        transformers: names, mappings ``dict(name="Resize", target_size=256)``, or objects.

    Raises:
        ConfigError: it is no list, or a name or an argument is unknown, missing or wrong.
    """

    def __init__(self, transformers: Sequence[Any]) -> None:
        super().__init__(build_transforms(transformers).transforms)
