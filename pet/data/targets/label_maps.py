"""Label images: the class of each pixel, and the parts of people."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np

from pet.data.targets.boxes import largest_first
from pet.data.targets.dataset import IGNORE, DatasetInfo, Expectation, ImageTruth, PartSet, sample_name
from pet.data.targets.kind import Fields, Judgement, Kind, Motion, Tile
from pet.data.targets.left_right import swap_from_names, swap_in_order
from pet.data.targets.masks import as_tensor, canvas_box
from pet.data.targets.numbering import Sides
from pet.data.targets.observation import LABEL_OUTSIDE, Found, Observation
from pet.structures.moves import Size
from pet.structures.paste import paste_parts
from pet.visual.canvas import Canvas
from pet.visual.names import TargetNames
from pet.visual.settings import DrawSettings
from pet.visual.sheet import Legend, coloured
from petlib.data.protocols import Sample
from petlib.errors import DataError

ALL_IGNORED = "a label image has no pixel that counts"
ONLY_BACKGROUND = "label images know no class but the first"
MOST_SHOWN = 20
ROWS_OF_PIXELS = 2**20


class LabelMap(Kind):
    """A field with one label for each pixel, uint8 (H, W); 255 does not count."""

    has_places = True

    def renumber(self, fields: Fields, table: np.ndarray) -> tuple[Fields, np.ndarray | None]:
        """Return the new labels; pixels without one do not count."""
        if self.name not in fields:
            return {}, None
        values = np.full(256, IGNORE, np.uint8)
        values[: len(table)] = np.where(table >= 0, table, IGNORE)
        return {self.name: values[fields[self.name]]}, None

    def check(self, sample: Sample, expected: Expectation) -> None:
        """Check size and labels."""
        field, labels, name, known = self.name, sample[self.name], sample_name(sample), expected.counts.get(self.name)
        height, width = sample["image"].shape[:2]
        if labels.shape[:2] != (height, width):
            raise DataError(f"{name}: the label image is {labels.shape[1]} x {labels.shape[0]} pixels, the image {width} x {height}")
        if labels.ndim != 2:
            raise DataError(f"{name}: {field} has {labels.shape[2]} channels, one number a pixel expected; take one channel with InitMask")
        found, _ = count_labels(labels)
        outside = _outside(found, known)
        if known is not None and len(outside):
            shown = ", ".join(map(str, found[:MOST_SHOWN])) + (", ..." if len(found) > MOST_SHOWN else "")
            labels_expected = f"0 to {known - 1} and {IGNORE} (ignored) expected"
            raise DataError(f"{name}: {field} has the label {outside[0]}; {labels_expected}; the values are {shown}")

    def examine(self, sample: Sample, expected: Expectation, seen: Observation) -> Iterator[Found]:
        """Count the labels of pixels."""
        labels, numbers = count_labels(sample[self.name])
        seen.pixels[self.name] = {int(label): int(number) for label, number in zip(labels, numbers, strict=True)}
        known = expected.counts.get(self.name)
        outside = _outside(labels, known)
        if known is not None and len(outside):
            shown = ", ".join(map(str, outside[:8].tolist()))
            yield LABEL_OUTSIDE, f"{self.name} has {shown}; 0 to {known - 1} and {IGNORE} expected", True
        if labels.tolist() == [IGNORE]:
            yield ALL_IGNORED, self.name, False

    def move(self, sample: Sample, motion: Motion) -> Fields:
        """Return the moved labels."""
        return {field: motion.move.labels(sample[field], fill) for field, fill in self.map_fields.items() if field in sample}


class Semseg(LabelMap):
    """``semseg``: the class of each pixel. Raw labels of three channels become one with the transform InitMask."""

    name = "semseg"
    fields = ("semseg",)
    map_fields = {"semseg": IGNORE}
    takes_any_image = True
    truth_fields = {"semseg": "truth_semseg"}
    counted = "classes of pixels"
    layer = 0

    def names(self, info: DatasetInfo) -> Sequence[str]:
        """Return the names of the classes of pixels."""
        return info.semseg_classes

    def renamed(self, info: DatasetInfo, names: Sequence[str], table: np.ndarray) -> DatasetInfo:
        """Return other names of the classes of pixels, which are those of the data set where it has no others."""
        if list(info.classes) != list(info.semseg_classes):
            return replace(info, semseg_classes=names)
        return replace(info, semseg_classes=names, classes=names, num_classes=len(names), category_ids=range(len(names)))

    def check(self, sample: Sample, expected: Expectation) -> None:
        """Check size and labels, unless the labels are raw."""
        if not expected.raw_labels:
            super().check(sample, expected)

    def examine(self, sample: Sample, expected: Expectation, seen: Observation) -> Iterator[Found]:
        """Count the labels of pixels, unless they are raw."""
        if not expected.raw_labels:
            seen.void_is_stated = expected.void_is_stated
            yield from super().examine(sample, expected, seen)

    def summarise(self, seen: Sequence[Observation]) -> Iterator[Found]:
        """Say where label images look like masks in black and white: with these a training would learn nothing and be perfect at it."""
        labels = {label for observation in seen for label in observation.pixels.get(self.name, {})}
        if labels == {0, IGNORE} and not all(observation.void_is_stated for observation in seen):
            advice = (
                f"all pixels are 0 or {IGNORE}, and {IGNORE} counts nowhere; if it is the second class, as in masks in black and white, "
                f"set label_values: [0, {IGNORE}] in CatalogEntry; if its pixels do not count, set ignore_values: [{IGNORE}]"
            )
            yield ONLY_BACKGROUND, f"{len(seen)} label images were looked at: {advice}", True
        elif labels in ({0}, {0, IGNORE}):
            yield ONLY_BACKGROUND, f"all pixels that count are 0 in {len(seen)} label images", False

    def move(self, sample: Sample, motion: Motion) -> Fields:
        """Return the moved labels; what comes in from outside gets the label of the transform."""
        check_one_channel(sample)
        return {"semseg": motion.move.labels(sample["semseg"], motion.label_fill)}

    def finish(self, sample: Sample) -> tuple[Fields, np.ndarray | None]:
        """Refuse labels of several channels."""
        check_one_channel(sample)
        return {}, None

    def judge(self, predictions: Fields, sample: Fields, truth: ImageTruth | None, names: TargetNames) -> Judgement | None:
        """Return the mean intersection over union of the classes that the label image has."""
        found, labels = predictions.get("semseg"), sample.get("truth_semseg")
        if found is None or labels is None or found.shape != labels.shape:
            return None
        counts = labels != IGNORE
        ious = {}
        for label in np.unique(labels[counts]).tolist():
            own, other = (labels == label) & counts, (found == label) & counts
            ious[label] = float((own & other).sum() / (own | other).sum())
        if not ious:
            return None
        worst = min(ious, key=lambda label: ious[label])
        mean = float(np.mean(list(ious.values())))
        return Judgement(mean, f"mean IoU {mean:.0%}, of {names.of_pixel_class(worst)} {ious[worst]:.0%}")

    def draw(self, canvas: Canvas, fields: Fields, names: TargetNames, settings: DrawSettings) -> Legend:
        """Tint the pixels."""
        if not settings.semseg:
            return {}
        found = canvas.draw_label_image(fields["semseg"], names.pixel_class_colour, settings.semseg_alpha)
        return coloured((names.of_pixel_class(label), names.pixel_class_colour(label)) for label in found)


class Parsing(LabelMap):
    """Parts of people: ``parsing``, the part at each pixel, ``instances``, uint16, the person there, ``instance_ids``, that of each object.

    ``meta["part_swap"]`` says which parts change places in a mirrored image.
    """

    name = "parsing"
    fields = ("parsing", "instances", "instance_ids")
    object_fields = ("instance_ids",)
    objects = "boxes"
    map_fields = {"parsing": IGNORE, "instances": 0}
    truth_fields = {field: f"truth_{field}" for field in ("parsing", "instances", "instance_ids", "labels")}
    counted = "part labels"
    fixed_names = True
    layer = 20

    def names(self, info: DatasetInfo) -> Sequence[str]:
        """Return the names of the parts, the background first."""
        return info.part_set.names if info.part_set else ()

    def sides(self, info: DatasetInfo) -> Sides | None:
        """Return which part is which in a mirrored image."""
        return Sides(info.part_set.swap) if info.part_set else None

    def renamed(self, info: DatasetInfo, names: Sequence[str], table: np.ndarray) -> DatasetInfo:
        """Return the parts in another order."""
        swap = swap_in_order(info.part_set.swap, table) if info.part_set else swap_from_names(names)
        return replace(info, part_set=PartSet(tuple(names), swap))

    def renumber(self, fields: Fields, table: np.ndarray) -> tuple[Fields, np.ndarray | None]:
        """Return the new part labels, and which of them change places in a mirrored image."""
        changed, _ = super().renumber(fields, table)
        swap = fields.get("meta", {}).get("part_swap")
        if changed and swap is not None:
            changed["meta"] = {**fields["meta"], "part_swap": swap_in_order(swap, table)}
        return changed, None

    def move(self, sample: Sample, motion: Motion) -> Fields:
        """Return the moved labels; left and right parts change in a mirrored image."""
        moved = super().move(sample, motion)
        swap = sample.get("meta", {}).get("part_swap")
        if swap is not None and motion.mirrored:
            table = np.arange(256, dtype=np.uint8)
            table[: len(swap)] = swap
            moved["parsing"] = cv2.LUT(moved["parsing"], table)
        return moved

    def join(self, tiles: Sequence[Tile], size: Size) -> Fields:
        """Return the labels side by side; people of different tiles get different numbers."""
        renamed, people = [], 0
        for tile in tiles:
            instances, ids = tile.sample["instances"], tile.sample["instance_ids"]
            numbers = {
                "instances": np.where(instances > 0, instances + np.uint16(people), instances),
                "instance_ids": np.where(ids > 0, ids + people, ids),
            }
            renamed.append(tile._replace(sample={**tile.sample, **numbers}))
            people += int(instances.max(initial=0))
        return super().join(renamed, size)

    def draw(self, canvas: Canvas, fields: Fields, names: TargetNames, settings: DrawSettings) -> Legend:
        """Tint the parts: of a label image, or of each object from the probabilities (P, M, M) over its box."""
        parsing, legend = fields["parsing"], Legend()
        if not settings.parsing:
            return legend
        if parsing.ndim == 2:
            return _draw_parts(canvas, parsing, names, settings)
        for index in largest_first(fields["boxes"]):
            if names.has_parts(int(fields["labels"][index])):
                box = canvas_box(canvas, fields["boxes"][index])
                parts = paste_parts(as_tensor(parsing[index]), box, canvas.size)[0].numpy()
                legend |= _draw_parts(canvas, parts, names, settings)
        return legend


def _draw_parts(canvas: Canvas, labels: np.ndarray, names: TargetNames, settings: DrawSettings) -> Legend:
    found = canvas.draw_label_image(labels, names.part_colour, settings.parsing_alpha)
    return coloured((names.of_part(label), names.part_colour(label)) for label in found)


def count_labels(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels that occur, sorted, and how often each does: of 8 bits without sorting the pixels, which takes seconds."""
    if labels.dtype != np.uint8:
        return np.unique(labels, return_counts=True)
    counts = np.zeros(256, np.int64)
    # a few rows at a time: counting takes eight bytes for each pixel
    step = max(ROWS_OF_PIXELS // max(labels[:1].size, 1), 1)
    for start in range(0, len(labels), step):
        counts += np.bincount(labels[start : start + step].ravel(), minlength=256)
    found = np.flatnonzero(counts)
    return found.astype(np.uint8), counts[found]


def check_one_channel(sample: Sample) -> None:
    """Check that ``semseg`` has one label for each pixel.

    Raises:
        DataError: it has several channels.
    """
    labels = sample["semseg"]
    if labels.ndim != 2:
        file = sample.get("meta", {}).get("file", "an image")
        raise DataError(
            f"the label image of {file} has the shape {labels.shape}, one number a pixel expected; for a foreground that is "
            "painted in three channels put InitMask at the beginning of TRANSFORMS"
        )


def _outside(labels: np.ndarray, known: int | None) -> np.ndarray:
    """Return the labels that are no class."""
    return labels[:0] if known is None else labels[(labels >= known) & (labels != IGNORE)]
