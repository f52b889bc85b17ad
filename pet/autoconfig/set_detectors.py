"""D-FINE and RF-DETR by a name with a size, ``dfine_s``, and the settings that fine-tune them."""

from typing import Any, NamedTuple

from pet.autoconfig.pretrained import ChosenWeights, choose_published
from pet.models.detr.sizes import SIZES
from pet.models.zoo.sources import HUGGINGFACE, repository_weights
from pet.models.zoo.table import published_models, sized_models
from petlib.errors import ConfigError

USUAL = {"dfine": "s", "rfdetr": "nano"}
"""The size of a detector that is named without one."""
WITH_MASKS = "seg_"
BACKBONE_RATE = 0.3
"""The rate of the backbone, which knows images already, as a share of the others'."""


class SizedDetector(NamedTuple):
    """A detector that is a network of its own.

    Attributes:
        name: ``MODEL.BOX.DETECTOR``.
        size: of those that are published.
    """

    name: str
    size: str

    @property
    def has_masks(self) -> bool:
        """Whether it is published with masks."""
        return self.size.startswith(WITH_MASKS)

    @property
    def settings(self) -> dict[str, Any]:
        """Its settings below ``MODEL.BOX``."""
        return {"DETECTOR": self.name, self.name.upper(): {"SIZE": self.size}}

    @property
    def resolution(self) -> int:
        """Height and width of the images that it was trained on, pixels."""
        return SIZES[self.name][self.size].resolution

    @property
    def normalize(self) -> dict[str, Any] | str:
        """How it takes images: D-FINE from 0 to 1 as they are."""
        return {"name": "Normalize", "mean": [0.0] * 3, "std": [1.0] * 3} if self.name == "dfine" else "Normalize"

    def choose_weights(self) -> ChosenWeights:
        """Return what its training begins with."""
        published = repository_weights(sized_models(self.name)[self.size].weights.removeprefix(HUGGINGFACE))
        return choose_published(HUGGINGFACE.rstrip("/"), published, of=f"COCO weights of {published.name}")


def sized_detector(model: str) -> SizedDetector | None:
    """Return the detector that ``dfine``, ``dfine_s``, ``rfdetr_nano`` and the like name; None: a model of another kind.

    Raises:
        ConfigError: it is not published in that size.
    """
    name, _, size = model.partition("_")
    if name not in SIZES:
        return None
    size = size or USUAL[name]
    sizes = sized_models(name)
    if size not in sizes:
        known = published_models().get(model)
        why = f", and under {known.licence} as {model}, for which Pet has no network" if known else ""
        raise ConfigError(f"--model {model}: {name} is published as {', '.join(one.name for one in sizes.values())}{why}")
    return SizedDetector(name, size)
