"""From images to predictions."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pet.data.loading.build import build_test_loader
from pet.models.pretrained import load_test_weights
from pet.vision.data import expected_data
from pet.vision.model import GeneralizedCNN
from pet.vision.test_time import build_test_model
from petlib.config import CfgNode
from petlib.data.protocols import Batch, Dataset
from petlib.engine.run import prepare_model
from petlib.solver.precision import build_mixed_precision

Result = tuple[dict[str, Any], dict[str, np.ndarray]]
"""``meta`` of a sample, and its predictions as arrays."""


class Predictor:
    """A model and how images are prepared for it.

    Args:
        model: ``model(batch)`` gives a dictionary of predictions for each sample.
        load: gives the batches of a data set, prepared as for a test.
        batch_size: samples of a batch.
        autocast: gives the context of each forward pass, for mixed precision.
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        load: Callable[[Dataset], Iterable[Batch]],
        batch_size: int,
        autocast: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.batch_size = batch_size
        self._model = model.eval()
        self._load = load
        self._autocast = autocast

    def predict(self, dataset: Dataset) -> Iterator[Result]:
        """Yield the predictions of each sample, in their order, in the coordinates of its image."""
        for batch in self._load(dataset):
            with torch.inference_mode(), self._autocast():
                predictions = self._model(batch)
            for meta, prediction in zip(batch["meta"], predictions, strict=True):
                yield meta, {name: _as_array(value) for name, value in prediction.items() if isinstance(value, Tensor | np.ndarray)}


def build_predictor(cfg: CfgNode, device: torch.device) -> Predictor:
    """Return the model of a config with the weights that ``TEST.WEIGHTS`` means.

    Raises:
        CheckpointError: the weights are missing or do not fit.
        ConfigError: the network is unknown.
    """
    network = GeneralizedCNN(cfg)
    load_test_weights(network, cfg)
    prepare_model(network, cfg, device)
    kinds = expected_data(cfg).kinds
    if cfg.MODEL.HAS_CLS:
        cfg = _one_by_one(cfg)
    return Predictor(
        model=build_test_model(network, cfg),
        load=lambda dataset: build_test_loader(cfg, dataset, device, kinds),
        batch_size=cfg.TEST.IMS_PER_GPU,
        autocast=build_mixed_precision(cfg, device).autocast,
    )


def _one_by_one(cfg: CfgNode) -> CfgNode:
    """Return a config for batches of one image: those of a classifier are not padded, and images of one's own have any shape."""
    changed: CfgNode = cfg.clone()
    changed.defrost()
    changed.set("TEST.IMS_PER_GPU", 1)
    changed.freeze()
    return changed


def _as_array(value: Tensor | np.ndarray) -> np.ndarray:
    if isinstance(value, np.ndarray):
        return value
    array: np.ndarray = (value.float() if value.is_floating_point() else value).cpu().numpy()
    return array
