"""Whether there is the network that a user names, before a config is written for it."""

from pet.autoconfig.settings import Settings
from pet.models import classifiers
from pet.models.registries import DETECTORS
from pet.models.zoo.table import published_models
from petlib.errors import ConfigError
from petlib.suggest import did_you_mean


def check_network(model: str, settings: Settings) -> None:
    """Look for the network that becomes the backbone of a config; what is published is known without the libraries that are slow to import.

    Args:
        model: what the user gave; empty: nothing.
        settings: the config. One that imports modules of the user's may have further networks.

    Raises:
        ConfigError: there is none of this name.
    """
    name = settings.get("MODEL", {}).get("BACKBONE")
    if not model or name not in (model, f"timm/{model}") or name in published_models() or settings.get("MISC", {}).get("IMPORTS"):
        return
    try:
        classifiers.find_classifier(str(name))
    except ConfigError as error:
        # of the libraries' thousands of names those that are near
        found = str(error).partition("\n")[0].partition("; did you mean")
        near = did_you_mean(model, DETECTORS) or (found[1] + found[2])
        raise ConfigError(
            f"--model: there is neither a detector nor a network {model!r}{near}; pet-models lists those with published weights, "
            "and all of timm and torchvision are there as timm/NAME and torchvision/NAME"
        ) from error
