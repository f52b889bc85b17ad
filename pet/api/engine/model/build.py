"""The names of models and networks."""

from pet.api.engine.building import HINT
from petlib.registry import Registry

BUILD_MODEL_REGISTRY = Registry("model", hint=HINT, tells_late=True)
"""Subclasses of :class:`~pet.api.engine.model.base_model.BaseModel`, for ``trainer.model.name``."""

BUILD_NETWORK_REGISTRY = Registry(
    "network",
    {
        "ResidualDenoiser": "pet.api.engine.model.networks:ResidualDenoiser",
        "PatchDiscriminator": "pet.api.engine.model.networks:PatchDiscriminator",
    },
    hint=HINT,
    tells_late=True,
)
"""Modules of torch, for the blocks of networks below ``trainer.model``."""
