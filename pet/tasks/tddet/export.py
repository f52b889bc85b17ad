"""What is exported of a detector of points: the whole network, pillars included, up to the suppression of boxes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pet.data.loading.build import build_dataset
from pet.data.loading.joined import EvaluationSamples
from pet.data.targets.names import Names
from pet.exporting.calibration import Calibration, calibrating
from pet.exporting.config import check_export, chosen_names
from pet.exporting.description import ModelDescription
from pet.exporting.export import ExportReport
from pet.exporting.matching import DetectionDifference
from pet.exporting.network import TaskNetwork, export_network
from pet.exporting.samples import read_some
from pet.exporting.script import NetworkFacts, Script
from pet.exporting.task import add_script, read_settings
from pet.exporting.verify import relative_difference
from pet.tasks.tddet.model import PointDetector
from pet.typed import TddetConfig
from petlib.checkpoint.origin import Origin
from petlib.config import ConfigError
from petlib.errors import DataError

KIND = "boxes3d"
OUTPUTS = ["boxes3d", "scores3d", "labels3d"]
RANDOM_POINTS = 5_000


class FrameOutputs(nn.Module):
    """The network of an exported file.

    Args:
        detector: the trained one.
    """

    def __init__(self, detector: PointDetector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return boxes (K, 7), frame ``lidar``, scores and labels (K,) of one frame of points (P, C), the best first."""
        boxes, scores, labels = self.detector.candidates(points)
        return boxes[0], scores[0], labels[0]


class SpatialDifference:
    """The difference between candidates, boxes or views; directions are compared by sine and cosine, which have no edge.

    Where nothing reaches the score, empty places have equal scores, and which of them come is left open: scores alone are compared.

    Args:
        score: from which boxes are compared.

    Attributes:
        pairs: see :class:`pet.exporting.matching.DetectionDifference`.
    """

    def __init__(self, score: float) -> None:
        self.pairs = DetectionDifference(score=score, per_object=len(OUTPUTS))

    def __call__(self, found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> float:
        """Return the greatest difference."""
        if found[1].shape == expected[1].shape and not (expected[1] >= self.pairs.score).any():
            return relative_difference(found[1], expected[1])
        return self.pairs([_without_edge(found[0]), *found[1:]], [_without_edge(expected[0]), *expected[1:]])


def _without_edge(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes[:, :6], np.sin(boxes[:, 6:]), np.cos(boxes[:, 6:])], axis=1)


def check_point_export(cfg: TddetConfig) -> None:
    """Check that no setting of images is given.

    Raises:
        ConfigError: one is.
    """
    check_export(cfg)
    if cfg.EXPORT.SIZE or cfg.EXPORT.BATCH != 1:
        raise ConfigError(
            f"EXPORT.SIZE, EXPORT.BATCH: {list(cfg.EXPORT.SIZE)} and {cfg.EXPORT.BATCH} given, but an exported detector of points takes "
            "one frame with any number of points; leave both out"
        )


def build_export_network(cfg: TddetConfig, model: PointDetector) -> TaskNetwork:
    """Return the network that an exported file holds, see :class:`FrameOutputs`."""
    difference = SpatialDifference(cfg.EXPORT.COMPARE_SCORE)
    return TaskNetwork(
        network=FrameOutputs(model.eval()),
        output_names=OUTPUTS,
        half=["detector.backbone"],
        float_layers=[r"^detector\.encoder\."],
        measure=difference,
        input_names=("points",),
        description=ModelDescription(tuple(cfg.DATA.CLASSES), (0.0,), (1.0,), normalizes=True, outputs=tuple(OUTPUTS)),
        describe_comparison=difference.pairs.describe,
        script=choose_script(cfg),
    )


def choose_script(cfg: TddetConfig) -> Script:
    """Return the program, which also suppresses boxes."""
    selection = {"least": cfg.TEST.SCORE_THRESHOLD, "overlap": cfg.TEST.NMS, "most": cfg.TEST.MAX_BOXES}
    return Script("points", {"channels": cfg.MODEL.POINT_CHANNELS, **selection}, "FILE [FILE ...]")


def export_points(cfg: TddetConfig, task: TaskNetwork, path: Path, names: Names, origin: Origin) -> ExportReport:
    """Write a detector of points as ONNX or ``.pt2``, checked against PyTorch on frames of the test data.

    Raises:
        ConfigError: settings are wrong, the network cannot be exported, or the file does not give what PyTorch gives.
        OutputError: the file cannot be written.
    """
    (name,) = chosen_names(list(cfg.EXPORT.INPUT_NAMES), list(task.input_names), "EXPORT.INPUT_NAMES")
    outputs = chosen_names(list(cfg.EXPORT.OUTPUT_NAMES), list(task.output_names), "EXPORT.OUTPUT_NAMES")
    frames, note = _test_frames(cfg)
    assert task.description is not None, "a detector of points describes itself"
    description = task.description.with_names({kind: names[kind] for kind in (KIND,) if kind in names}).with_origin(origin)
    report = export_network(
        replace(task, output_names=outputs),
        {name: frames[0] if frames else _random_points(cfg)},
        path,
        settings=read_settings(cfg, None, dynamic=True),
        samples=[{name: frame} for frame in frames[1:]],
        metadata=description.to_metadata(),
    )
    facts = NetworkFacts([name], task.output_names, None, padded=False, description=description)
    return replace(report, note=f"{note}; {report.note}", script=add_script(cfg, task, facts, path))


def _test_frames(cfg: TddetConfig) -> tuple[list[Tensor], str]:
    """Return the points of some frames of the test data after ``TEST.TRANSFORMS``, and where they come from."""
    if not cfg.EXPORT.SAMPLES or not cfg.TEST.DATASETS:
        return [], "random points of a fixed seed; EXPORT.SAMPLES and TEST.DATASETS ask for no others"
    try:
        read = read_some(cfg, _frames_of(cfg, cfg.TEST.DATASETS), cfg.EXPORT.SAMPLES)
    except DataError as error:
        return [], f"random points of a fixed seed, because TEST.DATASETS cannot be read: {str(error).partition(chr(10))[0]}"
    return [torch.from_numpy(sample["points"]) for sample in read], f"{len(read)} frames of {', '.join(cfg.TEST.DATASETS)}"


def _frames_of(cfg: TddetConfig, names: Sequence[str]) -> EvaluationSamples:
    return EvaluationSamples(build_dataset(cfg, names, [KIND]), [KIND])


def read_point_calibration(cfg: TddetConfig) -> Calibration:
    """Return what makes inputs of a file from ``EXPORT.CALIBRATION`` frames of ``TRAIN.DATASETS``, after ``TEST.TRANSFORMS``.

    Raises:
        ConfigError: a setting is wrong.
        DataError: the frames cannot be read.
    """
    with calibrating(cfg):
        read = read_some(cfg, _frames_of(cfg, cfg.TRAIN.DATASETS), cfg.EXPORT.CALIBRATION)
    return lambda file: [{next(iter(file.inputs)): sample["points"]} for sample in read]


def _random_points(cfg: TddetConfig) -> Tensor:
    low, high = torch.tensor(cfg.MODEL.RANGE[:3]), torch.tensor(cfg.MODEL.RANGE[3:])
    points = torch.zeros(RANDOM_POINTS, cfg.MODEL.POINT_CHANNELS)
    points[:, :3] = low + (high - low) * torch.rand(RANDOM_POINTS, 3, generator=torch.Generator().manual_seed(0))
    return points
