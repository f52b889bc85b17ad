"""Networks of Pet by PaddleSeg's names, and the weights that they begin with."""

import logging
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from pet.models.segmentation.network import SegmentationNetwork
from pet.models.segmentation.networks import build_network
from petlib.checkpoint.weights import load_weights
from petlib.errors import CheckpointError
from petlib.log import LOGS


def make_network(name: str, *, num_classes: int, in_channels: int, pretrained: str | Path | None) -> SegmentationNetwork:
    """Return a network of :data:`pet.models.segmentation.networks.NETWORKS`.

    Args:
        name: its name in that registry.
        num_classes: number of classes with the background.
        in_channels: channels of the images.
        pretrained: see :func:`pet.compat.paddleseg.models.networks.load_pretrained`.

    Raises:
        CheckpointError: the weights cannot be used.
    """
    network = build_network(name, channels=num_classes, in_channels=in_channels, where="model")
    load_pretrained(network, pretrained)
    return network


def UNet(  # noqa: N802 -- PaddleSeg's name
    num_classes: int, in_channels: int = 3, pretrained: str | Path | None = None
) -> SegmentationNetwork:
    """Return a U-Net on ResNet-18; see :func:`make_network`."""
    return make_network("unet", num_classes=num_classes, in_channels=in_channels, pretrained=pretrained)


def BiSeNetV2(  # noqa: N802 -- PaddleSeg's name
    num_classes: int, in_channels: int = 3, pretrained: str | Path | None = None
) -> SegmentationNetwork:
    """Return BiSeNetV2, which has several outputs in training and needs a loss for each; see :func:`make_network`."""
    return make_network("bisenetv2", num_classes=num_classes, in_channels=in_channels, pretrained=pretrained)


BEST_MODEL = ("best_model", "model.pdparams")
CHECKPOINTS = "model_*"
RECORD = "config.yaml"
SEGMENTER = "network."

logger = logging.getLogger(__name__)


def load_pretrained(network: nn.Module, pretrained: str | Path | None) -> None:
    """Load a file of weights into a network; nothing where there is none to load.

    ``<save_dir>/best_model/model.pdparams`` may be missing as long as no training has left weights in ``save_dir``: a script that
    reads what it writes itself runs for the first time. One warning says that the weights stay random.

    Args:
        network: the network.
        pretrained: a state dict of torch, e.g. the best model of a training, or a checkpoint of Pet; None: the weights stay random.

    Raises:
        CheckpointError: the file is missing, damaged, a pickle of Paddle, or of another network.
    """
    if not pretrained:
        return
    path = Path(pretrained)
    if not path.exists():
        if path.parts[-2:] == BEST_MODEL and _is_untrained(path.parent.parent):
            logger.warning("%s: no training has written it yet; the network begins with random weights", path)
            return
        raise CheckpointError(
            f"pretrained: {path}: there is no such file; give the weights of a training, save_dir/best_model/model.pdparams, "
            "or leave it out"
        )
    report = load_weights(network, path, translate=_without_segmenter)
    logger.log(logging.INFO if report.complete else logging.WARNING, "%s", report.summary())


def _is_untrained(folder: Path) -> bool:
    """Return whether a folder is missing, or a run in it has saved nothing: it ended early, or another process of it has just begun."""
    if not folder.exists():
        return True
    has_run = (folder / RECORD).exists() or (folder / LOGS).is_dir()
    return has_run and not any(folder.glob(CHECKPOINTS)) and not (folder / BEST_MODEL[0]).exists()


def _without_segmenter(state: dict[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the names of a network for those in a checkpoint of a run, where it is below ``network.``."""
    while state and all(name.startswith(SEGMENTER) for name in state) and not any(name.startswith(SEGMENTER) for name in own):
        state = {name.removeprefix(SEGMENTER): value for name, value in state.items()}
    return state
