"""What the numbers in targets and predictions are called."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pet.visual.palette import Colour, class_colour

BACKGROUND = ("background", "__background__", "_background_", "unchanged", "背景")
IGNORE = 255

COCO_SKELETON = (
    *((15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8)),
    *((7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6)),
)
"""Lines between the 17 keypoints of a person, as the files person_keypoints_*.json of COCO have them, counted from 0."""


class Described(Protocol):
    """What a data set says of itself: ``info`` has ``classes``, ``semseg_classes``, ``part_set`` and ``keypoint_set``."""

    @property
    def info(self) -> Any:
        """What holds for all samples."""


@dataclass(frozen=True)
class TargetNames:
    """Names of classes, pixel classes and parts, and the lines between keypoints. Numbers replace names that are missing.

    Attributes:
        classes: of images or objects, in the order of their labels.
        semseg_classes: of pixels.
        parts: of objects, the background first.
        skeleton: pairs of keypoints that a line joins.
        keypoint_labels: classes that have keypoints; empty: all. What a network finds for others means nothing.
        part_labels: classes that have parts; empty: all.
    """

    classes: Sequence[str] = ()
    semseg_classes: Sequence[str] = ()
    parts: Sequence[str] = ()
    skeleton: Sequence[tuple[int, int]] = ()
    keypoint_labels: frozenset[int] = frozenset()
    part_labels: frozenset[int] = frozenset()

    @classmethod
    def of_dataset(cls, dataset: Described) -> "TargetNames":
        """Return the names of a data set."""
        return cls.of_info(dataset.info)

    @classmethod
    def of_info(cls, info: Any) -> "TargetNames":
        """Return the names in what a data set says of itself."""
        return cls(
            classes=tuple(info.classes),
            semseg_classes=tuple(info.semseg_classes),
            parts=tuple(info.part_set.names) if info.part_set else (),
            skeleton=tuple(info.keypoint_set.skeleton) if info.keypoint_set else (),
        )

    def pairs(self, count: int) -> list[tuple[int, int]]:
        """Return the pairs among ``count`` keypoints that a line joins; those of COCO's persons where 17 have no skeleton."""
        skeleton = COCO_SKELETON if not self.skeleton and count == 17 else self.skeleton
        return [(first, second) for first, second in skeleton if first < count and second < count]

    def has_keypoints(self, label: int) -> bool:
        """Return whether objects of a class have keypoints."""
        return not self.keypoint_labels or label in self.keypoint_labels

    def has_parts(self, label: int) -> bool:
        """Return whether objects of a class have parts."""
        return not self.part_labels or label in self.part_labels

    def of_class(self, label: int) -> str:
        """Return the name of a class."""
        return _name(self.classes, label)

    def of_pixel_class(self, label: int) -> str:
        """Return the name of a class of pixels."""
        return _name(self.semseg_classes, label)

    def of_part(self, label: int) -> str:
        """Return the name of a part."""
        return _name(self.parts, label)

    def pixel_class_colour(self, label: int) -> Colour | None:
        """Return the colour of a class of pixels: that of the object class of the same name where there is one.

        None: the background and pixels to be ignored, which are not coloured.
        """
        name = self.of_pixel_class(label)
        if label == IGNORE or name.lower() in BACKGROUND:
            return None
        if not self.classes or not self.semseg_classes:
            return class_colour(label)
        if name in self.classes:
            return class_colour(list(self.classes).index(name))
        return class_colour(len(self.classes) + label)

    def part_colour(self, label: int) -> Colour | None:
        """Return the colour of a part, which no class has; None: the background and pixels to be ignored."""
        return None if label in (0, IGNORE) else class_colour(len(self.classes) + len(self.semseg_classes) + label - 1)


def _name(names: Sequence[str], label: int) -> str:
    return names[label] if 0 <= label < len(names) else str(label)
