"""Classification networks without their last layer: images become vectors."""

from collections.abc import Mapping
from typing import Any, cast

from torch import nn

from pet.models.classifiers import build_classifier, construct, find_classifier, last_layer_names
from petlib.errors import ConfigError


def build_embedding_network(name: str, args: Mapping[str, Any] | None = None) -> tuple[nn.Module, int]:
    """Return a network with random weights that turns float images (B, 3, H, W) into pooled features (B, D), and D.

    Its weights have the names of the classifier (of timm, torchvision or Pet), whose last layer alone is missing.

    Args:
        name: as ``MODEL.BACKBONE``, see :func:`pet.models.classifiers.build_classifier`.
        args: further arguments of the network by its own names.

    Raises:
        ConfigError: there is no such network, it does not take its arguments, or does not end with a linear layer.
    """
    library, own_name = find_classifier(name)
    if library == "timm":
        import timm  # slow to import, and Pet's own networks do without

        fixed = {"model_name": own_name, "pretrained": False, "num_classes": 0}
        network = construct(name, timm.create_model, fixed, dict(args or {}))
        return network, int(cast("Any", getattr(network, "head_hidden_size", None) or network.num_features))
    network = build_classifier(name, num_classes=2, args=args)
    place = last_layer_names(network)[0]
    last = network.get_submodule(place)
    if not isinstance(last, nn.Linear):
        raise ConfigError(f"create_feature_extractor.name: {name} ends with a {type(last).__name__}, not with a linear layer; take another")
    parent, _, child = place.rpartition(".")
    setattr(network.get_submodule(parent), child, nn.Identity())
    return network, last.in_features
