"""The general CNN: a backbone and the heads that the config switches on."""

from typing import Any

from torch import nn

from pet.models.backbone import build_classifier_backbone
from pet.vision.heads.protocol import head_module
from pet.vision.heads.table import head_switches
from petlib.config import CfgNode


class GeneralizedCNN(nn.Module):
    """A network whose parts the ``MODEL`` section of a config names: backbone, then one head for each ``HAS_*`` that is on.

    Attributes:
        backbone: images to features; for ``HAS_CLS`` a whole classifier, images to logits, so that the weights of timm
            and torchvision fit key for key below ``backbone.``.
        heads: by the name of their switch without ``HAS_``, in lower case: ``cls``.

    Raises:
        ConfigError: the network is unknown or does not take its arguments.
    """

    def __init__(self, cfg: CfgNode) -> None:
        super().__init__()
        self.backbone = build_classifier_backbone(cfg)
        self.heads = nn.ModuleDict(
            {switch.removeprefix("HAS_").lower(): head_module(switch).build_head(cfg) for switch in head_switches(cfg)}
        )

    def forward(self, batch: dict[str, Any]) -> Any:
        """Return the outputs of all heads, joined.

        Args:
            batch: ``image``, float (B, C, H, W), and what the heads need.

        Returns:
            In training ``{"losses": {name: scalar}, "metrics": {name: scalar}}``, in evaluation a list with one
            dictionary of predictions for each sample. All tensors are on the device of the images.
        """
        features = self.backbone(batch["image"])
        outputs = [head(features, batch) for head in self.heads.values()]
        if self.training:
            return {part: {name: value for output in outputs for name, value in output[part].items()} for part in ("losses", "metrics")}
        if len(outputs) == 1:
            return outputs[0]
        return [{name: value for part in parts for name, value in part.items()} for parts in zip(*outputs, strict=True)]
