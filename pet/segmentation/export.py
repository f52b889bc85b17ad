"""A trained segmenter becomes a file that runs without Pet."""

from dataclasses import replace
from pathlib import Path

from torch import Tensor, nn

from pet.data.loading.build import build_sample_transforms
from pet.data.transforms.normalize import Normalize
from pet.export.description import ModelDescription
from pet.export.export import ExportReport
from pet.export.network import TaskNetwork
from pet.export.task import export_task
from pet.segmentation.data import KINDS
from pet.segmentation.model import Segmenter
from petlib.config import CfgNode, ConfigError

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
    """Return what is exported of a model; see :func:`export`."""
    return TaskNetwork(
        network=MainLogits(model.network),
        output_names=[OUTPUT],
        half=["network"],
        input_names=INPUTS[: cfg.DATA.NUM_IMAGES],
        channels=cfg.MODEL.IN_CHANNELS,
        metadata=replace(describe_model(cfg), normalizes=cfg.EXPORT.NORMALIZE).to_metadata(),
    )


def export(cfg: CfgNode, model: Segmenter, path: Path | None = None) -> ExportReport:
    """Write a trained model as ONNX, or for torch.export (``.pt2``), checked against PyTorch, and return what was written.

    The file has the inputs ``images`` and, for pairs, ``images2``, float32 (B, C, H, W), and the output ``logits``. With
    ``EXPORT.NORMALIZE`` pixels go in as files have them. Its metadata say the classes, the threshold, mean and std.

    Args:
        cfg: the config; ``EXPORT`` says how.
        model: of that config.
        path: the file; None: ``MISC.CKPT/model.onnx``.

    Raises:
        ConfigError: a package is missing, or the file does not give what PyTorch gives.
    """
    return export_task(cfg, build_export_network(cfg, model), KINDS, path or Path(cfg.MISC.CKPT) / "model.onnx")


def find_normalization(cfg: CfgNode) -> Normalize:
    """Return the ``Normalize`` at the end of ``TEST.TRANSFORMS``.

    Raises:
        ConfigError: there is none, or a transform is wrong.
    """
    _, normalize = build_sample_transforms(cfg.TEST.TRANSFORMS, cfg.TEST.RESIZE.SCALES, [])
    if normalize is None:
        raise ConfigError("TEST.TRANSFORMS: no Normalize at the end; a prediction needs to know mean and std: add one")
    return normalize


def describe_model(cfg: CfgNode) -> ModelDescription:
    """Return what the model of a config takes and gives.

    Raises:
        ConfigError: ``TEST.TRANSFORMS`` has no ``Normalize`` at its end, or a transform is wrong.
    """
    normalize = find_normalization(cfg)
    return ModelDescription(
        classes=tuple(cfg.DATA.CLASSES),
        mean=normalize.mean,
        std=normalize.std,
        maximum=normalize.maximum,
        threshold=cfg.MODEL.THRESHOLD,
    )
