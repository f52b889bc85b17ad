"""A network of the PaddleSeg layer becomes an ONNX file."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from pet.compat.paddleseg.segmenter import wrap_network
from pet.compat.paddleseg.transforms import Normalize
from pet.compat.shared.class_names import check_same_classes, remembered_classes
from pet.data.targets.pixel_types import EIGHT_BITS
from pet.exporting.description import ModelDescription
from pet.exporting.export import ExportReport
from pet.exporting.network import ExportSettings, TaskNetwork, export_network
from pet.segmentation.model import OUTPUT, MainLogits
from petlib.errors import ConfigError

logger = logging.getLogger(__name__)

TOLERANCE = 1e-3


def export(
    model: nn.Module,
    path: str | Path,
    *,
    shape: Sequence[int] = (3, 512, 512),
    normalize: Normalize | None = None,
    classes: Sequence[str] = (),
    dynamic: bool = False,
    tolerance: float = TOLERANCE,
) -> ExportReport:
    """Write a trained network as ONNX, checked against PyTorch; ``tools/inference.py`` reads the file.

    The input ``images`` is float32 (B, C, H, W), RGB from 0 to 255, which the graph normalises itself; the output ``logits`` is float32
    (B, K, H, W).

    Args:
        model: the network.
        path: the file; its folder is made.
        shape: (C, height, width) of the images.
        normalize: of the training; None: ``Normalize()``.
        classes: names of the classes, the background first, for predictions; empty: those that the network is known to have learned,
            or none, and they go by their numbers.
        dynamic: the file takes batches and images of any size.
        tolerance: greatest difference of logits between PyTorch and the file.

    Raises:
        DataError: ``classes`` are not those that the network is known to have learned.
        ConfigError: a package is missing, an argument is wrong, or the file does not give what PyTorch gives.
    """
    if len(shape) != 3 or min(shape) < 1:
        raise ConfigError(f"export: shape: {list(shape)} given, (channels, height, width) expected, e.g. (3, 512, 512)")
    learned = remembered_classes(model)
    check_same_classes("export: classes", list(classes), learned)
    chosen = (normalize or Normalize()).normalize
    description = ModelDescription(
        classes=tuple(classes or learned), mean=chosen.mean, std=chosen.std, maximum=chosen.maximum, normalizes=True
    )
    example = torch.rand(1, *shape, generator=torch.Generator().manual_seed(0)).mul(EIGHT_BITS).round()
    report = export_network(
        TaskNetwork(network=MainLogits(wrap_network(model)), output_names=[OUTPUT], half=()),
        {"images": example},
        Path(path),
        settings=ExportSettings(dynamic=dynamic, tolerance=tolerance, normalize=chosen),
        metadata=description.to_metadata(),
    )
    logger.info("%s", report.summary())
    return report
