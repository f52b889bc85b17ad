"""What the numbers in targets and predictions are called."""

from collections.abc import Sequence
from dataclasses import dataclass

from pet.visual.palette import Colour, class_colour

BACKGROUND = ("background", "__background__", "_background_")
IGNORE = 255


@dataclass(frozen=True)
class TargetNames:
    """Names of classes, pixel classes and parts, and the lines between keypoints. Numbers stand for names that are missing.

    Attributes:
        classes: of images or objects, in the order of their labels.
        semseg_classes: of pixels.
        parts: of objects, the background first.
        skeleton: pairs of keypoints that a line joins.
    """

    classes: Sequence[str] = ()
    semseg_classes: Sequence[str] = ()
    parts: Sequence[str] = ()
    skeleton: Sequence[tuple[int, int]] = ()

    @classmethod
    def of_dataset(cls, dataset: object) -> "TargetNames":
        """Return the names of a data set, from those of the attributes of :class:`pet.data.targets.VisionDataset` that it has."""
        keypoint_set, part_set = getattr(dataset, "keypoint_set", None), getattr(dataset, "part_set", None)
        return cls(
            classes=tuple(getattr(dataset, "classes", ())),
            semseg_classes=tuple(getattr(dataset, "semseg_classes", ())),
            parts=tuple(part_set.names) if part_set else (),
            skeleton=tuple(keypoint_set.skeleton) if keypoint_set else (),
        )

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
