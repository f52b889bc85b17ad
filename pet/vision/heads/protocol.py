"""What the module of a head provides."""

import importlib
from typing import Protocol, cast

from torch import nn

from pet.data.targets.kinds import VisionDataset
from pet.evaluation.evaluator import Evaluator
from pet.models.features import FeatureInfo
from pet.vision.heads.table import HEADS
from petlib.config import CfgNode


class HeadModule(Protocol):
    """The functions of a head's module."""

    def build_head(self, cfg: CfgNode, info: FeatureInfo) -> nn.Module:
        """Return the head.

        It is called as ``head(features, batch, regions)`` with :class:`pet.models.features.Features`, the batch, and what the box
        head found (None where there is none), and returns a :class:`pet.models.features.HeadOutput`.
        """

    def build_evaluator(self, cfg: CfgNode, dataset: VisionDataset, *, keep_predictions: bool) -> Evaluator:
        """Return what turns the predictions of the head into metrics.

        Args:
            cfg: the config.
            dataset: the test data; a sample's ``meta["index"]`` is its place there.
            keep_predictions: whether ``Evaluator.write`` will be called.
        """


def head_module(switch: str) -> HeadModule:
    """Return the module behind a switch of the table."""
    return cast("HeadModule", importlib.import_module(HEADS[switch].module))
