"""Data sets as users of the layer write them."""

import random
from typing import Any, List  # noqa: UP035 -- as users write it

import numpy as np
import torch

import pet.compat.trainframework.transforms.functional as F
from pet.compat.trainframework.data.build import BUILD_DATASET_REGISTRY
from pet.compat.trainframework.data.dataset import EngineDataSet


@BUILD_DATASET_REGISTRY.register()
class NumberedImages(EngineDataSet):
    """Images of 4 x 6 pixels whose values are their number; its constructor is that of the document."""

    def __init__(self, count: int, transformer: List) -> None:  # type: ignore[type-arg]  # noqa: UP006 -- as users write it
        super().__init__(transformer)
        self.dataset = [(number, number % 3) for number in range(count)]

    def __getitem__(self, index: int) -> dict[str, Any]:
        number, target_data = self.dataset[index]
        results: dict[str, Any] = {}
        results["img"] = np.full((4, 6, 3), number, np.uint8)
        results["img_shape"] = results["img"].shape[:2]
        results["ori_shape"] = results["img_shape"]
        results["img_fields"] = ["img"]
        results["color_fields"] = ["img"]
        results = self.data_pipeline(results)
        return {"input_data": F.to_tensor(results["img"]), "target_data": target_data}

    def __len__(self) -> int:
        return len(self.dataset)


class Draws(EngineDataSet):
    """Samples that are drawn from all global generators."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.dataset = range(count)

    def __getitem__(self, index: int) -> dict[str, Any]:
        drawn = np.array([random.random(), np.random.rand(), torch.rand(()).item()])
        return {"drawn": drawn, "number": self.dataset[index]}
