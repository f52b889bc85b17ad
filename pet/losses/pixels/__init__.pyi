from .base import PixelLoss as PixelLoss
from .cross_entropies import BCELoss as BCELoss
from .cross_entropies import CrossEntropyLoss as CrossEntropyLoss
from .cross_entropies import FocalLoss as FocalLoss
from .cross_entropies import OhemCrossEntropyLoss as OhemCrossEntropyLoss
from .lovasz import LovaszHingeLoss as LovaszHingeLoss
from .lovasz import LovaszSoftmaxLoss as LovaszSoftmaxLoss
from .mixed import PIXEL_LOSSES as PIXEL_LOSSES
from .mixed import MixedLoss as MixedLoss
from .mixed import build_pixel_loss as build_pixel_loss
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
