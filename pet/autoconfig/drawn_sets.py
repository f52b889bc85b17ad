"""Data sets that need no folder, because Pet draws them or a library has them: each with a config that comes with Pet."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from pet.autoconfig.set_detectors import sized_detector
from pet.autoconfig.settings import Recipe, Settings, set_length
from pet.models.registries import DETECTORS
from pet.task import PACKAGE
from petlib.config import read_layers
from petlib.launch.start.resolve import CONFIG_FOLDER, repository_of

DRAWN_SETS = {
    "digits": "vision/digits/resnet20_digits.yaml",
    "shapes": "vision/shapes/faster_rcnn_R-18-FPN.yaml",
    "confetti": "vision/confetti/faster_rcnn_R-18-FPN.yaml",
    "motions": "tasks/action/motions/tsm_test_resnet.yaml",
    "facets": "tasks/face/facets_iresnet18.yaml",
    "crowds": "projects/crowdcounting/crowds/crowds_resnet10.yaml",
    "walkers": "projects/fairmot/walkers/fairmot_R-18.yaml",
    "mannequins": "projects/densepose/mannequins_R-18-FPN.yaml",
}
"""Name -> the config that trains on it."""
TYPE_DEPTH = {"vision": 1}
"""Folders of a type's name; of others two."""


def drawn_recipe(name: str, *, model: str = "", epochs: int | None = None) -> Recipe:
    """Return the config that trains on one of :data:`DRAWN_SETS`, with a model of the caller's choice.

    Args:
        name: of the data set.
        model: a detector, whose own config is taken where there is one, or a backbone; empty: that of the config.
        epochs: length of the training; None: that of the config.
    """
    repository = repository_of(PACKAGE)
    assert repository is not None, "an installed Pet has its configs, and a checkout too"
    file = repository / CONFIG_FOLDER / DRAWN_SETS[name]
    sized = sized_detector(model)
    own = next(iter(sorted(file.parent.glob(f"{sized.name if sized else model}_*.yaml"))), None) if model else None
    file = own or file
    settings = _nested([(entry.key, entry.value) for layer in read_layers(file) for entry in layer.entries])
    if sized is not None and own is not None and sized.name != model:
        settings["MODEL"]["BOX"] = sized.settings
    elif model and own is None:
        _set_model(settings, model)
    if epochs:
        set_length(settings, epochs=epochs, iterations=epochs)
    parts = PurePosixPath(DRAWN_SETS[name]).parts
    reason = f"that of {file.relative_to(repository / CONFIG_FOLDER)}, because {name} needs no files"
    return Recipe("/".join(parts[: TYPE_DEPTH.get(parts[0], 2)]), settings, reason, model or "that of the same config")


def _set_model(settings: Settings, model: str) -> None:
    network = settings["MODEL"]
    if model in DETECTORS:
        network["BOX"] = {**network.get("BOX", {}), "DETECTOR": model}
        network["NECK"] = DETECTORS.get(model).neck
    else:
        network["BACKBONE"] = model


def _nested(entries: Sequence[tuple[str, Any]]) -> Settings:
    """Return dotted keys with values as sections, the last value of a key."""
    settings: Settings = {}
    for key, value in entries:
        *sections, last = key.split(".")
        place = settings
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
    return settings


def is_drawn(data: Path) -> bool:
    """Return whether a name means one of the sets, and no folder is called so."""
    return str(data) in DRAWN_SETS and not data.exists()
