"""The names of models and networks."""

from pet.compat.trainframework.building import HINT
from petlib.registry import Registry

BUILD_MODEL_REGISTRY = Registry("model", hint=HINT, tells_late=True)
"""Subclasses of :class:`~pet.compat.trainframework.model.base_model.BaseModel`, for ``trainer.model.name``."""

BUILD_NETWORK_REGISTRY = Registry(
    "network",
    {
        "ResidualDenoiser": "pet.compat.trainframework.model.networks:ResidualDenoiser",
        "PatchDiscriminator": "pet.compat.trainframework.model.networks:PatchDiscriminator",
    },
    hint=HINT,
    tells_late=True,
)
"""Modules of torch, for the blocks of networks below ``trainer.model``."""
