"""A network of faces: a backbone that gives embeddings, and in training the centres of the identities."""

from typing import Any

import torch
from torch import Tensor, nn

from pet.losses.margins import AngularMargin
from pet.models.class_centres import ClassCentres
from pet.models.classifiers import build_classifier, synchronise_batch_norm
from pet.typed import FaceConfig
from petlib import engine
from petlib.config import ConfigError, keys_in_errors
from petlib.engine.hook import Hook
from petlib.engine.state import TrainState


class FaceNetwork(nn.Module):
    """Images to embeddings.

    Args:
        backbone: float images (B, 3, H, W) to embeddings (B, D).
        flip: in evaluation the embedding of the mirrored image is added to that of the image.

    Attributes:
        centres: the loss of a training, which puts it here; None: there is none, and the network can be evaluated alone.
    """

    training_only = ("centres.",)
    """Beginnings of the names of weights that a test does without."""

    def __init__(self, *, backbone: nn.Module, flip: bool) -> None:
        super().__init__()
        self.backbone = backbone
        self.flip = flip
        self.centres: ClassCentres | None = None

    def forward(self, batch: dict[str, Any]) -> Any:
        """Return the outputs of the model contract.

        Args:
            batch: ``image``, float (B, 3, H, W), and in training ``label``, int64 (B,).

        Returns:
            In training ``{"losses": {"loss_face": scalar}, "metrics": {"acc1": scalar, "own_cosine": scalar}}``, in evaluation a list with
            ``{"embedding": (D,) float32}`` for each image. Embeddings are not normalised: their length says how good an image is.
        """
        if not self.training:
            return [{"embedding": row} for row in self.embed(batch["image"]).unbind(0)]
        assert self.centres is not None, "a training puts the centres into the network"
        loss, metrics = self.centres(self.backbone(batch["image"]), batch["label"])
        return {"losses": {"loss_face": loss}, "metrics": metrics}

    def embed(self, images: Tensor) -> Tensor:
        """Return the embeddings, float32 (B, D), of images (B, 3, H, W), with those of the mirrored images where ``flip`` is on."""
        embeddings: Tensor = self.backbone(images).float()
        return embeddings + self.backbone(images.flip(3)).float() if self.flip else embeddings


class MarginHook(Hook):
    """Says to the centres which iteration follows, lets their margin grow, and keeps steps to the centres that were looked at.

    Args:
        warm_up_epochs: how long it grows from 0 to its size; 0: it has its size from the beginning.
    """

    order = 14
    key = "margin"

    def __init__(self, *, warm_up_epochs: int) -> None:
        self._epochs = warm_up_epochs

    def before_step(self, state: TrainState) -> None:
        """Set what the next iteration takes."""
        centres = _centres_of(state)
        centres.begin_iteration(state.iteration)
        length = self._epochs * state.iterations_per_epoch
        centres.margin.strength = min(1.0, state.iteration / length) if length else 1.0

    def after_backward(self, state: TrainState) -> None:
        """Let clipping and the optimizer see the centres that were looked at, in place of all."""
        _centres_of(state).update.begin(state.optimizer)

    def after_step(self, state: TrainState) -> None:
        """Give the optimizer all centres again: a checkpoint has their state."""
        _centres_of(state).update.end()

    def on_exception(self, state: TrainState) -> None:
        """Give the optimizer all centres again where a step failed."""
        _centres_of(state).update.end()


def _centres_of(state: TrainState) -> ClassCentres:
    network = state.network
    assert isinstance(network, FaceNetwork), f"a {type(network).__name__} has no centres"
    assert network.centres is not None, "a training puts the centres into the network"
    return network.centres


def build_network(cfg: FaceConfig) -> FaceNetwork:
    """Return the network of the ``MODEL`` section, with random weights and without centres.

    Raises:
        ConfigError: there is no such network, or it does not take its arguments.
    """
    with keys_in_errors(cfg):
        backbone = build_classifier(cfg.MODEL.BACKBONE, num_classes=cfg.MODEL.EMBEDDING, args=cfg.MODEL.BACKBONE_ARGS)
    backbone = synchronise_batch_norm(backbone, cfg) if cfg.MODEL.SYNC_BN else backbone
    return FaceNetwork(backbone=backbone, flip=cfg.TEST.FLIP)


def build_centres(cfg: FaceConfig, device: torch.device) -> ClassCentres:
    """Return the centres of ``MODEL.NUM_CLASSES`` identities, shared out over the processes.

    Raises:
        ConfigError: there are fewer than two identities.
    """
    if cfg.MODEL.NUM_CLASSES < 2:
        raise ConfigError(f"MODEL.NUM_CLASSES: {cfg.MODEL.NUM_CLASSES} given; set it to the number of identities of the data, at least 2")
    settings = cfg.MODEL.MARGIN
    margin = AngularMargin(
        scale=settings.SCALE,
        factor=settings.FACTOR,
        angle=settings.ANGLE,
        cosine=settings.COSINE,
        straight_through=settings.STRAIGHT_THROUGH,
    )
    return ClassCentres(
        num_classes=cfg.MODEL.NUM_CLASSES,
        length=cfg.MODEL.EMBEDDING,
        margin=margin,
        sample_rate=cfg.MODEL.SAMPLE_RATE,
        seed=cfg.MISC.SEED,
        device=device,
    )


def analyse(model: FaceNetwork, cfg: FaceConfig) -> None:
    """Log parameters, FLOPs and activations of the backbone for one image, without the mirrored one and the centres."""
    height, width = cfg.ANALYSER.SIZE or (cfg.TRAIN.RESIZE.SCALES[0],) * 2
    batch = {"image": torch.zeros(1, 3, height, width)}
    name = f"{cfg.MODEL.BACKBONE}, for an image of {height} x {width}"
    engine.analyse(model, cfg, batch, name=name, forward=_forward_backbone)


def _forward_backbone(model: nn.Module, batch: dict[str, Any]) -> Tensor:
    embeddings: Tensor = model.get_submodule("backbone")(batch["image"])
    return embeddings
