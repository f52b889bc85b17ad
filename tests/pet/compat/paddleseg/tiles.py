"""Tiles with buildings, and a network that learns in no time."""

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

import pet.compat.paddleseg.transforms as T
from pet.compat.paddleseg.core import train
from pet.compat.paddleseg.datasets import Dataset
from pet.compat.paddleseg.models.losses import CrossEntropyLoss

EDGE = 40
RESIZED = (32, 32)


class Tiny(nn.Module):
    """Two convolutions with dropout between them, whose random numbers a resumed run has to repeat; ``outputs`` maps of logits."""

    def __init__(self, outputs: int = 1) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.1))
        self.heads = nn.ModuleList(nn.Conv2d(8, 2, 1) for _ in range(outputs))

    def forward(self, images: Tensor) -> list[Tensor]:
        features = self.features(images)
        return [head(features) for head in self.heads]


def write_tiles(root: Path, count: int = 8, *, edge: int = EDGE, label_value: int = 1, channels: int = 1) -> Path:
    """Write tiles with bright squares, ``img/N.jpg`` and ``gt/N.png``; ``val.txt`` lists the last two, ``train.txt`` the others."""
    rng = np.random.default_rng(0)
    for name in ("img", "gt"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        image = rng.integers(40, 90, (edge, edge, 3)).astype(np.uint8)
        label = np.zeros((edge, edge), np.uint8)
        for _ in range(2):
            top, left = rng.integers(0, edge // 2, 2)
            place = slice(top, top + edge // 3), slice(left, left + edge // 3)
            image[place], label[place] = (200, 210, 220), label_value
        cv2.imwrite(str(root / "img" / f"{number}.jpg"), image)
        cv2.imwrite(str(root / "gt" / f"{number}.png"), label if channels == 1 else np.repeat(label[:, :, None], channels, axis=2))
    lines = [f"img/{number}.jpg gt/{number}.png\n" for number in range(count)]
    (root / "train.txt").write_text("".join(lines[:-2]))
    (root / "val.txt").write_text("".join(lines[-2:]))
    return root


def open_tiles(root: Path, transforms: list | None = None, *, split: str = "train", **options: object) -> Dataset:
    default = [T.RandomHorizontalFlip(), T.Resize(target_size=RESIZED), T.Normalize()]
    return Dataset(default if transforms is None else transforms, root, 2, train_path=root / f"{split}.txt", **options)


def train_tiny(
    root: Path, save_dir: Path, *, transforms: list | None = None, outputs: int = 1, rate: float = 0.05, **options: object
) -> nn.Module:
    """Train ``Tiny`` for four iterations from fixed weights, and return it."""
    torch.manual_seed(0)
    model = Tiny(outputs)
    settings = {
        "optimizer": torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9),
        "iters": 4,
        "batch_size": 2,
        "save_interval": 2,
        "log_iters": 1,
        "losses": {"types": [CrossEntropyLoss()], "coef": [1]},
        **options,
    }
    train(
        model,
        open_tiles(root, transforms),
        open_tiles(root, [T.Resize(RESIZED), T.Normalize()], split="val"),
        save_dir=save_dir,
        **settings,
    )
    return model
