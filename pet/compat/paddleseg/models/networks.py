"""Networks of Pet by PaddleSeg's names, and the weights that they begin with."""

import logging
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from pet.compat.paddleseg.paddle.files import LoadedWeights, read_classes
from pet.compat.shared.class_names import remember_classes
from pet.models.pretrained import load_published
from pet.models.segmentation import bisenetv2
from pet.models.segmentation.encoder_decoder import EncoderDecoder
from pet.models.segmentation.network import SegmentationNetwork
from pet.models.segmentation.networks import build_network
from pet.models.segmentation.segformer import SegFormer
from petlib.checkpoint.weights import load_state, load_weights
from petlib.errors import CheckpointError, name_in_errors
from petlib.log import LOGS


class PaddleNames(nn.Module):
    """The calls by which networks of Paddle take weights."""

    def set_state_dict(self, state_dict: Mapping[str, Tensor]) -> tuple[list[str], list[str]]:
        """Take the tensors that fit, e.g. of ``paddle.load("model.pdparams")``, log what does not, and return the names of both kinds.

        Returns:
            The names that the network has and ``state_dict`` has not, and the other way round.

        Raises:
            CheckpointError: nothing fits.
        """
        report = load_state(self, state_dict, "set_state_dict")
        if report.complete:
            remember_classes(self, state_dict.classes if isinstance(state_dict, LoadedWeights) else [])
        logger.log(logging.INFO if report.complete else logging.WARNING, "%s", report.summary())
        return report.missing, report.unexpected

    set_dict = set_state_dict


class PaddleSegFormer(PaddleNames, SegFormer):
    """SegFormer with Paddle's calls."""


class PaddleEncoderDecoder(PaddleNames, EncoderDecoder):
    """A U-Net with Paddle's calls."""


class PaddleBiSeNetV2(PaddleNames, bisenetv2.BiSeNetV2):
    """BiSeNetV2 with Paddle's calls."""


WITH_PADDLE_NAMES = {SegFormer: PaddleSegFormer, EncoderDecoder: PaddleEncoderDecoder, bisenetv2.BiSeNetV2: PaddleBiSeNetV2}


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
    # as torch's fully_shard gives a module further methods
    network.__class__ = WITH_PADDLE_NAMES[type(network)]
    load_pretrained(network, pretrained, encoder_name=network.encoder_name)
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

logger = logging.getLogger(__name__)


def load_pretrained(network: nn.Module, pretrained: str | Path | None, *, encoder_name: str = "") -> None:
    """Load a file of weights into a network; nothing where there is none to load.

    ``<save_dir>/best_model/model.pdparams`` may be missing as long as no training has left weights in ``save_dir``: a script that
    reads what it writes itself runs for the first time. One warning says that the weights stay random.

    Args:
        network: the network.
        pretrained: a state dict of torch, e.g. the best model of a training, or a checkpoint of Pet; ``"timm"``: the weights that timm
            publishes for the backbone; None: the weights stay random.
        encoder_name: timm's name of the backbone; empty: timm has none of it.

    Raises:
        CheckpointError: the file is missing, damaged, Paddle's, or of another network, or timm's weights cannot be had.
    """
    if not pretrained:
        return
    if str(pretrained) == "timm" or "://" in str(pretrained):
        _load_published(network, str(pretrained), encoder_name)
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
    report = load_weights(network, path)
    if report.complete:
        remember_classes(network, read_classes(path, report.names))
    logger.log(logging.INFO if report.complete else logging.WARNING, "%s", report.summary())


def load_trained(network: nn.Module, path: str | Path) -> None:
    """Load weights of exactly this network.

    Raises:
        CheckpointError: the file is missing, damaged, Paddle's, or of another network.
    """
    report = load_weights(network, path)
    report.require_complete()
    remember_classes(network, read_classes(Path(path), report.names))


def _load_published(network: nn.Module, source: str, encoder_name: str) -> None:
    has_timm = encoder_name.startswith("timm/")
    if source == "timm" and has_timm:
        with name_in_errors({"classifier.library": "pretrained"}):
            logger.info("%s", load_published(network, encoder_name, library="timm").summary())
        return
    own = f"pretrained='timm' takes those that timm publishes for {encoder_name}" if has_timm else "timm has none of this network"
    reason = own if source == "timm" else f"weights of Paddle cannot be read; {own}"
    raise CheckpointError(f"pretrained: {source}: {reason}; give a file of torch, or leave it out")


def _is_untrained(folder: Path) -> bool:
    """Return whether a folder is missing, or a run in it has saved nothing: it ended early, or another process of it has just begun."""
    if not folder.exists():
        return True
    has_run = (folder / RECORD).exists() or (folder / LOGS).is_dir()
    return has_run and not any(folder.glob(CHECKPOINTS)) and not (folder / BEST_MODEL[0]).exists()
