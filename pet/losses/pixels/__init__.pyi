from .base import PixelLoss as PixelLoss
from .binary import BCELoss as BCELoss
from .build import PIXEL_LOSSES as PIXEL_LOSSES
from .build import build_pixel_loss as build_pixel_loss
from .cross_entropy import CrossEntropyLoss as CrossEntropyLoss
from .focal import FocalLoss as FocalLoss
from .lovasz import LovaszHingeLoss as LovaszHingeLoss
from .lovasz import LovaszSoftmaxLoss as LovaszSoftmaxLoss
from .mixed import MixedLoss as MixedLoss
from .ohem import OhemCrossEntropyLoss as OhemCrossEntropyLoss
from .overlap import DiceLoss as DiceLoss
from .overlap import SoftIoULoss as SoftIoULoss

__all__ = [
    "PIXEL_LOSSES",
    "BCELoss",
    "CrossEntropyLoss",
    "DiceLoss",
    "FocalLoss",
    "LovaszHingeLoss",
    "LovaszSoftmaxLoss",
    "MixedLoss",
    "OhemCrossEntropyLoss",
    "PixelLoss",
    "SoftIoULoss",
    "build_pixel_loss",
]
