from .base_model import BaseModel as BaseModel
from .build import BUILD_MODEL_REGISTRY as BUILD_MODEL_REGISTRY
from .build import BUILD_NETWORK_REGISTRY as BUILD_NETWORK_REGISTRY
from .build import build_network as build_network
