"""A trained model, ready to be used."""

from collections.abc import Sequence
from pathlib import Path

from pet.compat.trainframework.building import find
from pet.compat.trainframework.configuration import EngineConfig, read_config
from pet.compat.trainframework.model.base_model import BaseModel
from pet.compat.trainframework.model.build import BUILD_MODEL_REGISTRY
from petlib.checkpoint import load_weights
from petlib.errors import ConfigError
from petlib.registry import import_user_modules


def build_model(cfg: EngineConfig) -> BaseModel:
    """Return the model of a config, on its device.

    Raises:
        ConfigError: its name or that of a network is not registered, an argument does not fit, or a method is missing.
    """
    component = cfg.translated.components["model"]
    model_class = find(BUILD_MODEL_REGISTRY, component)
    missing = sorted(getattr(model_class, "__abstractmethods__", ()))
    if missing or not (isinstance(model_class, type) and issubclass(model_class, BaseModel)):
        wanted = f"it has to define {' and '.join(missing)}" if missing else "a subclass of BaseModel expected"
        raise ConfigError(f"{component.place}: {component.name} cannot be trained: {wanted}")
    model = model_class(cfg)
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
