"""The names of models and networks."""

from pet.compat.trainframework.building import make_registry

BUILD_MODEL_REGISTRY = make_registry("model")
"""Subclasses of :class:`~pet.compat.trainframework.model.base_model.BaseModel`, for ``trainer.model.name``."""

BUILD_NETWORK_REGISTRY = make_registry(
    "network",
    {
        "ResidualDenoiser": "pet.compat.trainframework.model.networks:ResidualDenoiser",
        "PatchDiscriminator": "pet.compat.trainframework.model.networks:PatchDiscriminator",
    },
)
"""Modules of torch, for the blocks of networks below ``trainer.model``."""
