"""Detection in space as a task."""

from collections.abc import Sequence

import torch

from pet import data, evaluation, prediction
from pet.evaluation.boxes3d import SpatialEvaluator
from pet.task import Task
from pet.tasks.tddet.model import PointDetector, build_model
from pet.typed import AnyConfig
from petlib import engine
from petlib.config import ConfigError

POINTS_OF_ANALYSIS = 20_000


class SpatialDetection(Task[AnyConfig]):
    """Boxes in space, from the points of a LiDAR."""

    def build_model(self, cfg: AnyConfig) -> PointDetector:
        """Return the network of the ``MODEL`` section, with random weights."""
        return build_model(cfg)

    def analyse(self, model: PointDetector, cfg: AnyConfig) -> None:
        """Log parameters, FLOPs and activations for one frame of points spread evenly over ``MODEL.RANGE``."""
        low, high = torch.tensor(cfg.MODEL.RANGE[:3]), torch.tensor(cfg.MODEL.RANGE[3:])
        points = torch.zeros(POINTS_OF_ANALYSIS, cfg.MODEL.POINT_CHANNELS)
        points[:, :3] = low + (high - low) * torch.rand(POINTS_OF_ANALYSIS, 3, generator=torch.Generator().manual_seed(0))
        name = f"{cfg.MODEL.HEAD} head on pillars, for a frame of {POINTS_OF_ANALYSIS:,} points"
        engine.analyse(model, cfg, {"points": [points]}, name=name)

    def expected_data(self, cfg: AnyConfig) -> "data.Expectation":
        """Return that points with boxes in space are wanted."""
        return data.Expectation(
            kinds=("boxes3d",),
            counts={"boxes3d": cfg.MODEL.NUM_CLASSES},
            inputs=("points",),
            channels=cfg.MODEL.POINT_CHANNELS,
            settings={"boxes3d": "MODEL.NUM_CLASSES"},
            extent=tuple(cfg.MODEL.RANGE),
        )

    def build_evaluators(self, cfg: AnyConfig, dataset: "data.Dataset", *, keep_predictions: bool) -> "Sequence[evaluation.Evaluator]":
        """Return the evaluator of KITTI's metric."""
        return [SpatialEvaluator(dataset=dataset, min_score=cfg.VIS.SCORE_THRESHOLD, keep_predictions=keep_predictions)]

    def build_predictor(self, cfg: AnyConfig, device: torch.device, *, window: int = 0) -> "prediction.FilePredictor":
        """Refuse to predict images.

        Raises:
            ConfigError: always.
        """
        raise ConfigError("this model looks at points, not at images or videos; tools/test_net.py writes what it finds as KITTI's files")


TASK = SpatialDetection()
