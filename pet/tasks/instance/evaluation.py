"""What is measured of objects in the boxes of the data, and in those of a detector."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pet.data.loading.joined import EvaluationSamples
from pet.data.objects import DETECTOR, TRUTH
from pet.data.targets.dataset import Dataset, ImageTruth, KeypointSet
from pet.evaluation.correct_keypoints import CorrectKeypointsEvaluator
from pet.evaluation.detection import DetectionEvaluator, check_kind
from pet.evaluation.detection_measures import CocoMeasure
from pet.evaluation.detection_results import Detections
from pet.evaluation.evaluator import Evaluator
from pet.evaluation.object_parts import ObjectPartsEvaluator
from pet.metrics.keypoints import suppress_poses
from pet.tasks.instance.data import crop_detections, crop_objects
from pet.typed import InstanceConfig
from petlib.data.concatenated import ConcatenatedDataset
from petlib.data.protocols import Dataset as Samples

ALL_POSES = 1.0


class BoxesFrom:
    """An evaluator of images that gets the crops of one origin; see :class:`pet.evaluation.evaluator.Evaluator`.

    Args:
        evaluator: takes what was found in an image with one object, several times an image.
        boxes_from: see :class:`pet.data.objects.ObjectCrops`. Figures and files of boxes of a detector are below ``detector/``.
        scores: the field of the predictions that says how good one is.
    """

    def __init__(self, evaluator: Evaluator, *, boxes_from: str, scores: str) -> None:
        self._evaluator = evaluator
        self._boxes_from = boxes_from
        self._scores = scores

    def update(self, batch: dict[str, Any], predictions: list[dict[str, Any]]) -> None:
        """Take the crops of one batch that have this origin."""
        pairs = [pair for pair in zip(batch["meta"], predictions, strict=True) if pair[0]["boxes_from"] == self._boxes_from]
        if pairs:
            metas = [{**meta, "index": meta["image"]} for meta, _ in pairs]
            self._evaluator.update({"meta": metas}, [{**found, "scores": found[self._scores]} for _, found in pairs])

    def compute(self) -> dict[str, float]:
        """Return the metrics of the evaluator."""
        prefix = "" if self._boxes_from == TRUTH else f"{self._boxes_from}/"
        return {f"{prefix}{name}": value for name, value in self._evaluator.compute().items()}

    def write(self, folder: Path) -> None:
        """Write what the evaluator writes."""
        own = folder if self._boxes_from == TRUTH else folder / self._boxes_from
        own.mkdir(parents=True, exist_ok=True)
        self._evaluator.write(own)

    def summary(self) -> str:
        """Return the summary of the evaluator with the origin of the boxes."""
        origin = "boxes of the data" if self._boxes_from == TRUTH else "boxes of the detector"
        return f"{self._evaluator.summary()} | {origin}"


def evaluated_samples(cfg: InstanceConfig, dataset: Dataset) -> Samples:
    """Return the objects of the images, and after them the boxes of ``TEST.BOXES``; of images without annotations these alone.

    Raises:
        DataError: no object has a target, or the file of boxes cannot be used.
    """
    crops = [crop_objects(cfg, dataset)] if dataset.info.annotated or not cfg.TEST.BOXES else []
    crops += [crop_detections(cfg, dataset)] if cfg.TEST.BOXES else []
    return ConcatenatedDataset([EvaluationSamples(own, ()) for own in crops])


def build_evaluators(cfg: InstanceConfig, dataset: Dataset, *, keep_predictions: bool) -> list[Evaluator]:
    """Return what measures each head: keypoints by COCO's AP after suppression and by PCK, masks by AP, parts by mIoU, APp and PCP.

    Args:
        cfg: the config.
        dataset: the images.
        keep_predictions: whether they are to write the predictions.

    Raises:
        DataError: the data have not what a head finds.
    """
    origins = [TRUTH, *([DETECTOR] if cfg.TEST.BOXES else [])]
    found: list[Evaluator] = []
    for origin in origins:
        if cfg.MODEL.HAS_KEYPOINTS:
            evaluator = _build_keypoint_evaluator(cfg, dataset, keep_predictions=keep_predictions)
            found.append(BoxesFrom(evaluator, boxes_from=origin, scores="keypoint_scores"))
            if origin == TRUTH:
                correct = CorrectKeypointsEvaluator(dataset=dataset, shares=list(cfg.EVAL.PCK))
                found.append(BoxesFrom(correct, boxes_from=origin, scores="keypoint_scores"))
        if cfg.MODEL.HAS_MASK:
            check_kind(dataset, "masks", "MODEL.HAS_MASK")
            masks = DetectionEvaluator(
                dataset=dataset, kind="segm", measures=[CocoMeasure("segm", dataset.info.classes)], keep_predictions=keep_predictions
            )
            found.append(BoxesFrom(masks, boxes_from=origin, scores="mask_scores"))
        if cfg.MODEL.HAS_PARSING:
            check_kind(dataset, "parsing", "MODEL.HAS_PARSING")
            parts = ObjectPartsEvaluator(
                dataset=dataset,
                num_parts=cfg.MODEL.PARSING.NUM_PARTS,
                threshold=cfg.TEST.PARSING_THRESHOLD,
                keep_predictions=keep_predictions,
            )
            found.append(BoxesFrom(parts, boxes_from=origin, scores="parsing_scores"))
    return found


def _build_keypoint_evaluator(cfg: InstanceConfig, dataset: Dataset, *, keep_predictions: bool) -> DetectionEvaluator:
    check_kind(dataset, "keypoints", "MODEL.HAS_KEYPOINTS")
    keypoints = dataset.info.keypoint_set
    measures = [] if keypoints is None else [CocoMeasure("keypoints", dataset.info.classes, keypoints.sigmas)]
    refine = None
    if keypoints is not None and cfg.TEST.OKS_NMS < ALL_POSES:
        refine = partial(suppress_similar, keypoints, cfg.TEST.OKS_NMS)
    return DetectionEvaluator(dataset=dataset, kind="keypoints", measures=measures, keep_predictions=keep_predictions, refine=refine)


def suppress_similar(keypoints: KeypointSet, threshold: float, truths: Sequence[ImageTruth], found: Detections) -> Detections:  # noqa: ARG001 -- what DetectionEvaluator.refine gets
    """Return the poses of each image that stay when the weaker of two similar ones is dropped, in the order of the images."""
    if found.keypoints is None or not len(found.images):
        return found
    areas = np.prod(found.boxes[:, 2:] - found.boxes[:, :2], axis=1)
    starts = [0, *(np.flatnonzero(np.diff(found.images)) + 1).tolist(), len(found.images)]
    kept = [
        start
        + suppress_poses(
            found.keypoints[start:end, :, :2],
            areas[start:end],
            found.scores[start:end],
            np.array(keypoints.sigmas),
            threshold=threshold,
        )
        for start, end in zip(starts[:-1], starts[1:], strict=True)
    ]
    return found.select(np.concatenate(kept))
