from .build import BUILD_LOSS_REGISTRY as BUILD_LOSS_REGISTRY
from .pipe import LossKeyCompose as LossKeyCompose

__all__ = ["BUILD_LOSS_REGISTRY", "LossKeyCompose"]
