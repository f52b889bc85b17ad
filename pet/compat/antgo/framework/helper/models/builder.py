"""Where networks and their parts are found by the ``type`` of a config.

As in antgo all parts of networks share their names, so ``MODELS.build`` finds backbones, necks, heads and losses too.
"""

from pet.compat.antgo.registry import ComponentRegistry

MODELS = ComponentRegistry(
    "network",
    {
        "SmallBackbone": "pet.compat.antgo.small_network:SmallBackbone",
        "DDRKetNetF": "pet.compat.antgo.dual_resolution:DDRKetNetF",
        "SimpleHead": "pet.compat.antgo.small_network:SimpleHead",
    },
)
BACKBONES = MODELS
NECKS = MODELS
HEADS = MODELS
LOSSES = MODELS

__all__ = ["BACKBONES", "HEADS", "LOSSES", "MODELS", "NECKS"]
