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
    found, why = choose_repository(published.hf_hub_id, of="ImageNet", owner="timm")
    return ("timm" if found else ""), why


def choose_repository(repository: str, *, of: str, owner: str = "") -> tuple[bool, str]:
    """Return whether weights lie in the cache or can be had over the network, and what is said of them, for people.

    Args:
        repository: on Hugging Face.
        of: the data that they were trained on.
        owner: whose they are, for people; empty: the repository's.
    """
    owner = owner or repository
    if _is_cached(repository):
        return True, f"{of} weights of {owner}, from the cache"
    if os.environ.get(OFFLINE, "0") not in ("", "0"):
        return False, f"random weights: {OFFLINE} is set, and those of {owner} are not in the cache; TRAIN.WEIGHTS takes a file too"
    request = urllib.request.Request(f"{os.environ.get(ENDPOINT, HOST)}/{repository}", method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=TIMEOUT).close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return False, f"random weights: those of {owner} cannot be had ({reason}); TRAIN.WEIGHTS takes a file too"
    return True, f"{of} weights of {owner}, over the network"


def _is_cached(repository: str) -> bool:
    from huggingface_hub import try_to_load_from_cache  # slow to import, and only needed for weights

    return any(isinstance(try_to_load_from_cache(repository, file), str) for file in FILES)
