from . import base_model as base_model
from . import build as build
from .base_model import BaseModel as BaseModel
from .build import BUILD_MODEL_REGISTRY as BUILD_MODEL_REGISTRY
from .build import BUILD_NETWORK_REGISTRY as BUILD_NETWORK_REGISTRY
from .loading import load_model as load_model
from .networks import PatchDiscriminator as PatchDiscriminator
from .networks import ResidualDenoiser as ResidualDenoiser

__all__ = [
    "BUILD_MODEL_REGISTRY",
    "BUILD_NETWORK_REGISTRY",
    "BaseModel",
    "PatchDiscriminator",
    "ResidualDenoiser",
    "base_model",
    "build",
    "load_model",
]
