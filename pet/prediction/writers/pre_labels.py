"""Predictions as labels to begin with: COCO's JSON for CVAT, tasks with predictions for Label Studio."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote
from xml.sax.saxutils import escape

import cv2
import numpy as np

from pet.data.converting.writers import CocoWriter
from pet.data.targets.dataset import IGNORE, DatasetInfo, ImageTruth
from pet.data.targets.label import softmax
from pet.prediction.writers.records import paste_mask
from pet.visual.names import TargetNames
from petlib.files import write_text_atomically

LOCAL_FILES = "/data/local-files/?d="
"""By which Label Studio finds files of a folder that it may serve."""

BOX, POLYGON, CHOICE = "rectanglelabels", "polygonlabels", "choices"
TAGS = {BOX: ("RectangleLabels", "Label"), POLYGON: ("PolygonLabels", "Label"), CHOICE: ("Choices", "Choice")}
QUOTES = {'"': "&quot;"}
LEAST_AREA = 16
"""Pixels of a region of a label image that becomes an outline."""

SIMPLER = 1.0
"""By so many pixels an outline may be simplified, which leaves fewer points to move."""


class PreLabel(NamedTuple):
    """An object, a region, or the class of an image.

    Attributes:
        kind: of Label Studio's results.
        name: of the class.
        score: from 0 to 1.
        box: float (4,), XYXY, pixels; None: it is the class of the image.
        outline: float (N, 2), x and y in pixels; None: there is none.
    """

    kind: str
    name: str
    score: float
    box: np.ndarray | None = None
    outline: np.ndarray | None = None


def pre_labels_of(predictions: Mapping[str, Any], size: tuple[int, int], names: TargetNames, least_score: float) -> list[PreLabel]:
    """Return what an annotator begins with: objects from a score on, regions of a label image, or the most probable class."""
    logits, scores, labels = predictions.get("logits"), predictions.get("scores"), predictions.get("semseg")
    if scores is not None and predictions.get("boxes") is not None:
        return [_object(predictions, int(place), size, names) for place in np.flatnonzero(scores >= least_score)]
    if labels is not None:
        return [*_regions(labels, names)]
    if logits is not None:
        probabilities = softmax(logits)
        best = int(probabilities.argmax())
        return [PreLabel(CHOICE, names.of_class(best), float(probabilities[best]))]
    return []


class PreLabels:
    """Collects the pre-labels of images and writes them.

    Args:
        classes: the names of all classes of the model, of pixels where it labels these.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = list(classes)
        self._images: list[tuple[str, tuple[int, int], list[PreLabel]]] = []

    def add(self, name: str, size: tuple[int, int], labels: Sequence[PreLabel]) -> None:
        """Take the pre-labels of an image of ``size`` (height, width); ``name``: its path below the folder of images."""
        self._images.append((name, size, list(labels)))

    def write(self, folder: Path, *, model: str) -> list[Path]:
        """Write what the annotation tools import and return the files."""
        written = [folder / "label_studio.json", folder / "label_studio.xml"]
        tasks = [self._task(number, *image, model) for number, image in enumerate(self._images)]
        write_text_atomically(written[0], json.dumps(tasks, ensure_ascii=False, indent=1))
        kinds = {label.kind for _, _, labels in self._images for label in labels}
        write_text_atomically(written[1], _interface(sorted(kinds) or [BOX], self._classes))
        if CHOICE in kinds:
            written.append(folder / "classes.csv")
            rows = [(name, label.name) for name, _, labels in self._images for label in labels]
            write_text_atomically(written[-1], _as_csv(("filename", "label"), rows))
        else:
            written.append(self._write_coco(folder))
        return written

    def _write_coco(self, folder: Path) -> Path:
        writer = CocoWriter(folder=folder, split="pre_labels", info=DatasetInfo(frozenset({"boxes"}), classes=self._classes))
        numbers = {name: number for number, name in enumerate(self._classes)}
        for number, (name, size, labels) in enumerate(self._images, start=1):
            known = [label for label in labels if label.box is not None and label.name in numbers]
            boxes = np.array([label.box for label in known], np.float32).reshape(-1, 4)
            outlines = [None if label.outline is None else [label.outline.ravel().tolist()] for label in known]
            writer.add(
                ImageTruth(
                    number,
                    name,
                    *size,
                    boxes,
                    np.array([numbers[label.name] for label in known], np.int64),
                    np.zeros(len(known), bool),
                    np.array([_area(label) for label in known], np.float32),
                    outlines,
                ),
                name,
            )
        return Path(writer.finish()["annotations"])

    def _task(self, number: int, name: str, size: tuple[int, int], labels: Sequence[PreLabel], model: str) -> dict[str, Any]:
        results = [{"id": f"{number}_{place}", **_result(label, size)} for place, label in enumerate(labels)]
        score = float(np.mean([label.score for label in labels])) if labels else 0.0
        prediction = {"model_version": model, "score": round(score, 4), "result": results}
        return {"data": {"image": f"{LOCAL_FILES}{quote(name)}"}, "predictions": [prediction]}


