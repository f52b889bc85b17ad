"""A pretrained classifier whose body can be frozen."""

import re
from collections.abc import Iterator
from typing import Any

from torch import nn

from pet.models.backbone import build_classifier_backbone
from pet.models.classification import ClassificationHead, build_classification_head
from petlib.config import CfgNode


class FineTunedClassifier(nn.Module):
    """A classifier, divided into its last layer, which begins with random weights, and its body, which was trained before.

    Args:
        backbone: images (B, C, H, W) to logits (B, num_classes).
        head: losses and predictions from logits.
        body_frozen: whether the body keeps its weights and its batch-norm statistics, see :attr:`body_frozen`.

    Attributes:
        body_frozen: while it is True, ``train()`` leaves the body in evaluation mode.
    """

    def __init__(self, *, backbone: nn.Module, head: ClassificationHead, body_frozen: bool = False) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.body_frozen = body_frozen
        self._classifier_names = classifier_names(backbone)

    def forward(self, batch: dict[str, Any]) -> Any:
        """Return losses and metrics in training, else a list of predictions; ``batch["image"]``: float (B, C, H, W)."""
        return self.head(self.backbone(batch["image"]), batch)

    def train(self, mode: bool = True) -> "FineTunedClassifier":
        """Switch training mode on or off, but for a body that is frozen."""
        super().train(mode)
        if self.body_frozen:
            self.backbone.eval()
            for name in self._classifier_names:
                self.backbone.get_submodule(name).train(mode)
        return self

    def body_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the parameters of the network without those of its last layer."""
        classifier = {id(parameter) for name in self._classifier_names for parameter in self.backbone.get_submodule(name).parameters()}
        yield from (parameter for parameter in self.backbone.parameters() if id(parameter) not in classifier)

    def classifier_parameter_pattern(self) -> str:
        """Return a regular expression for the names of the parameters of the last layer."""
        names = "|".join(re.escape(name) for name in self._classifier_names)
        return rf"^backbone\.({names})\."


def classifier_names(network: nn.Module) -> list[str]:
    """Return the names of the modules that give the logits: those that timm states, else the last module with parameters."""
    stated = getattr(network, "pretrained_cfg", {}).get("classifier")
    names = [stated] if isinstance(stated, str) else list(stated or ())
    modules = dict(network.named_modules())
    if names and all(name in modules for name in names):
        return names
    return [name for name, module in modules.items() if any(True for _ in module.parameters(recurse=False))][-1:]


def build_model(cfg: CfgNode) -> FineTunedClassifier:
    """Return the network of the config; ``FINETUNE.FREEZE_EPOCHS`` -1 freezes its body for good.

    Raises:
        ConfigError: the network is unknown or does not take its arguments.
    """
    rates = {"drop_rate": cfg.FINETUNE.DROP_RATE, "drop_path_rate": cfg.FINETUNE.DROP_PATH_RATE}
    backbone = build_classifier_backbone(cfg, {name: rate for name, rate in rates.items() if rate > 0})
    frozen = cfg.FINETUNE.FREEZE_EPOCHS == -1
    model = FineTunedClassifier(backbone=backbone, head=build_classification_head(cfg), body_frozen=frozen)
    if frozen:
        for parameter in model.body_parameters():
            parameter.requires_grad_(False)
    return model
