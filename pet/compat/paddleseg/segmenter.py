"""A network of the user as a model of the engine: its outputs and a loss for each of them."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from torch import Tensor, nn

from pet.compat.paddleseg.views import WHOLE_IMAGES, Views
from pet.losses.pixels.cross_entropies import CrossEntropyLoss
from pet.losses.pixels.mixed import MixedLoss
from pet.models.segmentation.network import SegmentationNetwork, resize
from pet.segmentation.model import Segmenter
from petlib.errors import ConfigError

UNKNOWN = 0
"""Outputs of a network of the user, before it was called."""

EXAMPLE = 'e.g. losses = {"types": [CrossEntropyLoss()], "coef": [1]}'


class MultiLossSegmenter(Segmenter):
    """A network with a loss of its own for each of its outputs; else as :class:`pet.segmentation.model.Segmenter`.

    Args:
        network: gives a list of logits (B, K, H, W), the main ones first.
        losses: of each output in training.
        coefficients: weight of each.
        num_classes: of the data; K is that number, or 1; None: any.
        views: how the network looks at images in evaluation.
    """

    def __init__(
        self,
        *,
        network: SegmentationNetwork,
        losses: Sequence[MixedLoss],
        coefficients: Sequence[float],
        num_classes: int | None,
        views: Views = WHOLE_IMAGES,
    ) -> None:
        super().__init__(network=network, loss=losses[0], output_weights=coefficients, window=views.window, overlap=views.overlap)
        self.losses = nn.ModuleList(losses)
        self.num_classes = num_classes

    def forward(self, batch: dict[str, Any]) -> Any:
        """Return losses and the accuracy of the batch in training, label images in evaluation; see the base class.

        Raises:
            ConfigError: the network has another number of outputs than there are losses, or of classes than the data.
        """
        if not self.training:
            return super().forward(batch)
        outputs = self.logits(batch)
        check_outputs(len(outputs), len(self.losses))
        self._check_classes(outputs[0])
        # a loss of the user is given what PaddleSeg gives it, and torch's own losses refuse uint8
        return self.learn(outputs, batch["semseg"].long(), [cast("MixedLoss", loss) for loss in self.losses])

    def decode(self, logits: Tensor, batch: dict[str, Any]) -> list[Tensor]:
        """Return the label images; see the base class.

        Raises:
            ConfigError: the network has another number of classes than the data.
        """
        self._check_classes(logits)
        return super().decode(logits, batch)

    def _check_classes(self, logits: Tensor) -> None:
        if self.num_classes is not None and logits.shape[1] not in (1, self.num_classes):
            raise ConfigError(
                f"the network has {logits.shape[1]} classes, but the data set has num_classes={self.num_classes}; give both the same number"
            )


class UserNetwork(SegmentationNetwork):
    """A network of the user, which returns logits or a list of logits of any size, with the manners of Pet's networks.

    Args:
        network: takes images, float (B, C, H, W).
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__(stride=1, num_outputs=UNKNOWN)
        self.network = network

    def forward(self, images: Tensor, images2: Tensor | None = None) -> list[Tensor]:
        """Return logits of the size of the images: all in training, the main ones in evaluation."""
        given = self.network(images)
        outputs = list(given) if isinstance(given, list | tuple) else [given]
        return [resize(logits.float(), images.shape[2:]) for logits in (outputs if self.training else outputs[:1])]


def wrap_network(model: nn.Module) -> SegmentationNetwork:
    """Return a network of Pet as it is, and any other with the manners of Pet's.

    Raises:
        ConfigError: it is no network.
    """
    if not isinstance(model, nn.Module):
        raise ConfigError(f"model: {type(model).__name__} given, a network expected, e.g. SegFormer_B2(num_classes=2)")
    return model if isinstance(model, SegmentationNetwork) else UserNetwork(model)


def build_segmenter(
    model: nn.Module, losses: Mapping[str, Any] | None, *, num_classes: int, views: Views = WHOLE_IMAGES
) -> MultiLossSegmenter:
    """Return a network with its losses, ready to be trained.

    Args:
        model: the network.
        losses: ``types``, a loss for each output of the network in training, and ``coef``, the weight of each.
        num_classes: of the data.
        views: how evaluations look at images; windows only, since the network that learns is the one that is evaluated.

    Raises:
        ConfigError: the losses do not go together with the network.
    """
    network = wrap_network(model)
    types, coefficients = _read_losses(losses)
    if network.num_outputs != UNKNOWN:
        check_outputs(network.num_outputs, len(types))
    mixed = [loss if isinstance(loss, MixedLoss) else MixedLoss([loss], [1.0]) for loss in types]
    return MultiLossSegmenter(network=network, losses=mixed, coefficients=coefficients, num_classes=num_classes, views=views)


def build_evaluated(model: nn.Module, *, num_classes: int | None = None, views: Views = WHOLE_IMAGES) -> MultiLossSegmenter:
    """Return a network, ready to be evaluated."""
    network = cast("SegmentationNetwork", views.of(wrap_network(model)))
    losses = [MixedLoss([CrossEntropyLoss()], [1.0])]
    return MultiLossSegmenter(network=network, losses=losses, coefficients=[1.0], num_classes=num_classes, views=views)


def check_outputs(outputs: int, losses: int) -> None:
    """Compare the outputs of a network in training with its losses.

    Raises:
        ConfigError: there are more or fewer losses.
    """
    if outputs != losses:
        types, coefficients = ", ".join(["CrossEntropyLoss()"] * outputs), [1, *[0.4] * (outputs - 1)]
        raise ConfigError(
            f"losses: {losses} given as types, but the network has {outputs} output{'' if outputs == 1 else 's'} in training; "
            f'give as many types and coefficients, e.g. losses["types"] = [{types}] and losses["coef"] = {coefficients}'
        )


def _read_losses(losses: Mapping[str, Any] | None) -> tuple[list[nn.Module], list[float]]:
    if not isinstance(losses, Mapping) or set(losses) != {"types", "coef"}:
        given = ", ".join(map(str, losses)) if isinstance(losses, Mapping) else type(losses).__name__
        raise ConfigError(f"losses: {given or 'nothing'} given, a dictionary with types and coef expected, {EXAMPLE}")
    types, coefficients = list(losses["types"]), list(losses["coef"])
    if not types or len(types) != len(coefficients):
        raise ConfigError(
            f"losses: {len(types)} types and {len(coefficients)} coef given, one coefficient for each type expected, {EXAMPLE}"
        )
    for loss in types:
        if not isinstance(loss, nn.Module):
            raise ConfigError(f"losses: {loss!r} given among the types, an object like MixedLoss(...) or a module of your own expected")
    return types, [float(value) for value in coefficients]
