"""Whether the published weights of a backbone can be had: from the cache, or over the network."""

import os
import urllib.request

HOST = "https://huggingface.co"
TIMEOUT = 3.0
"""Seconds to wait for an answer."""
PREFIX = "timm/"
FILES = ("model.safetensors", "pytorch_model.bin")
ENDPOINT, OFFLINE = "HF_ENDPOINT", "HF_HUB_OFFLINE"


def choose_weights(backbone: str) -> tuple[str, str]:
    """Return what ``TRAIN.WEIGHTS`` says of a backbone, ``timm`` or nothing, and the reason, for people.

    The weights of ImageNet are taken where they lie in the cache or the network can be reached; only of timm's networks.
    """
    name = backbone.removeprefix(PREFIX)
    if name == backbone:
        return "", "random weights; TRAIN.WEIGHTS names a file with others"
    import timm  # slow to import, and only needed for its weights

    published = timm.get_pretrained_cfg(name)
    if published is None or not published.hf_hub_id:
        return "", "random weights: timm publishes none"
    if _is_cached(published.hf_hub_id):
        return "timm", "ImageNet weights of timm, from the cache"
    if os.environ.get(OFFLINE, "0") not in ("", "0"):
        return "", f"random weights: {OFFLINE} is set, and those of timm are not in the cache; TRAIN.WEIGHTS takes a file too"
    request = urllib.request.Request(f"{os.environ.get(ENDPOINT, HOST)}/{published.hf_hub_id}", method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=TIMEOUT).close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return "", f"random weights: those of timm cannot be had ({reason}); TRAIN.WEIGHTS takes a file too"
    return "timm", "ImageNet weights of timm, over the network"


def _is_cached(repository: str) -> bool:
    from huggingface_hub import try_to_load_from_cache  # slow to import, and only needed for weights

    return any(isinstance(try_to_load_from_cache(repository, file), str) for file in FILES)
