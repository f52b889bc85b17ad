"""The model of a user: networks, how a loss comes from a batch, and trained models ready to be used."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from pet.compat.shared.building import find_class
from pet.compat.trainframework.configuration import Settings, TrainFrameworkConfig, read_config
from pet.compat.trainframework.model.build import BUILD_MODEL_REGISTRY, build_network
from petlib import distributed
from petlib.checkpoint import load_weights
from petlib.distributed.process_group import choose_device
from petlib.errors import ConfigError
from petlib.registry import import_user_modules

SEPARATOR = "/"
"""Between the network and the name of a loss, where a model has several optimizers: ``generator/adversarial``."""


class NamedValues(NamedTuple):
    """What a batch gave, by name.

    Attributes:
        losses: scalars that weights learn from.
        figures: scalars without a gradient, which are logged.
    """

    losses: dict[str, Tensor]
    figures: dict[str, Tensor]


def name_losses(returned: Any, *, model: str, networks: Sequence[str]) -> NamedValues:
    """Return the losses and the figures of one batch.

    Args:
        returned: a scalar tensor, or names and scalars, tensors and for figures also numbers; with several networks a mapping from
            networks to such, and figures.
        model: the name of the model, for messages.
        networks: those that have an optimizer.

    Raises:
        ConfigError: there is no loss, one is no scalar tensor or depends on no weight, or there is one of an unknown network.
    """
    place = f"{model}.run_step"
    if len(networks) < 2:
        return _sorted(_flat(returned, "", place), place)
    example = ", ".join(f"{name!r}: ..." for name in networks)
    values = dict(returned) if isinstance(returned, Mapping) else {}
    figures = {str(name): torch.as_tensor(values.pop(name)) for name in list(values) if name not in networks and _is_figure(values[name])}
    if not values or not set(values) <= set(networks):
        given = f"the names {', '.join(map(str, returned))}" if isinstance(returned, Mapping) and returned else _describe(returned)
        raise ConfigError(
            f"{place} returned {given}; with the optimizers of {' and '.join(networks)} the losses of each network are expected: "
            f"{{{example}}}, each a scalar tensor or a mapping of such; a network that is left out rests in this iteration"
        )
    found = NamedValues({}, figures)
    for network, own in values.items():
        of_network = _sorted(_flat(own, network, place), f"{place}: {network}")
        found.losses.update(of_network.losses)
        found.figures.update(of_network.figures)
    return found


def _is_figure(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number or (isinstance(value, Tensor) and value.dim() == 0 and not value.requires_grad)


def _sorted(values: Mapping[str, Tensor], place: str) -> NamedValues:
    losses = {name: value for name, value in values.items() if value.requires_grad}
    if not losses:
        raise ConfigError(
            f"{place}: no weight can learn from {', '.join(values)}: computed without the network, under no_grad, or detached"
        )
    device = next(iter(losses.values())).device
    return NamedValues(losses, {name: value.to(device) for name, value in values.items() if name not in losses})


def _flat(returned: Any, prefix: str, place: str) -> dict[str, Tensor]:
    """Return scalars with their names joined, ``"loss"`` for one without a name."""
    if prefix and _is_figure(returned):
        return {prefix: torch.as_tensor(returned)}
    if isinstance(returned, Tensor):
        name = prefix or "loss"
        if returned.dim() != 0:
            raise ConfigError(f"{place}: {name} is {_describe(returned)}, a scalar expected: take its mean or sum")
        return {name: returned}
    if isinstance(returned, Mapping) and returned:
        losses: dict[str, Tensor] = {}
        for name, value in returned.items():
            losses |= _flat(value, f"{prefix}{SEPARATOR}{name}" if prefix else str(name), place)
        return losses
    where = f"{place}: {prefix} is" if prefix else f"{place} returned"
    raise ConfigError(f"{where} {_describe(returned)}; a loss expected: a scalar tensor, or a dictionary of names and scalar tensors")


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, Mapping):
        return "an empty dictionary"
    return "None" if value is None else f"a {type(value).__name__}"


ATTRIBUTES = {"generator": "g_model", "discriminator": "d_model"}
"""Network -> attribute of the model; that of any other network is ``<network>_model``."""


class BaseModel(nn.Module, ABC):
    """One or several networks and the losses that they learn from.

    Each block with a name below ``trainer.model`` is a network: ``generator`` becomes ``self.g_model``, ``discriminator``
    ``self.d_model``, any other ``self.<network>_model``. A network with a block ``solver.<network>`` is trained, the others
    are frozen. Losses are made in the constructor of the subclass.

    With one optimizer ``run_step`` returns a scalar tensor or a dictionary of named ones, which are added; numbers and tensors without a
    gradient among them are figures, which are logged next to the losses. With several it returns a
    dictionary with the losses of each network, ``{"generator": ..., "discriminator": ...}``: all are computed with the weights that the
    iteration begins with, each network learns from its own losses only (whatever else the graph leads through), and then all optimizers
    step. ``detach()`` of what one network made for another saves time and changes nothing.

    Args:
        cfg: the config of the run; settings of one's own are below ``trainer.model``.

    Attributes:
        device: where the networks are.
        epoch: the number of the iteration that is under way, from 0, which ``run_step`` is given under this name.
        kept_losses: losses and figures of the batches since it was emptied, where this is a list; None: none are kept.
    """

    def __init__(self, cfg: TrainFrameworkConfig) -> None:
        super().__init__()
        self.device = choose_device(cfg.run.MISC.DEVICE)
        self.epoch = 0
        self.kept_losses: list[dict[str, Tensor]] | None = None
        components = cfg.translated.components
        built = [name.removeprefix("model.") for name in components if name.startswith("model.")]
        self._trained = [name.split(".")[1] for name in components if name.startswith("solver.") and name.endswith(".optimizer")]
        self._names = list(dict.fromkeys([*built, *self._trained]))
        for name in built:
            params = cfg.trainer.model[name]
            network = self.create_model(params)
            # the document shows an override that returns nothing
            network = build_network(params) if network is None else network
            setattr(self, _attribute(name), network.to(self.device))

    def create_model(self, params: Settings) -> nn.Module | None:
        """Return the network of a block below ``trainer.model``; override it for networks that no registry has.

        Args:
            params: the block, ``params.name`` and the arguments.

        Returns:
            The network; None: the one that the registry has under this name.

        Raises:
            ConfigError: the name is not registered, or the arguments do not fit.
        """
        return build_network(params)

    @abstractmethod
    def run_step(self, data: dict[str, Any], *, epoch: int | None = None, **kwargs: Any) -> Any:
        """Return the losses of a batch.

        Args:
            data: the fields of the data set's samples, stacked, on the device.
            epoch: the number of the iteration that is under way, from 0, as in TrainFramework, whose loop over ``max_iter`` calls it so.
            **kwargs: nothing; the document's signature has it.
        """

    @abstractmethod
    def generator(self, data: Any) -> Any:
        """Return what the network makes of an input, for use after the training."""

    def evaluate_step(self, data: dict[str, Any]) -> Mapping[str, float | Tensor]:
        """Return figures of a batch of the validation set, means over its samples; override it to have the set measured.

        It is called without gradients, in evaluation mode, with the moving average of the weights where there is one.
        """
        return {}

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The networks by the names of their blocks.

        Raises:
            ConfigError: there is a solver for a network that the model does not have.
        """
        found = {name: getattr(self, _attribute(name), None) for name in self._names}
        for name, network in found.items():
            if not isinstance(network, nn.Module):
                raise ConfigError(
                    f"solver.{name}: {type(self).__name__} has no such network: name one under trainer.model.{name}, or set "
                    f"self.{_attribute(name)} in its constructor"
                )
        return found  # type: ignore[return-value]  # all are modules

    @property
    def trained(self) -> list[str]:
        """The networks that have an optimizer."""
        return list(self._trained)

    def share_by_replicas(self) -> None:
        """Let calls of the networks run on all visible GPUs, with ``nn.DataParallel``; names in checkpoints stay."""
        for name, network in self.networks.items():
            # in the instance's own dictionary it comes before the module of the same name
            vars(self)[_attribute(name)] = distributed.parallelize(network, "dp", device=self.device)

    def forward(self, batch: dict[str, Any]) -> Any:
        """Return the losses of a batch in training and its figures in evaluation, as Pet's engine wants them.

        Raises:
            ConfigError: ``run_step`` returned no losses that can be learnt from.
        """
        if not self.training:
            return self.evaluate_step(batch)
        returned = self.run_step(batch, epoch=self.epoch)
        losses, figures = name_losses(returned, model=type(self).__name__, networks=self._trained)
        if self.kept_losses is not None:
            self.kept_losses.append({name: value.detach() for name, value in {**losses, **figures}.items()})
        return {"losses": losses, "metrics": figures}


def _attribute(network: str) -> str:
    return ATTRIBUTES.get(network, f"{network}_model")


def build_model(cfg: TrainFrameworkConfig) -> BaseModel:
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
