"""Whether the published weights of a network can be had: from this machine, or over the network."""

from typing import NamedTuple

from pet.models.zoo.sources import PublishedWeights, timm_weights
from petlib.errors import CheckpointError

PREFIX = "timm/"


class ChosenWeights(NamedTuple):
    """What a training begins with.

    Attributes:
        value: of ``TRAIN.WEIGHTS``; empty: random weights.
        why: the reason, for people.
        published: the weights; None: random ones.
    """

    value: str
    why: str
    published: PublishedWeights | None = None


def choose_weights(backbone: str) -> ChosenWeights:
    """Return those that timm publishes for a backbone, where they can be had; other libraries' are not looked for."""
    name = backbone.removeprefix(PREFIX)
    if name == backbone:
        return ChosenWeights("", "random weights; TRAIN.WEIGHTS names a file with others")
    try:
        published = timm_weights(name)
    except CheckpointError:
        return ChosenWeights("", "random weights: timm publishes none")
    return choose_published("timm", published, of="weights of timm")


def choose_published(value: str, published: PublishedWeights, *, of: str) -> ChosenWeights:
    """Return published weights where they lie on this machine or can be had over the network, else random ones.

    Args:
        value: of ``TRAIN.WEIGHTS``, which means them.
        published: the weights.
        of: what they are, for people.
    """
    if published.find() is not None:
        return ChosenWeights(value, f"{of} ({published.licence}), on this machine", published)
    reason = published.reach()
    if reason:
        return ChosenWeights("", f"random weights: {of} cannot be had ({reason}); pet-models download says what to put where")
    return ChosenWeights(value, f"{of} ({published.licence}), over the network", published)
