"""What is exported of a segmenter."""

from torch import Tensor, nn

from pet.export.config import check_single_view
from pet.export.description import ModelDescription
from pet.export.network import TaskNetwork
from pet.export.task import find_normalize
from pet.segmentation.model import Segmenter
from petlib.config import CfgNode

INPUTS = ("images", "images2")
OUTPUT = "logits"


class MainLogits(nn.Module):
    """The main output of a segmenter's network, as an exported file gives it: logits (B, K, H, W)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, images2: Tensor | None = None) -> Tensor:
        """Return the logits of normalised images."""
        outputs: list[Tensor] = self.network(images) if images2 is None else self.network(images, images2)
        return outputs[0]


def build_export_network(cfg: CfgNode, model: Segmenter) -> TaskNetwork:
    """Return the network that an exported file holds.

    The file has the inputs ``images`` and, for pairs, ``images2``, float32 (B, C, H, W), and the output ``logits`` (B, K, H, W). Its
    metadata say the classes, the threshold, mean and std.

    Raises:
        ConfigError: ``TEST.TRANSFORMS`` is wrong or has no ``Normalize`` at its end, or the model looks at an image several times.
    """
    check_single_view(cfg)
    return TaskNetwork(
        network=MainLogits(model.network),
        output_names=[OUTPUT],
        half=["network"],
        input_names=INPUTS[: cfg.DATA.NUM_IMAGES],
        channels=cfg.MODEL.IN_CHANNELS,
        description=describe_model(cfg),
    )


def describe_model(cfg: CfgNode) -> ModelDescription:
    """Return what the model of a config takes and gives.

    Raises:
        ConfigError: ``TEST.TRANSFORMS`` has no ``Normalize`` at its end, or a transform is wrong.
    """
    normalize = find_normalize(cfg, required=True)
    return ModelDescription(
        classes=tuple(cfg.DATA.CLASSES),
        mean=normalize.mean,
        std=normalize.std,
        maximum=normalize.maximum,
        threshold=cfg.MODEL.THRESHOLD,
    )
