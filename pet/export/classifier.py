"""Classifiers of whole images as files."""

from pathlib import Path

from torch import Tensor, nn

from pet.data.loading.build import build_dataset
from pet.export.export import ExportReport
from pet.export.network import TaskNetwork
from pet.export.task import export_task
from petlib.config import CfgNode


class ClassLogits(nn.Module):
    """A classifier that gives float32.

    Args:
        backbone: normalised images (B, C, H, W) to logits (B, classes).
    """

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (B, classes)."""
        logits: Tensor = self.backbone(images)
        return logits.float()


def export_classifier(cfg: CfgNode, backbone: nn.Module, path: Path) -> ExportReport:
    """Write a classifier with the input ``images`` and the output ``logits`` (B, classes); see :func:`pet.export.task.export_task`."""
    task = TaskNetwork(network=ClassLogits(backbone), output_names=["logits"], half=["backbone"])
    return export_task(cfg, task, lambda: build_dataset(cfg, cfg.TEST.DATASETS), path)
