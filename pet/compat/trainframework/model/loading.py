"""A trained model, ready to be used."""

from collections.abc import Sequence
from pathlib import Path

from pet.compat.shared.building import find_class
from pet.compat.trainframework.configuration import EngineConfig, read_config
from pet.compat.trainframework.model.base_model import BaseModel
from pet.compat.trainframework.model.build import BUILD_MODEL_REGISTRY
from petlib.checkpoint import load_weights
from petlib.registry import import_user_modules


def build_model(cfg: EngineConfig) -> BaseModel:
    """Return the model of a config, on its device.

    Raises:
        ConfigError: its name or that of a network is not registered, an argument does not fit, or a method is missing.
    """
    component = cfg.translated.components["model"]
    model = find_class(BUILD_MODEL_REGISTRY, component, BaseModel)(cfg)  # type: ignore[type-abstract]  # a subclass comes back
    return model.to(model.device)


def load_model(config: str | Path, weights: str | Path, overrides: Sequence[str] = (), *, use_ema: bool = True) -> BaseModel:
    """Return the model of a config with trained weights, in evaluation mode; ``model.generator(data)`` uses it.

    Args:
        config: the config file of the training.
        weights: a checkpoint of it, e.g. ``model_latest.pth`` in its output folder.
        overrides: settings that replace those of the file.
        use_ema: take the moving average of the weights where the checkpoint has one.

    Raises:
        ConfigError: the config is wrong.
        CheckpointError: the checkpoint cannot be read, or is one of another network.
    """
    cfg = read_config(config, overrides)
    import_user_modules(cfg.run.MISC.IMPORTS)
    model = build_model(cfg)
    load_weights(model, weights, prefer_ema=use_ema).require_complete()
    return model.eval()
