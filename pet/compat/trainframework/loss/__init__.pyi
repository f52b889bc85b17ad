from .build import BUILD_LOSS_REGISTRY as BUILD_LOSS_REGISTRY
from .build import LOSS_ARCH_REGISTRY as LOSS_ARCH_REGISTRY
from .pipe import LossCompose as LossCompose
from .pipe import LossKeyCompose as LossKeyCompose
