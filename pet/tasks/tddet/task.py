"""Detection in space as a task."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from pet import data, evaluation, exporting, prediction
from pet.evaluation.boxes3d import SpatialEvaluator
from pet.structures.calibration import Calibration
from pet.task import NO_NAMES, Task
from pet.tasks.tddet.camera import CameraDetector, build_camera_detector
from pet.tasks.tddet.camera_export import build_camera_export
from pet.tasks.tddet.camera_prediction import build_camera_predictor, place_exported
from pet.tasks.tddet.config import CAMERA
from pet.tasks.tddet.export import build_export_network, check_point_export, export_points, read_point_calibration
from pet.tasks.tddet.model import PointDetector, build_model
from pet.tasks.tddet.prediction import ExportedPoints, build_onnx_points, build_predictor
from pet.typed import TddetConfig
from petlib import engine
from petlib.checkpoint.origin import UNRECORDED, Origin
from petlib.config import ConfigError

POINTS_OF_ANALYSIS = 20_000
SIZE_OF_ANALYSIS = (384, 1280)
"""Height and width of the images of KITTI, padded to whole cells of the coarsest map."""


class SpatialDetection(Task[TddetConfig]):
    """Boxes in space, from the points of a LiDAR or from one image of a camera."""

    def build_model(self, cfg: TddetConfig) -> PointDetector | CameraDetector:
        """Return the network of the ``MODEL`` section, with random weights."""
        return build_camera_detector(cfg) if cfg.MODEL.HEAD == CAMERA else build_model(cfg)

    def analyse(self, model: PointDetector | CameraDetector, cfg: TddetConfig) -> None:
        """Log parameters, FLOPs and activations for one image, or for one frame of points spread evenly over ``MODEL.RANGE``."""
        if cfg.MODEL.HEAD == CAMERA:
            height, width = cfg.ANALYSER.SIZE or SIZE_OF_ANALYSIS
            batch = {"image": torch.zeros(1, 3, height, width), "meta": [{"calibration": Calibration.of_lidar_alone()}]}
            engine.analyse(model, cfg, batch, name=f"{cfg.MODEL.BACKBONE}, for an image of {height} x {width}")
            return
        low, high = torch.tensor(cfg.MODEL.RANGE[:3]), torch.tensor(cfg.MODEL.RANGE[3:])
        points = torch.zeros(POINTS_OF_ANALYSIS, cfg.MODEL.POINT_CHANNELS)
        points[:, :3] = low + (high - low) * torch.rand(POINTS_OF_ANALYSIS, 3, generator=torch.Generator().manual_seed(0))
        name = f"{cfg.MODEL.HEAD} head on pillars, for a frame of {POINTS_OF_ANALYSIS:,} points"
        engine.analyse(model, cfg, {"points": [points]}, name=name)

    def expected_data(self, cfg: TddetConfig) -> "data.Expectation":
        """Return that points, or images, with boxes in space are wanted."""
        if cfg.MODEL.HEAD == CAMERA:
            return data.Expectation(
                kinds=("boxes3d",), counts={"boxes3d": cfg.MODEL.NUM_CLASSES}, settings={"boxes3d": "MODEL.NUM_CLASSES"}
            )
        return data.Expectation(
            kinds=("boxes3d",),
            counts={"boxes3d": cfg.MODEL.NUM_CLASSES},
            inputs=("points",),
            channels=cfg.MODEL.POINT_CHANNELS,
            settings={"boxes3d": "MODEL.NUM_CLASSES"},
            extent=tuple(cfg.MODEL.RANGE),
        )

    def build_evaluators(self, cfg: TddetConfig, dataset: "data.Dataset", *, keep_predictions: bool) -> "Sequence[evaluation.Evaluator]":
        """Return the evaluator of KITTI's metric."""
        return [SpatialEvaluator(dataset=dataset, min_score=cfg.VIS.SCORE_THRESHOLD, keep_predictions=keep_predictions)]

    def build_predictor(self, cfg: TddetConfig, device: torch.device, *, window: int = 0) -> "prediction.FilePredictor":
        """Return the model, or an exported file, ready to predict images or files of points.

        Raises:
            ConfigError: a window is given.
        """
        if cfg.MODEL.HEAD == CAMERA:
            return build_camera_predictor(cfg, device, window=window)
        if window:
            raise ConfigError(f"build_predictor.window: {window} given, but this model looks at whole frames; leave it out")
        return build_predictor(cfg, device, lambda: build_model(cfg))

    def build_exported_model(self, cfg: TddetConfig, file: "exporting.ExportedFile") -> nn.Module:
        """Return what finishes the boxes of a file."""
        if cfg.MODEL.HEAD == CAMERA:
            sight = build_camera_detector(cfg).place
            return prediction.ExportedModel(file, place=lambda outputs, meta, _: place_exported(sight, outputs, meta))
        return ExportedPoints(build_onnx_points(cfg, file))

    def read_calibration(self, cfg: TddetConfig) -> "exporting.Calibration":
        """Return the images, or the frames of points, that a file is calibrated on."""
        if cfg.MODEL.HEAD == CAMERA:
            return exporting.read_calibration(cfg, self.expected_data(cfg).kinds)
        return read_point_calibration(cfg)

    def check_export(self, cfg: TddetConfig) -> None:
        """Check that no setting of images is given where the model looks at points."""
        if cfg.MODEL.HEAD == CAMERA:
            super().check_export(cfg)
        else:
            check_point_export(cfg)

    def build_export_network(self, cfg: TddetConfig, model: nn.Module) -> "exporting.TaskNetwork":
        """Return the network that an exported file holds."""
        if isinstance(model, CameraDetector):
            return build_camera_export(cfg, model)
        assert isinstance(model, PointDetector), f"a {type(model).__name__} is no model of this task"
        return build_export_network(cfg, model)

    def export(
        self,
        cfg: TddetConfig,
        model: nn.Module,
        path: Path,
        *,
        names: Mapping[str, Sequence[str]] = NO_NAMES,
        origin: Origin = UNRECORDED,
    ) -> "exporting.ExportReport":
        """Write a trained model as ONNX or ``.pt2``, checked against PyTorch on images or frames of the test data."""
        if cfg.MODEL.HEAD == CAMERA:
            return super().export(cfg, model, path, names=names, origin=origin)
        return export_points(cfg, self.build_export_network(cfg, model), path, names, origin)


TASK = SpatialDetection()
