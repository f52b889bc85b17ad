"""The objects of one image of a COCO file, checked and turned into arrays."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pet.data.datasets.coco_segmentations import SegmentationReader, describe
from pet.data.datasets.coco_surface import read_surface
from pet.data.files.json_values import as_flag, as_number, as_numbers, as_whole_number
from pet.data.files.limits import shown
from pet.data.files.skipped import SkipCounter
from pet.data.targets.dataset import ImageTruth, SurfaceTruth
from pet.structures.masks import InstanceMasks
from petlib.errors import DataError

OTHER_CLASS = "object of a class that DATA.CLASSES leaves out"
NO_AREA = "object whose box has no area"
OUTSIDE = "object whose box lies outside of the image"

SMALLEST_EDGE = 1e-3
"""Edges below it, in pixels, could vanish among the digits of float32."""

GREATEST_COORDINATE = 1e9
"""Pixels; what lies farther away is no box but a mistake, and float32 has not its digits."""

REQUIRED_KEYS = frozenset(("id", "image_id", "category_id", "bbox"))
GREATEST_INSTANCE_ID = 65535


class CocoRecord(NamedTuple):
    """An image of a COCO file.

    Attributes:
        truth: its objects; ``file`` is relative to the folder of images.
        instance_ids: int64 (M,), value in the image of persons of each object, 0: none.
    """

    truth: ImageTruth
    instance_ids: np.ndarray


class _Object(NamedTuple):
    """One object; see :class:`pet.data.targets.dataset.ImageTruth`."""

    box: tuple[float, float, float, float]
    label: int
    crowd: bool
    area: float
    instance_id: int
    segmentation: Any
    keypoints: Sequence[float] | None
    surface: SurfaceTruth | None
    annotation: dict[str, Any]


class ObjectReader:
    """Turns the annotations of an image into a record.

    Args:
        path: the file, for messages.
        labels: id of each category -> its label; None: objects of this category are left out.
        names: id of each category -> its name.
        with_masks: whether masks are requested; objects without one are left out then.
        keypoint_count: number of keypoints of an object; 0: they are not requested.
        surface_parts: number of parts of the surface; 0: its points are not requested.
        skipped: counts what is left out.

    Attributes:
        left_out: name of each category whose objects are left out -> their number.
    """

    def __init__(
        self,
        *,
        path: Path,
        labels: Mapping[int, int | None],
        names: Mapping[int, str],
        with_masks: bool,
        keypoint_count: int,
        surface_parts: int,
        skipped: SkipCounter,
    ) -> None:
        self.left_out: Counter[str] = Counter()
        self._names = names
        self._path = path
        self._labels = labels
        self._keypoint_count = keypoint_count
        self._surface_parts = surface_parts
        self._skipped = skipped
        self._segmentations = SegmentationReader(path=path, skipped=skipped) if with_masks else None

    def read(self, image: Mapping[str, Any], annotations: Sequence[dict[str, Any]]) -> CocoRecord:
        """Return the record of an image.

        Args:
            image: a checked row of the file's images.
            annotations: the rows that belong to it.

        Raises:
            DataError: an annotation is wrong in a way that leaving it out would hide (with file and id).
        """
        size = image["height"], image["width"]
        objects = [item for annotation in annotations if (item := self._object(annotation, size)) is not None]
        truth = ImageTruth(
            id=image["id"],
            file=image["file_name"],
            height=size[0],
            width=size[1],
            boxes=np.array([item.box for item in objects], np.float32).reshape(-1, 4),
            labels=np.array([item.label for item in objects], np.int64),
            crowd=np.array([item.crowd for item in objects], bool),
            areas=np.array([item.area for item in objects], np.float32),
            segmentations=[item.segmentation for item in objects] if self._segmentations else None,
            keypoints=self._keypoint_array(objects) if self._keypoint_count else None,
            surfaces=[item.surface for item in objects] if self._surface_parts else None,
        )
        return CocoRecord(truth, self._instance_id_array(objects))

    def _object(self, annotation: dict[str, Any], size: tuple[int, int]) -> _Object | None:
        """Return an object, or None and count the reason."""
        missing = REQUIRED_KEYS - annotation.keys()
        if missing:
            raise self._error(annotation, f"it has no {sorted(missing)[0]!r}")
        label = self._label(annotation)
        if label is None:
            self._skipped.add(OTHER_CLASS, describe(annotation))
            self.left_out[self._names[annotation["category_id"]]] += 1
            return None
        box = self._box(annotation, size)
        if box is None:
            return None
        segmentation = self._segmentations.read(annotation, size) if self._segmentations else None
        return _Object(
            box=box,
            label=label,
            crowd=self._crowd(annotation),
            area=self._area(annotation, box, segmentation, size),
            instance_id=self._instance_id(annotation),
            segmentation=segmentation,
            keypoints=self._keypoints(annotation) if self._keypoint_count else None,
            surface=self._surface(annotation) if self._surface_parts else None,
            annotation=annotation,
        )

    def _label(self, annotation: dict[str, Any]) -> int | None:
        category = annotation["category_id"]
        if type(category) is not int:
            raise self._error(annotation, f"its category_id is {shown(category)}, a whole number expected")
        if category not in self._labels:
            known = list(self._labels)
            raise self._error(
                annotation,
                f"its category_id {shown(category)} is not listed; the categories are "
                f"{', '.join(map(str, known[:20]))}{', ...' if len(known) > 20 else ''}",
            )
        return self._labels[category]

    def _box(self, annotation: dict[str, Any], size: tuple[int, int]) -> tuple[float, float, float, float] | None:
        """Return XYXY as it is in the file, or None and count the reason."""
        numbers = as_numbers(annotation["bbox"])
        if numbers is None or len(numbers) != 4 or not all(abs(value) <= GREATEST_COORDINATE for value in numbers):
            raise self._error(annotation, f"its bbox is {shown(annotation['bbox'])}, four numbers [x, y, width, height] expected")
        left, top, width, height = map(float, numbers)
        if min(width, height) < SMALLEST_EDGE:
            self._skipped.add(NO_AREA, describe(annotation))
            return None
        right, bottom = left + width, top + height
        if min(min(right, size[1]) - max(left, 0), min(bottom, size[0]) - max(top, 0)) < SMALLEST_EDGE:
            self._skipped.add(OUTSIDE, describe(annotation))
            return None
        return left, top, right, bottom

    def _area(self, annotation: dict[str, Any], box: Sequence[float], segmentation: Any, size: tuple[int, int]) -> float:
        area = annotation.get("area")
        if area is None:
            if segmentation is not None:
                return float(InstanceMasks.from_segmentations([segmentation], size).areas()[0])
            return (box[2] - box[0]) * (box[3] - box[1])
        number = as_number(area)
        if number is None or abs(number) > GREATEST_COORDINATE**2:
            raise self._error(annotation, f"its area is {shown(area)}, a number of square pixels expected")
        return float(number)

    def _crowd(self, annotation: dict[str, Any]) -> bool:
        crowd = as_flag(annotation.get("iscrowd"))
        if crowd is None:
            raise self._error(annotation, f"its iscrowd is {shown(annotation['iscrowd'])}, 0 or 1 expected")
        return crowd

    def _instance_id(self, annotation: dict[str, Any]) -> int:
        given = annotation.get("instance_id", 0)
        number = as_whole_number(given)
        if number is None or not 0 <= number <= GREATEST_INSTANCE_ID:
            raise self._error(annotation, f"its instance_id is {shown(given)}, a whole number from 0 to {GREATEST_INSTANCE_ID} expected")
        return number

    def _instance_id_array(self, objects: Sequence[_Object]) -> np.ndarray:
        owners: dict[int, _Object] = {}
        for item in objects:
            if item.instance_id and owners.setdefault(item.instance_id, item) is not item:
                other = shown(owners[item.instance_id].annotation["id"])
                raise self._error(item.annotation, f"its instance_id {item.instance_id} is also that of annotation {other}")
        return np.array([item.instance_id for item in objects], np.int64)

    def _keypoints(self, annotation: dict[str, Any]) -> Sequence[float]:
        """Return 3 K numbers, zeros where the object has no keypoints."""
        given = annotation.get("keypoints")
        expected = 3 * self._keypoint_count
        if given is None or given == []:
            return (0.0,) * expected
        if not isinstance(given, list) or len(given) != expected:
            length = len(given) if isinstance(given, list) else type(given).__name__
            raise self._error(
                annotation, f"its keypoints are {length} numbers, {expected} expected: x, y, visibility of {self._keypoint_count} keypoints"
            )
        numbers = as_numbers(given)
        if numbers is None or max(map(abs, numbers)) > GREATEST_COORDINATE or not {0, 1, 2}.issuperset(numbers[2::3]):
            raise self._error(annotation, f"its keypoints are {shown(given)}; numbers expected, and 0, 1 or 2 as visibility")
        return numbers

    def _keypoint_array(self, objects: Sequence[_Object]) -> np.ndarray:
        keypoints = np.array([item.keypoints for item in objects], np.float32).reshape(-1, self._keypoint_count, 3)
        keypoints[keypoints[..., 2] == 0] = 0
        return keypoints

    def _surface(self, annotation: dict[str, Any]) -> SurfaceTruth | None:
        try:
            return read_surface(annotation, self._surface_parts)
        except ValueError as error:
            raise self._error(annotation, str(error)) from error

    def _error(self, annotation: dict[str, Any], message: str) -> DataError:
        return DataError(f"{self._path}: {describe(annotation)}: {message}")
