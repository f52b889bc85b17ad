"""A small project of a user, as the tests of the layer train it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pet.compat.trainframework.configuration import TrainFrameworkConfig
from pet.compat.trainframework.data.build import BUILD_DATASET_REGISTRY
from pet.compat.trainframework.data.dataset import EngineDataSet
from pet.compat.trainframework.model.base_model import BaseModel
from pet.compat.trainframework.model.build import BUILD_MODEL_REGISTRY, BUILD_NETWORK_REGISTRY
from petlib.config.nested import read_nested


@BUILD_DATASET_REGISTRY.register()
class TinyPairs(EngineDataSet):
    """Pairs of random vectors and their doubles; they are drawn from the global generator, as users do."""

    def __init__(self, count: int = 12, transformer: Sequence[Any] | None = None) -> None:
        super().__init__(transformer)
        self.dataset = range(count)

    def __getitem__(self, index: int) -> dict[str, Any]:
        vector = np.random.rand(2).astype(np.float32)
        return {"input_data": vector, "target_data": 2 * vector}


@BUILD_NETWORK_REGISTRY.register()
class TinyNet(nn.Module):
    """A linear layer, with dropout and batch norm where they are wanted."""

    def __init__(self, outputs: int = 2, dropout: float = 0.0, norm: bool = False) -> None:
        super().__init__()
        self.linear = nn.Linear(2, outputs)
        self.norm = nn.BatchNorm1d(outputs) if norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: Tensor) -> Tensor:
        return self.dropout(self.norm(self.linear(values)))  # type: ignore[no-any-return]


@BUILD_MODEL_REGISTRY.register()
class TinyModel(BaseModel):
    """Mean squared error; ``trainer.model.returns`` makes it return something wrong."""

    def __init__(self, cfg: TrainFrameworkConfig) -> None:
        super().__init__(cfg)
        self.returns = cfg.TRAINER.MODEL.get("returns", "dict")
        self.epochs: list[int | None] = []

    def run_step(self, data: dict[str, Any], *, epoch: int | None = None, **kwargs: Any) -> Any:
        self.epochs.append(epoch)
        error = self.g_model(data["input_data"]) - data["target_data"]
        loss = error.square().mean()
        wrong = {"none": None, "vector": error.square(), "number": 3.0, "empty": {}, "detached": loss.detach(), "nan": loss * torch.nan}
        return {"mse": loss} if self.returns == "dict" else loss if self.returns == "tensor" else wrong[self.returns]

    def generator(self, data: Any) -> Any:
        return self.g_model(data)


@BUILD_MODEL_REGISTRY.register()
class TinyMeasuredModel(TinyModel):
    def evaluate_step(self, data: dict[str, Any]) -> Mapping[str, float | Tensor]:
        return {"first": data["target_data"][:, 0].mean(), "one": 1.0}


@BUILD_MODEL_REGISTRY.register()
class TinyGan(TinyModel):
    """A generator and a discriminator; nothing is detached, the layer has to keep them apart."""

    def run_step(self, data: dict[str, Any], *, epoch: int | None = None, **kwargs: Any) -> Any:
        fake = self.g_model(data["input_data"])
        judged = self.d_model(fake)
        return {
            "generator": {"adversarial": -judged.mean(), "mse": (fake - data["target_data"]).square().mean()},
            "discriminator": judged.mean() - self.d_model(data["target_data"]).mean(),
        }


GAN: dict[str, Any] = {
    "trainer.model.name": "TinyGan",
    "trainer.model.discriminator": {"name": "TinyNet", "outputs": 1},
    "solver.discriminator": {"optimizer": {"type": "Adam", "params": {"lr": 0.01}}},
}


def make_config(folder: Path, changes: Mapping[str, Any] | None = None, *, resume: bool = False) -> TrainFrameworkConfig:
    """Return the config of a training with one network, changed; what it writes comes into ``folder``."""
    words = [f"{key}={value!r}" for key, value in {"output_dir": str(folder), **(changes or {})}.items()]
    return TrainFrameworkConfig(read_nested(Path(__file__).with_name("tiny.yaml"), words, ignore_case=True), resume=resume)
