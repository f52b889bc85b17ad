"""Networks of transformers with random weights."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from torch import nn

from pet.models.detr.sizes import PublishedSize
from petlib.errors import ConfigError
from petlib.suggest import did_you_mean

INSTALL = "pip install 'pet-vision[detr]'"
MODULES = {"d_fine": "DFine", "rf_detr": "RfDetr"}
"""Model type -> beginning of the names of its classes."""


def load_transformers(module: str) -> Any:
    """Return a module of transformers, which is slow to import and rarely needed.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return import_module(f"transformers.{module}")
    except ImportError as error:
        raise ConfigError(f"D-FINE and RF-DETR need transformers, which cannot be imported ({error}); {INSTALL}") from error


def build_network(model_type: str, kind: str, size: PublishedSize, args: Mapping[str, Any], own: Mapping[str, Any]) -> Any:
    """Return a network with random weights; its ``config`` says what it is.

    Args:
        model_type: ``d_fine`` or ``rf_detr``.
        kind: ``ForObjectDetection`` or ``ForInstanceSegmentation``.
        size: the published one that it is made from.
        args: further fields of its config by transformers' names; those of ``backbone_config`` are joined with the published ones.
        own: fields that follow from other settings, which ``args`` may not hold.

    Raises:
        ConfigError: transformers is missing, or its config does not take the arguments.
    """
    beginning, argument = MODULES[model_type], f"build_{model_type.replace('_', '')}.args"
    configuration = load_transformers(f"models.{model_type}.configuration_{model_type}")
    modeling = load_transformers(f"models.{model_type}.modeling_{model_type}")
    config_type = getattr(configuration, f"{beginning}Config")
    known = [field for field in config_type.__dataclass_fields__ if field not in own]
    unknown = sorted(set(args) - set(known))
    if unknown:
        raise ConfigError(f"{argument}: {unknown[0]} is no field of transformers.{config_type.__name__}{did_you_mean(unknown[0], known)}")
    fields = {**size.config, **args, **own}
    fields["backbone_config"] = {**size.config["backbone_config"], **args.get("backbone_config", {})}
    try:
        network: nn.Module = getattr(modeling, f"{beginning}{kind}")(config_type(**fields))
    except (TypeError, ValueError, RuntimeError, IndexError, import_module("huggingface_hub.errors").StrictDataclassError) as error:
        reason = str(error).strip().replace("\n", " ")
        raise ConfigError(f"{argument}: transformers.{config_type.__name__} does not take {dict(args)}: {reason}") from error
    return network
