"""A trained model of the general CNN becomes a file that runs without Pet."""

import argparse
import logging
from dataclasses import replace
from pathlib import Path
from typing import cast

from pet.data.loading.build import build_vision_dataset
from pet.data.loading.joined import TruthApart
from pet.export.classifier import export_classifier
from pet.export.export import ExportReport
from pet.export.matching import DetectionDifference
from pet.export.network import TaskNetwork
from pet.export.task import choose_weights, export_task, print_report
from pet.models.fpn import Neck
from pet.models.pretrained import load_test_weights
from pet.models.registries import DETECTORS
from pet.vision.data import expected_data
from pet.vision.export.network import PlainNetwork, TracedNetwork
from pet.vision.heads.table import HEADS, head_switches
from pet.vision.model import GeneralizedCNN
from petlib.config import CfgNode, ConfigError
from petlib.data.protocols import Dataset

HALF_PARTS = (
    "backbone",
    "neck",
    "heads.box.head",
    "heads.box.rpn.head",
    "heads.box.roi_heads.box_head",
    "heads.mask.head",
    "heads.keypoints.head",
    "heads.semseg.decoder",
)
"""Modules below the model that compute in float16: all convolutions, and none of the arithmetic of boxes, whose coordinates need more."""

logger = logging.getLogger(__name__)


def run_export(cfg: CfgNode, options: argparse.Namespace) -> int:
    """Export the model of the config with its trained weights, which have to fit in every name and shape, and say what was written.

    Raises:
        CheckpointError: there are no weights, or they belong to another network.
        ConfigError: the network cannot be exported, or the file does not give what PyTorch gives.
    """
    choose_weights(cfg, options.weights)
    _check_heads(cfg)
    model = GeneralizedCNN(cfg)
    load_test_weights(model, cfg)
    print_report(export(cfg, model, options.out or Path(cfg.MISC.CKPT) / "model.onnx"))
    return 0


def export(cfg: CfgNode, model: GeneralizedCNN, path: Path) -> ExportReport:
    """Write a trained model as ONNX or ``.pt2``, checked against PyTorch.

    The input is ``images``, float32 (B, 3, H, W). Classifiers give ``logits`` (B, classes). Detectors give ``boxes``, ``scores`` and
    ``labels`` of one image, in its coordinates and after suppression, with ``masks`` (N, M, M) and ``keypoints`` (N, K, 3) where the model
    has such heads. Semantic segmentation gives ``logits`` (B, classes, H, W).

    Raises:
        ConfigError: a head or setting cannot be exported, or the file does not give what PyTorch gives.
    """
    _check_heads(cfg)
    if cfg.MODEL.HAS_CLS:
        return export_classifier(cfg, model.eval().backbone, path)
    plain, traced = PlainNetwork(model.eval()), TracedNetwork(model.eval())
    names = plain.output_names
    task = TaskNetwork(
        network=traced,
        reference=plain,
        output_names=names,
        half=[f"model.{name}" for name in HALF_PARTS if _has(traced.model, name)],
        free_batch=not cfg.MODEL.HAS_BOX,
        smallest=_smallest(model) if cfg.MODEL.HAS_BOX else 1,
    )
    if not cfg.MODEL.HAS_BOX:
        return export_task(cfg, task, lambda: _build_test_data(cfg), path)
    measure = DetectionDifference(
        score=cfg.EXPORT.COMPARE_SCORE,
        per_object=len(names) - ("logits" in names),
        keypoints=names.index("keypoints") if "keypoints" in names else None,
    )
    report = export_task(cfg, replace(task, measure=measure), lambda: _build_test_data(cfg), path)
    if not measure.compared:
        logger.warning("%s: none of the inputs has a detection, so that only empty lists were compared", path)
    return replace(report, note=f"{report.note}; {measure.compared // 2} pairs of detections")


def _check_heads(cfg: CfgNode) -> None:
    for switch in head_switches(cfg):
        if not HEADS.get(switch).output:
            raise ConfigError(f"MODEL.{switch}: True cannot be exported; set it to False, and the rest of the model is")
    if cfg.MODEL.HAS_BOX and not DETECTORS.get(cfg.MODEL.BOX.DETECTOR).trace:
        exportable = " or ".join(name for name in DETECTORS if DETECTORS.get(name).trace)
        raise ConfigError(f"MODEL.BOX.DETECTOR: {cfg.MODEL.BOX.DETECTOR} cannot be exported; {exportable} can")
    if cfg.MODEL.HAS_BOX and cfg.TEST.SOFT_NMS.METHOD != "never":
        raise ConfigError(
            f"TEST.SOFT_NMS.METHOD: {cfg.TEST.SOFT_NMS.METHOD} cannot be exported: it is a loop over detections, each of which depends on "
            "those before; set it to never"
        )
    if cfg.TEST.VIEWS.FLIP or list(cfg.TEST.VIEWS.SCALES) not in ([], [1.0]):
        raise ConfigError("TEST.VIEWS: an exported network looks at an image once; leave SCALES empty and FLIP False")


def _has(model: GeneralizedCNN, name: str) -> bool:
    parts = dict(model.named_modules(remove_duplicate=False))
    return name in parts


def _smallest(model: GeneralizedCNN) -> int:
    """Return the edge of an image whose coarsest map has two pixels: a length of 1 is traced as one that is always 1."""
    assert model.neck is not None, "detectors have a neck"
    return 2 * max(cast("Neck", model.neck).strides)


def _build_test_data(cfg: CfgNode) -> Dataset:
    kinds = expected_data(cfg).kinds
    return TruthApart(build_vision_dataset(cfg, cfg.TEST.DATASETS, kinds), kinds)
