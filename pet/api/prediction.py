"""What a model found in an image or a video, as plain arrays."""

import base64
import html
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pet.data.targets.drawing import draw_predictions
from pet.data.targets.label import softmax
from pet.prediction.writers.pictures import write_picture
from pet.prediction.writers.records import describe_predictions, paste_mask
from pet.visual.names import TargetNames
from pet.visual.settings import DrawSettings

SHOWN_OBJECTS = 20
"""Rows of the table that a notebook shows."""


@dataclass(frozen=True)
class Prediction:
    """What a model found. What it does not look for is None.

    Attributes:
        image: uint8 (H, W, 3), RGB, that it looked at; of a video whose frames were looked at together, the first one.
        fields: all that it gave, by name, as arrays in the coordinates of the image.
        names: what the numbers mean.
        source: the file, or empty.
    """

    image: np.ndarray
    fields: Mapping[str, Any]
    names: TargetNames
    source: str = ""

    def __repr__(self) -> str:
        """Return the file, its size and the fields with their shapes: the arrays themselves would fill screens."""
        fields = [f"{name} {value.shape}" if isinstance(value, np.ndarray) else name for name, value in self.fields.items()]
        height, width = self.image.shape[:2]
        return f"Prediction({self.source or 'an image'}, {width} x {height} pixels: {', '.join(fields)})"

    @property
    def boxes(self) -> np.ndarray | None:
        """Float32 (N, 4): left, top, right, bottom of the objects, pixels; the objects with the highest scores come first."""
        return self.fields.get("boxes")

    @property
    def scores(self) -> np.ndarray | None:
        """Float32 (N,), from 0 to 1: how sure each object is."""
        return self._first_of("scores", "scores3d")

    @property
    def boxes3d(self) -> np.ndarray | None:
        """Float32 (N, 7): centre, length, width and height in metres, and yaw, in the frame that ``fields["meta"]`` names."""
        return self.fields.get("boxes3d")

    @property
    def labels(self) -> np.ndarray | None:
        """Int64 (N,): the class of each object, counted from 0; of a whole image (1,), the most probable class."""
        probabilities = self.probabilities
        if probabilities is not None and self.scores is None:
            return np.array([probabilities.argmax()])
        return self._first_of("labels", "labels3d")

    @property
    def classes(self) -> list[str]:
        """The names of :attr:`labels`; numbers where the model has no names."""
        return [] if self.labels is None else [self.names.of_class(int(label)) for label in self.labels]

    @property
    def probabilities(self) -> np.ndarray | None:
        """Float (C,): how probable each class of the whole image is."""
        if "logits" in self.fields:
            return np.asarray(softmax(self.fields["logits"]))
        return self.fields.get("class_scores")

    @property
    def masks(self) -> np.ndarray | None:
        """Bool (N, H, W): the pixels of each object."""
        masks, boxes = self.fields.get("masks"), self.boxes
        if masks is None or boxes is None:
            return None
        height, width = self.image.shape[:2]
        pasted = [paste_mask(mask, box, (height, width)) for mask, box in zip(masks, boxes, strict=True)]
        return np.stack(pasted) if pasted else np.zeros((0, height, width), bool)

    @property
    def keypoints(self) -> np.ndarray | None:
        """Float32 (N, K, 3): x, y and score of the keypoints of each object, pixels."""
        return self.fields.get("keypoints")

    @property
    def label_map(self) -> np.ndarray | None:
        """Uint8 (H, W): the class of each pixel."""
        return self.fields.get("semseg")

    @property
    def embedding(self) -> np.ndarray | None:
        """Float32 (D,): where the image lies among others."""
        return self.fields.get("embedding")

    def above(self, score: float) -> "Prediction":
        """Return the prediction without the objects of lower scores."""
        scores = self.scores
        if scores is None:
            return self
        chosen = scores >= score
        kept = {name: value[chosen] if len(np.shape(value)) and len(value) == len(chosen) else value for name, value in self.fields.items()}
        return replace(self, fields=kept)

    def draw(self, settings: DrawSettings | None = None) -> np.ndarray:
        """Return uint8 (H', W', 3), RGB: the image with what was found on it; small ones are enlarged.

        Args:
            settings: what is drawn, and from which score on; None: all that the model finds, objects from a score of 0.5 on.
        """
        drawing = settings or DrawSettings()
        return draw_predictions(self.image, self.above(drawing.score_threshold).fields, self.names, drawing)

    def save(self, path: str | Path, settings: DrawSettings | None = None) -> None:
        """Write :meth:`draw` as an image file.

        Raises:
            OutputError: it cannot be written.
        """
        write_picture(Path(path), self.draw(settings))

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold, as the files that ``tools/inference.py`` writes."""
        numbers = {name: value for name, value in self.fields.items() if not isinstance(value, Mapping)}
        return describe_predictions(numbers, (self.image.shape[0], self.image.shape[1]), self.names)

    def to_coco(self, image_id: int = 0, categories: Mapping[str, int] | None = None) -> list[dict[str, Any]]:
        """Return the objects as the results of COCO hold them.

        Args:
            image_id: of the image.
            categories: id of each class, by its name; a class that it lacks is left out. None: numbers from 1 on in the model's order.
        """
        found = []
        for entry in self.to_dict().get("objects", []):
            category = entry["label"] + 1 if categories is None else categories.get(entry["class"])
            if category is not None:
                found.append({"image_id": image_id, "category_id": category, **_coco_object(entry)})
        return found

    def _first_of(self, *names: str) -> np.ndarray | None:
        return next((self.fields[name] for name in names if name in self.fields), None)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the picture, and a table of what was found."""
        written, encoded = cv2.imencode(".jpg", cv2.cvtColor(self.draw(), cv2.COLOR_RGB2BGR))
        assert written, "OpenCV encodes JPEG"
        picture = base64.b64encode(encoded.tobytes()).decode("ascii")
        title = html.escape(self.source)
        figure = (
            f'<figure><img alt="{title or "prediction"}" src="data:image/jpeg;base64,{picture}"><figcaption>{title}</figcaption></figure>'
        )
        rows = "".join(f"<tr><td>{html.escape(name)}</td><td>{score:.3f}</td></tr>" for name, score in self._rows())
        return figure + (f"<table><tr><th>class</th><th>score</th></tr>{rows}</table>" if rows else "")

    def _rows(self) -> list[tuple[str, float]]:
        """Return class and score of the objects, or the most probable classes of the image."""
        scores, probabilities = self.scores, self.probabilities
        if scores is not None:
            return list(zip(self.classes, scores.tolist(), strict=True))[:SHOWN_OBJECTS]
        if probabilities is None:
            return []
        best = np.argsort(-probabilities, kind="stable")[:5]
        return [(self.names.of_class(int(label)), float(probabilities[label])) for label in best]


def _coco_object(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object of :meth:`Prediction.to_dict` as COCO has it."""
    left, top, right, bottom = entry["box"]
    found: dict[str, Any] = {"bbox": [left, top, round(right - left, 2), round(bottom - top, 2)], "score": entry["score"]}
    if "mask" in entry:
        found["segmentation"] = entry["mask"]
    if points := [value for point in entry.get("keypoints", ()) for value in point]:
        found["keypoints"] = points
    return found
