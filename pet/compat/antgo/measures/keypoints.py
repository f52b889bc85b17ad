"""Average precision of keypoints by their object keypoint similarity."""

from collections.abc import Sequence

import numpy as np

from pet.compat.antgo.measures.evaluator import Values, array_of
from pet.data.datasets.coco_keypoints import COCO_SIGMAS, DEFAULT_SIGMA
from pet.metrics.coco import Record, coco_precision
from petlib.errors import ConfigError, DataError

SCALES = {"joints": (), "bboxes": ("bboxes",), "area": ("area",)}
"""Where the scale of an object comes from -> the further fields of the truth."""


class OKSKeypointAP:
    """Average precision and recall of 2D keypoints as COCO defines them (https://cocodataset.org/#keypoints-eval).

    A sample has one object, joints (K, 2 or 3), or several, (N, K, 2 or 3). The third column of the truth is the visibility, 0 for a joint
    that does not count; without it all count. That of a prediction is the score of each joint, their mean that of the object; without it
    all scores are 1.

    Args:
        joint_num: number of joints, K.
        sigmas: K spreads of the joints, as fractions of the scale of the object; None: COCO's for 17 joints, else 0.05.
        scale: what gives the area of an object: ``joints``, the box around its joints that count; ``bboxes``, its box; ``area``, a field
            that the data set gives, with which figures on COCO are those of pycocotools.

    Raises:
        ConfigError: a number is out of range, or ``scale`` is unknown.
    """

    def __init__(self, joint_num: int, sigmas: Sequence[float] | None = None, scale: str = "joints") -> None:
        if not isinstance(joint_num, int) or joint_num < 1:
            raise ConfigError(f"OKSKeypointAP: joint_num: {joint_num!r} given, a number of joints of at least 1 expected")
        if scale not in SCALES:
            raise ConfigError(f"OKSKeypointAP: scale: {scale!r} given, one of {', '.join(SCALES)} expected")
        default = COCO_SIGMAS if joint_num == len(COCO_SIGMAS) else (DEFAULT_SIGMA,) * joint_num
        self.sigmas = tuple(default if sigmas is None else sigmas)
        if len(self.sigmas) != joint_num or not all(sigma > 0 for sigma in self.sigmas):
            raise ConfigError(f"OKSKeypointAP: sigmas: {sigmas!r} given, {joint_num} numbers above 0 expected")
        self.joint_num = joint_num
        self.scale = scale

    def keys(self) -> dict[str, list[str]]:
        """Return what is compared: ``pred_joints2d`` and ``joints2d``, and ``bboxes`` or ``area`` where they give the scale."""
        return {"pred": ["pred_joints2d"], "gt": ["joints2d", *SCALES[self.scale]]}

    def __call__(self, preds: Sequence[Values], gts: Sequence[Values]) -> dict[str, float]:
        """Return ``AP, AP50, AP75, APm, APl, AR, AR50, AR75, ARm, ARl``, from 0 to 1.

        Raises:
            DataError: arrays have other shapes than they should.
        """
        truth: list[Record] = []
        found: list[Record] = []
        for number, (pred, gt) in enumerate(zip(preds, gts, strict=True)):
            found += self._detections(number, pred)
            truth += self._objects(number, gt)
        document = {
            "images": [{"id": number} for number in range(len(gts))],
            "categories": [{"id": 1, "name": "object"}],
            # numbers of annotations count from 1: the matching takes 0 for none
            "annotations": [{**record, "id": place, "iscrowd": 0} for place, record in enumerate(truth, start=1)],
        }
        return coco_precision(document, found, "keypoints", sigmas=self.sigmas).figures

    def _detections(self, number: int, pred: Values) -> list[Record]:
        joints, scores = self._joints(pred, "pred_joints2d", f"OKSKeypointAP: prediction {number}")
        points = np.concatenate([joints, scores[..., None]], axis=-1).reshape(len(joints), 3 * self.joint_num)
        return [
            {"image_id": number, "category_id": 1, "score": score, "keypoints": own}
            for score, own in zip(scores.mean(axis=1).tolist(), points.tolist(), strict=True)
        ]

    def _objects(self, number: int, gt: Values) -> list[Record]:
        where = f"OKSKeypointAP: sample {number}"
        joints, visible = self._joints(gt, "joints2d", where)
        boxes = self._boxes(gt, joints, visible, where)
        areas = boxes[:, 2] * boxes[:, 3]
        if self.scale == "area":
            areas = array_of(gt, "area", where).astype(np.float64).reshape(-1)
            if len(areas) != len(joints):
                raise DataError(f"{where}: area has {len(areas)} elements for {len(joints)} objects; one for each expected")
        points = np.concatenate([joints, visible[..., None]], axis=-1).reshape(len(joints), 3 * self.joint_num)
        columns = (points.tolist(), (visible > 0).sum(axis=1).tolist(), boxes.tolist(), areas.tolist())
        return [
            {"image_id": number, "category_id": 1, "keypoints": own, "num_keypoints": count, "bbox": box, "area": area}
            for own, count, box, area in zip(*columns, strict=True)
        ]

    def _joints(self, values: Values, key: str, where: str) -> tuple[np.ndarray, np.ndarray]:
        """Return places (N, K, 2), and visibilities or scores (N, K)."""
        joints = array_of(values, key, where).astype(np.float64)
        joints = joints[None] if joints.ndim == 2 else joints
        if joints.size == 0:
            joints = joints.reshape(0, self.joint_num, 3)
        if joints.ndim != 3 or joints.shape[1] != self.joint_num or joints.shape[2] not in (2, 3):
            raise DataError(
                f"{where}: {key} has the shape {joints.shape}; ({self.joint_num}, 2 or 3) or (objects, {self.joint_num}, 2 or 3) expected"
            )
        return joints[..., :2], joints[..., 2] if joints.shape[2] == 3 else np.ones(joints.shape[:2])

    def _boxes(self, gt: Values, joints: np.ndarray, visible: np.ndarray, where: str) -> np.ndarray:
        """Return (N, 4): left, top, width, height of each object."""
        if self.scale == "bboxes":
            boxes = array_of(gt, "bboxes", where).astype(np.float64).reshape(-1, 4)
            if len(boxes) != len(joints):
                raise DataError(f"{where}: bboxes has {len(boxes)} rows for {len(joints)} objects; one for each expected")
            return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
        counted = (visible > 0)[..., None]
        low, high = np.where(counted, joints, np.inf).min(axis=1), np.where(counted, joints, -np.inf).max(axis=1)
        boxes = np.concatenate([low, high - low], axis=1)
        return np.where(counted.any(axis=1), boxes, 0.0)
