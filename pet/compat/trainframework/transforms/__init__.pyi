from . import functional as functional
from .build import BUILD_TRANSFORMS_REGISTRY as BUILD_TRANSFORMS_REGISTRY
from .build import Pipeline as Pipeline
from .build import build_transforms as build_transforms
from .colour import Normalize as Normalize
from .colour import RandomColorJitter as RandomColorJitter
from .geometry import CenterCrop as CenterCrop
from .geometry import Pad as Pad
from .geometry import RandomCrop as RandomCrop
from .geometry import RandomFlip as RandomFlip
from .geometry import Resize as Resize

__all__ = [
    "BUILD_TRANSFORMS_REGISTRY",
    "CenterCrop",
    "Normalize",
    "Pad",
    "Pipeline",
    "RandomColorJitter",
    "RandomCrop",
    "RandomFlip",
    "Resize",
    "build_transforms",
    "functional",
]