def _object(predictions: Mapping[str, Any], place: int, size: tuple[int, int], names: TargetNames) -> PreLabel:
    box, name = np.asarray(predictions["boxes"][place], np.float64), names.of_class(int(predictions["labels"][place]))
    score, masks = float(predictions["scores"][place]), predictions.get("masks")
    outline = None if masks is None else _largest_outline(paste_mask(masks[place], predictions["boxes"][place], size))
    if outline is None:
        return PreLabel(BOX, name, score, box)
    return PreLabel(POLYGON, name, score, _bounds(outline), outline)


def _regions(labels: np.ndarray, names: TargetNames) -> Iterator[PreLabel]:
    for label in np.unique(labels).tolist():
        # the background has no colour
        if label == IGNORE or names.pixel_class_colour(label) is None:
            continue
        count, parts, statistics, _ = cv2.connectedComponentsWithStats((labels == label).astype(np.uint8))
        for part in range(1, count):
            outline = _largest_outline(parts == part) if statistics[part, cv2.CC_STAT_AREA] >= LEAST_AREA else None
            if outline is not None:
                yield PreLabel(POLYGON, names.of_pixel_class(label), 1.0, _bounds(outline), outline)


def _largest_outline(mask: np.ndarray) -> np.ndarray | None:
    """Return the edge of the largest part of a mask, along the borders of its pixels; holes are filled. None: it has none."""
    # at twice the size a border of a pixel is the first or the second of its two rows
    doubled: np.ndarray = np.kron(mask.astype(np.uint8), np.ones((2, 2), np.uint8))
    found, _ = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not found:
        return None
    simpler = cv2.approxPolyDP(max(found, key=cv2.contourArea), 2 * SIMPLER, closed=True)[:, 0]
    return ((simpler + 1) // 2).astype(np.float64) if len(simpler) >= 3 else None


def _as_csv(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(heading)
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue()


def _bounds(outline: np.ndarray) -> np.ndarray:
    return np.concatenate([outline.min(axis=0), outline.max(axis=0)])


def _area(label: PreLabel) -> float:
    if label.outline is not None:
        return float(cv2.contourArea(label.outline.astype(np.float32)))
    return float((label.box[2:] - label.box[:2]).prod()) if label.box is not None else 0.0


def _result(label: PreLabel, size: tuple[int, int]) -> dict[str, Any]:
    """Return a result of Label Studio, whose coordinates are percentages."""
    shares = 100 / np.array([size[1], size[0]], np.float64)
    value: dict[str, Any] = {label.kind: [label.name]}
    if label.outline is not None:
        value |= {"points": (label.outline * shares).tolist(), "closed": True}
    elif label.box is not None:
        (left, top), (width, height) = (label.box[:2] * shares).tolist(), ((label.box[2:] - label.box[:2]) * shares).tolist()
        value |= {"x": left, "y": top, "width": width, "height": height, "rotation": 0}
    return {
        "type": label.kind,
        "from_name": label.kind,
        "to_name": "image",
        "original_width": size[1],
        "original_height": size[0],
        "score": round(label.score, 4),
        "value": value,
    }


def _interface(kinds: Sequence[str], classes: Sequence[str]) -> str:
    """Return the labelling interface that the tasks fit."""
    lines = ["<View>", '  <Image name="image" value="$image"/>']
    for kind in kinds:
        group, entry = TAGS[kind]
        lines.append(f'  <{group} name="{kind}" toName="image">')
        lines += [f'    <{entry} value="{escape(name, QUOTES)}"/>' for name in classes]
        lines.append(f"  </{group}>")
    return "\n".join([*lines, "</View>"]) + "\n"
