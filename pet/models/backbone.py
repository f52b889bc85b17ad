"""The network of the ``MODEL`` section of a config."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from pet.models.classifiers import build_classifier
from petlib.config import CfgNode
from petlib.distributed.device import choose_device
from petlib.distributed.process_group import world_size
from petlib.errors import ConfigError


def build_classifier_backbone(cfg: CfgNode, args: Mapping[str, Any] | None = None) -> nn.Module:
    """Return ``MODEL.BACKBONE`` with ``MODEL.NUM_CLASSES`` outputs, with synchronised batch norm where that is on.

    Args:
        cfg: the config.
        args: arguments of the network that a task derives from keys of its own; ``MODEL.BACKBONE_ARGS`` goes before them.

    Raises:
        ConfigError: there is no such network, it does not take the arguments, or batch norm cannot be synchronised.
    """
    args = {**(args or {}), **cfg.MODEL.BACKBONE_ARGS}
    network = build_classifier(cfg.MODEL.BACKBONE, num_classes=cfg.MODEL.NUM_CLASSES, args=args)
    return synchronise_batch_norm(network, cfg) if cfg.MODEL.SYNC_BN else network


def synchronise_batch_norm(model: nn.Module, cfg: CfgNode) -> nn.Module:
    """Return ``model`` with batch-norm statistics over all processes; the names of its weights stay.

    Raises:
        ConfigError: several processes without GPUs, for which torch has no such layer.
    """
    if world_size() == 1:
        return model
    if choose_device(cfg.MISC.DEVICE).type != "cuda":
        raise ConfigError("MODEL.SYNC_BN: True works on GPUs only and this run has none; set it to False")
    converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    return converted
