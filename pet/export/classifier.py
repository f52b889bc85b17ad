"""Classifiers of whole images as files."""

from torch import Tensor, nn

from pet.export.network import TaskNetwork


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


def classifier_network(backbone: nn.Module) -> TaskNetwork:
    """Return what is exported of a classifier: the input ``images`` and the output ``logits`` (B, classes)."""
    return TaskNetwork(network=ClassLogits(backbone), output_names=["logits"], half=["backbone"])
