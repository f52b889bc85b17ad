"""Depth of parameters in a network, for learning rates that grow from layer to layer."""

import re
from collections.abc import Sequence

# A block in a list of blocks: "blocks.3" or "layers.encoder_layer_3", but not "conv1"
_NUMBERED = re.compile(r"(?:.*_)?\d+")


def layer_depths(names: Sequence[str]) -> dict[str, int]:
    """Return the layer of each parameter, read from the names in the order of the network.

    A layer is a block of a list of blocks, i.e. everything below the first number in a name. What stands before the
    first block (the patch embedding, the stem) is layer 0, what stands behind the last one (the head) the greatest
    layer; what stands between two blocks belongs to the first of them. So for ViT-B/16 the embeddings are 0, the blocks
    1 to 12, norm and head 13, as in https://arxiv.org/abs/2106.08254.
    """
    blocks: dict[str, int] = {}
    for name in names:
        block = _block(name)
        if block:
            blocks.setdefault(block, len(blocks) + 1)
    last_block = max((position for position, name in enumerate(names) if _block(name)), default=-1)
    depths: dict[str, int] = {}
    depth = 0
    for position, name in enumerate(names):
        depth = len(blocks) + 1 if position > last_block else blocks.get(_block(name), depth)
        depths[name] = depth
    return depths


def _block(name: str) -> str:
    parts = name.split(".")
    for position, part in enumerate(parts):
        if _NUMBERED.fullmatch(part):
            return ".".join(parts[: position + 1])
    return ""
