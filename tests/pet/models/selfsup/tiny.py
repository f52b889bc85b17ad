"""A network without batch norm, the methods on it, and batches of views."""

import torch
from torch import nn

from pet.models.selfsup.method import PretrainingMethod
from pet.models.selfsup.projector import PrototypeHead, build_mlp
from pet.models.selfsup.siamese import BarlowTwins, SimCLR
from pet.models.selfsup.student_teacher import BYOL, DINO, MoCo, MoCoV3

FEATURES, LENGTH = 12, 8
METHODS = ("simclr", "barlow_twins", "moco", "mocov3", "byol", "dino")


def make_method(name: str, *, norm: str = "layer", dropout: float = 0.0) -> PretrainingMethod:
    torch.manual_seed(7)
    backbone = nn.Sequential(nn.Conv2d(3, FEATURES, 3), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout))
    projector: nn.Module = build_mlp(FEATURES, hidden=16, out=LENGTH, layers=2, norm=norm)  # type: ignore[arg-type]
    predictor = build_mlp(LENGTH, hidden=16, out=LENGTH, layers=2, norm=norm)  # type: ignore[arg-type]
    match name:
        case "simclr":
            return SimCLR(backbone=backbone, projector=projector, temperature=0.3)
        case "barlow_twins":
            return BarlowTwins(backbone=backbone, projector=projector, off_diagonal=0.1, scale=0.5)
        case "moco":
            return MoCo(backbone=backbone, projector=projector, temperature=0.3, queue=24, length=LENGTH)
        case "mocov3":
            return MoCoV3(backbone=backbone, projector=projector, predictor=predictor, temperature=0.3)
        case "byol":
            return BYOL(backbone=backbone, projector=projector, predictor=predictor)
    head = PrototypeHead(FEATURES, hidden=16, bottleneck=6, out=10)
    return DINO(backbone=backbone, projector=head, out=10, student_temperature=0.1, teacher_temperature=0.05, centre_momentum=0.9)


def make_views(count: int = 8, *, local: int = 0, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    batch = {name: torch.randn(count, 3, 8, 8, generator=generator) for name in ("image", "image2")}
    return {**batch, "local_views": torch.randn(count, 3, local, 6, 6, generator=generator)} if local else batch
