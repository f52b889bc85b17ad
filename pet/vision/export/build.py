"""What is exported of a model of the general CNN."""

from dataclasses import replace
from typing import cast

from pet.export.config import check_single_view
from pet.export.matching import DetectionDifference
from pet.export.network import TaskNetwork, classifier_network
from pet.models.fpn import Neck
from pet.models.registries import DETECTORS
from pet.vision.export.network import PlainNetwork, TracedNetwork
from pet.vision.heads.table import HEADS, head_switches
from pet.vision.model import GeneralizedCNN
from petlib.config import CfgNode, ConfigError

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


def build_export_network(cfg: CfgNode, model: GeneralizedCNN) -> TaskNetwork:
    """Return the network that an exported file holds.

    The input is ``images``, float32 (B, 3, H, W). Classifiers give ``logits`` (B, classes). Detectors give ``boxes``, ``scores`` and
    ``labels`` of one image, in its coordinates and after suppression, with ``masks`` (N, M, M) and ``keypoints`` (N, K, 3) where the model
    has such heads. Semantic segmentation gives ``logits`` (B, classes, H, W).

    Raises:
        ConfigError: a head or setting cannot be exported.
    """
    check_exportable(cfg)
    if cfg.MODEL.HAS_CLS:
        return classifier_network(model.eval().backbone)
    plain, traced = PlainNetwork(model.eval()), TracedNetwork(model.eval())
    names = plain.output_names
    task = TaskNetwork(
        network=traced,
        reference=plain,
        output_names=names,
        half=[f"model.{name}" for name in HALF_PARTS if _has(traced.model, name)],
    )
    if not cfg.MODEL.HAS_BOX:
        return task
    measure = DetectionDifference(
        score=cfg.EXPORT.COMPARE_SCORE,
        per_object=len(names) - ("logits" in names),
        keypoints={name: place for place, name in enumerate(names)}.get("keypoints"),
    )
    return replace(task, free_batch=False, smallest=_smallest(model), measure=measure, describe_comparison=measure.describe)


def check_exportable(cfg: CfgNode) -> None:
    """Check whether the heads that are on can be exported.

    Raises:
        ConfigError: a head or setting cannot be.
    """
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
    check_single_view(cfg)


def _has(model: GeneralizedCNN, name: str) -> bool:
    parts = dict(model.named_modules(remove_duplicate=False))
    return name in parts


def _smallest(model: GeneralizedCNN) -> int:
    """Return the edge of an image whose coarsest map has two pixels: a length of 1 is traced as one that is always 1."""
    assert model.neck is not None, "detectors have a neck"
    return 2 * max(cast("Neck", model.neck).strides)
