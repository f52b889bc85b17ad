"""``paddle.nn``: what modules are derived from. Layers and losses are those of ``torch.nn``."""

from torch import nn

from pet.compat.paddleseg.paddle.nn import functional as functional
from pet.compat.paddleseg.paddle.nn import initializer as initializer
from pet.compat.shared.absent import refuse_absent

Layer = nn.Module

LOSS = "pet.compat.paddleseg.models.losses has the losses of segmentation, torch.nn those of torch, whose classes are the dimension 1"
ABSENT = {
    "CrossEntropyLoss": LOSS,
    "BCELoss": LOSS,
    "BCEWithLogitsLoss": LOSS,
    "NLLLoss": LOSS,
    "SyncBatchNorm": "torch.nn.SyncBatchNorm; its momentum is 1 minus Paddle's, and epsilon is called eps",
    "BatchNorm": "torch.nn.BatchNorm2d; its momentum is 1 minus Paddle's, and epsilon is called eps",
    "BatchNorm2D": "torch.nn.BatchNorm2d; its momentum is 1 minus Paddle's, and epsilon is called eps",
    **{f"{name}2D": f"torch.nn.{name}2d" for name in ("Conv", "MaxPool", "AvgPool", "AdaptiveAvgPool", "Dropout")},
    "Conv2DTranspose": "torch.nn.ConvTranspose2d",
    "LayerList": "torch.nn.ModuleList",
    **{name: f"torch.nn.{name}" for name in ("Sequential", "Linear", "ReLU", "GELU", "Sigmoid", "Softmax", "Identity", "LayerNorm")},
}
__getattr__ = refuse_absent(__name__, ABSENT)
