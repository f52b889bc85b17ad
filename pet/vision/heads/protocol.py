"""What the module of a head provides."""

import importlib
from collections.abc import Sequence
from typing import Protocol, cast

from torch import nn

from pet.evaluation.evaluator import Evaluator
from pet.vision.heads.table import HEADS
from petlib.config import CfgNode


class HeadModule(Protocol):
    """The functions of a head's module."""

    def build_head(self, cfg: CfgNode) -> nn.Module:
        """Return the head.

        It is called as ``head(features, batch)`` with what the backbone gave, and returns its part of the outputs: in
        training ``{"losses": {name: scalar}, "metrics": {name: scalar}}``, else a list with one dictionary for each sample.
        """

    def build_evaluator(self, cfg: CfgNode, classes: Sequence[str], *, keep_predictions: bool) -> Evaluator:
        """Return what turns the predictions of the head into metrics.

        Args:
            cfg: the config.
            classes: names of the classes of the data set.
            keep_predictions: whether ``Evaluator.write`` will be called.
        """


def head_module(switch: str) -> HeadModule:
    """Return the module behind a switch of the table."""
    return cast("HeadModule", importlib.import_module(HEADS[switch].module))
