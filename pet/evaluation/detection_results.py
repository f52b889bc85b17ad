"""What detectors found in the images of a data set: collected batch by batch, joined over processes, written as COCO does."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from pycocotools import mask as coco_mask
from torch import Tensor

from pet.metrics.coco import Kind, Record
from pet.structures.paste import paste_masks

Rle = dict[str, Any]

logger = logging.getLogger(__name__)


class Detections(NamedTuple):
    """The N detections in all images, in the coordinates of the image files.

    Attributes:
        images: int64 (N,), places of the images in the data set, ascending once they are joined.
        boxes: float32 (N, 4), XYXY, pixels.
        scores: float32 (N,).
        labels: int64 (N,), classes from 0.
        masks: N compressed COCO RLEs; None: not measured.
        keypoints: float32 (N, K, 3): x, y, score; None: not measured.
    """

    images: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    masks: list[Rle] | None = None
    keypoints: np.ndarray | None = None

    def select(self, places: np.ndarray) -> "Detections":
        """Return the detections at ``places``, int64 (M,)."""
        masks = None if self.masks is None else [self.masks[place] for place in places.tolist()]
        keypoints = None if self.keypoints is None else self.keypoints[places]
        return Detections(self.images[places], self.boxes[places], self.scores[places], self.labels[places], masks, keypoints)


class DetectionCollector:
    """Takes the detections of this process's batches; a batch is worked on when the next one comes, so nothing waits for the device.

    Args:
        kind: masks are kept for ``segm`` (each pasted and run-length encoded), keypoints for ``keypoints``.
    """

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._parts: list[Detections] = []
        self._pending: _HostCopy | None = None

    def add(self, meta: Sequence[dict[str, Any]], predictions: Sequence[dict[str, Tensor]]) -> None:
        """Take a batch: ``index`` and ``size`` (height, width) of each image, and its predictions."""
        self._finish_pending()
        found = [(image, prediction) for image, prediction in zip(meta, predictions, strict=True) if len(prediction["scores"])]
        if not found:
            return
        names = ["boxes", "scores", "labels"] + {"bbox": [], "segm": ["masks"], "keypoints": ["keypoints"]}[self._kind]
        tensors = {name: torch.cat([prediction[name] for _, prediction in found]) for name in names}
        self._pending = _HostCopy(tensors, [image for image, prediction in found for _ in range(len(prediction["scores"]))])

    def share(self) -> Detections:
        """Return all detections of this process, in the order in which they came."""
        self._finish_pending()
        return _concatenate([_nothing(self._kind), *self._parts])

    def _finish_pending(self) -> None:
        if self._pending is None:
            return
        tensors, meta = self._pending.wait(), self._pending.meta
        self._pending = None
        masks, points = None, tensors.get("keypoints")
        if self._kind == "segm":
            sizes = [image["size"] for image in meta]
            masks = [encode_mask(*item) for item in zip(tensors["masks"], tensors["boxes"], sizes, strict=True)]
        self._parts.append(
            Detections(
                np.array([image["index"] for image in meta], dtype=np.int64),
                tensors["boxes"].numpy(),
                tensors["scores"].numpy(),
                tensors["labels"].numpy(),
                masks,
                None if points is None else points.numpy(),
            )
        )


class _HostCopy:
    """Tensors of a batch on their way from the device.

    Args:
        tensors: what is copied; floating-point numbers become float32.
        meta: the image of each row.
    """

    def __init__(self, tensors: dict[str, Tensor], meta: list[dict[str, Any]]) -> None:
        self.meta = meta
        plain = {name: tensor.detach().float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
        self._tensors = {name: tensor.to("cpu", non_blocking=tensor.is_cuda) for name, tensor in plain.items()}
        self._copied: torch.cuda.Event | None = None
        if tensors["scores"].is_cuda:
            self._copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._copied.record(torch.cuda.current_stream(tensors["scores"].device))

    def wait(self) -> dict[str, Tensor]:
        """Return the tensors on the host."""
        if self._copied is None:
            return self._tensors
        self._copied.synchronize()
        # what the device writes to is page-locked memory, of which there is little
        return {name: tensor.clone() for name, tensor in self._tensors.items()}


def encode_mask(mask: Tensor, box: Tensor, size: tuple[int, int]) -> Rle:
    """Return the compressed COCO RLE, its counts as text, of a mask in its image.

    Only the columns of the box are looked at: run lengths go down one column after another.

    Args:
        mask: float (M, M), probabilities over the area of the box.
        box: float (4,), XYXY in pixels of the image.
        size: (height, width) of the image.
    """
    height, width = size
    left, right = max(int(box[0].floor()), 0), min(int(box[2].ceil()), width)
    changes = np.zeros(0, dtype=np.int64)
    if right > left:
        offset = torch.tensor([left, 0, left, 0], dtype=box.dtype)
        strip = paste_masks(mask[None], (box - offset)[None], (height, right - left))[0]
        pixels = strip.numpy().ravel(order="F").astype(np.int8)
        changes = np.flatnonzero(np.diff(pixels, prepend=0, append=0)) + left * height
    counts = np.diff(changes, prepend=0, append=height * width).tolist()
    if not counts[-1]:
        counts.pop()
    rle = coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    return {"size": [height, width], "counts": rle["counts"].decode("ascii")}


def join_shares(shares: Sequence[Detections], classes: int) -> Detections:
    """Return the detections of all processes in the order of the images, without labels that are no class of the data."""
    joined = _concatenate(shares)
    order = np.argsort(joined.images, kind="stable")
    return joined.select(order[joined.labels[order] < classes])


def distinct_ids(ids: Sequence[int | str], parts: Sequence[tuple[str, int]]) -> list[int | str]:
    """Return the ids of all images as a result file has them: no two images share one.

    Args:
        ids: of the images, in the order of the data set.
        parts: names and lengths of the data sets that were joined; empty: it is one.

    Returns:
        The ids, or where joined data sets have the same ones ``<name>/<id>``, which is logged.
    """
    if len(set(ids)) == len(ids) or not parts:
        return list(ids)
    names = [name for name, length in parts for _ in range(length)]
    distinct: list[int | str] = [f"{name}/{own}" for name, own in zip(names, ids, strict=True)]
    logger.warning(
        "images of %s have the same ids: in result files they are e.g. %s and %s, which tools for COCO files take as text",
        *(", ".join(name for name, _ in parts), distinct[0], distinct[-1]),
    )
    return distinct


def result_records(
    detections: Detections, kind: Kind, image_ids: Sequence[int | str], category_ids: Sequence[int], *, rounded: bool = False
) -> list[Record]:
    """Return records of a COCO result file: image_id, category_id, score, and bbox (XYWH), segmentation or keypoints.

    Args:
        detections: what was found.
        kind: which of its parts the records hold.
        image_ids: for each place in the data set the id to write.
        category_ids: for each label the id to write.
        rounded: short numbers, for a file: hundredths of a pixel, eight decimals of a score, which keep the order of weak ones.
    """
    if not len(detections.images):
        return []
    pixels, scores = (2, 8) if rounded else (None, None)
    name, values_of = _VALUES[kind]
    values = values_of(detections, pixels, scores)
    columns = detections.images.tolist(), detections.labels.tolist(), _doubles(detections.scores, scores).tolist(), values
    return [
        {"image_id": image_ids[image], "category_id": category_ids[label], name: value, "score": score}
        for image, label, score, value in zip(*columns, strict=True)
    ]


def _boxes(detections: Detections, pixels: int | None, scores: int | None) -> list[Any]:  # noqa: ARG001 -- one of _VALUES
    boxes = detections.boxes.astype(np.float64)
    values: list[Any] = _doubles(np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1), pixels).tolist()
    return values


def _masks(detections: Detections, pixels: int | None, scores: int | None) -> list[Any]:  # noqa: ARG001 -- one of _VALUES
    assert detections.masks is not None, "the detections were collected without masks"
    return detections.masks


def _points(detections: Detections, pixels: int | None, scores: int | None) -> list[Any]:
    assert detections.keypoints is not None, "the detections were collected without keypoints"
    points, trust = detections.keypoints[..., :2], detections.keypoints[..., 2:]
    values: list[Any] = np.concatenate([_doubles(points, pixels), _doubles(trust, scores)], axis=2).reshape(len(points), -1).tolist()
    return values


_VALUES: dict[Kind, tuple[str, Callable[[Detections, int | None, int | None], list[Any]]]] = {
    "bbox": ("bbox", _boxes),
    "segm": ("segmentation", _masks),
    "keypoints": ("keypoints", _points),
}
"""What is measured -> its entry in a record, and what gives its values."""


def _doubles(values: np.ndarray, decimals: int | None) -> np.ndarray:
    doubles = values.astype(np.float64)
    return doubles if decimals is None else doubles.round(decimals)


def _nothing(kind: Kind) -> Detections:
    return Detections(
        np.zeros(0, dtype=np.int64),
        np.zeros((0, 4), dtype=np.float32),
        np.zeros(0, dtype=np.float32),
        np.zeros(0, dtype=np.int64),
        [] if kind == "segm" else None,
    )


def _concatenate(parts: Sequence[Detections]) -> Detections:
    """Return the detections of all parts; one without any says nothing of the number of keypoints."""
    keypoints = [part.keypoints for part in parts if part.keypoints is not None]
    has_masks = parts[0].masks is not None
    return Detections(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.labels for part in parts]),
        [mask for part in parts for mask in part.masks or []] if has_masks else None,
        np.concatenate(keypoints) if keypoints else None,
    )
