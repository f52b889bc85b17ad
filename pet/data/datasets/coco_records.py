"""A COCO file becomes records."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from pet.data.datasets.coco_extension import LabelFolders, read_extension
from pet.data.datasets.coco_keypoints import keypoint_set
from pet.data.datasets.coco_objects import CocoRecord, ObjectReader
from pet.data.datasets.coco_surface import FIRST_KEY
from pet.data.datasets.coco_tables import CocoTables, choose_classes
from pet.data.files.allowed_paths import Reach
from pet.data.files.json_values import as_whole_number
from pet.data.files.limits import shown
from pet.data.files.skipped import SkipCounter
from pet.data.targets.dataset import DatasetInfo, KeypointSet, SurfaceSet
from pet.data.targets.kinds import choose_kinds
from pet.data.targets.left_right import Pair
from petlib.errors import DataError

BOXES, MASKS, KEYPOINTS = frozenset({"boxes"}), frozenset({"masks"}), frozenset({"keypoints"})
SURFACE = frozenset({"surface"})
OBJECTS = BOXES | MASKS | KEYPOINTS
UNKNOWN_IMAGE = "annotation of an image that is not listed"
SAME_FILE = "image whose file another image has too, kept as it is; the objects of one are background in the other"


class CocoHeader(NamedTuple):
    """What holds for all images of a COCO file.

    Attributes:
        info: what the data set says of itself.
        requested: the kinds that samples are to hold.
        labels: where the label images are.
    """

    info: DatasetInfo
    requested: frozenset[str]
    labels: LabelFolders


def records_of(
    tables: CocoTables,
    classes: Sequence[str] | None,
    requested: frozenset[str] | None,
    *,
    reach: Reach,
    flip_pairs: Sequence[Pair] | None = None,
    surface_set: SurfaceSet | None = None,
) -> Iterator[CocoRecord | CocoHeader]:
    """Yield a record for each image in the order of the file, and the header last.

    Args:
        tables: what a COCO file, or one of another format, holds.
        classes: names of the classes in the order of their labels, as far as the file has them; None: all, in the order of their ids.
        requested: the kinds of targets that samples are to hold; None: all that the file has. Nothing else is checked and kept.
        reach: where the names of folders of label images may lead.
        flip_pairs: keypoints that change places in a mirrored image, see :func:`keypoint_set`.
        surface_set: what the points of surfaces are; None: they are not looked at.

    Raises:
        DataError: the file cannot be used, see the functions that this one calls.
        ConfigError: ``flip_pairs`` does not fit the keypoints.
    """
    path = tables.path
    chosen = choose_classes(tables, classes)
    keypoints = keypoint_set(path, chosen, tables.annotations, flip_pairs)
    labels = read_extension(path, tables.pet, reach)
    skipped = SkipCounter(path)
    annotations = annotations_of_images(tables, skipped)
    _count_files_listed_again(tables, skipped)
    kinds = _kinds(tables, keypoints, labels, surface_set) if tables.annotated else labels.kinds | (requested or BOXES) & OBJECTS
    requested = choose_kinds(path, kinds, requested)
    label_of: dict[int, int | None] = {row["id"]: None for row in tables.categories}
    label_of.update({row["id"]: label for label, row in enumerate(chosen)})
    reader = ObjectReader(
        path=path,
        labels=label_of,
        names={row["id"]: row["name"] for row in tables.categories},
        with_masks=requested.issuperset(MASKS),
        keypoint_count=len(keypoints.names) if keypoints and requested.issuperset(KEYPOINTS) else 0,
        surface_parts=len(surface_set.names) if surface_set and requested.issuperset(SURFACE) else 0,
        skipped=skipped,
    )
    for image in tables.images:
        yield reader.read(image, annotations[image["id"]])
    skipped.log()
    info = DatasetInfo(
        kinds=kinds,
        classes=[row["name"] for row in chosen],
        category_ids=[row["id"] for row in chosen],
        semseg_classes=labels.semseg_classes,
        keypoint_set=keypoints,
        part_set=labels.part_set,
        surface_set=surface_set,
        void_is_stated=True,
        skipped=skipped.counts,
        left_out=reader.left_out,
        annotated=tables.annotated,
    )
    yield CocoHeader(info, requested, labels)


def _count_files_listed_again(tables: CocoTables, skipped: SkipCounter) -> None:
    """Count the images whose file an image before has too: where the objects were shared out, each has those of the other as background."""
    first: dict[str, int | str] = {}
    for row in tables.images:
        before = first.setdefault(row["file_name"], row["id"])
        if before != row["id"]:
            skipped.add(SAME_FILE, f"{row['file_name']}, images {shown(before)} and {shown(row['id'])}")


def annotations_of_images(tables: CocoTables, skipped: SkipCounter) -> dict[int | str, list[dict[str, Any]]]:
    """Return the annotations of each image, in the order of the file; like pycocotools, without those of other images.

    An id that is a number on one side and text on the other means the same image.
    """
    annotations: dict[int | str, list[dict[str, Any]]] = {image["id"]: [] for image in tables.images}
    by_number = _ids_by_number(annotations)
    for place, row in enumerate(tables.annotations):
        if not isinstance(row, dict):
            raise DataError(f"{tables.path}: annotations[{place}] is a {type(row).__name__}, a dictionary expected")
        image_id = row.get("image_id")
        where = f"{tables.path}: annotations[{place}] (id {shown(row.get('id'))}): its image_id is {shown(image_id)}"
        number = as_whole_number(image_id)
        if number is None and not isinstance(image_id, str):
            raise DataError(f"{where}, an id of 'images' expected")
        meant = [image_id] if image_id in annotations else by_number.get(number, []) if number is not None else []
        if len(meant) > 1:
            raise DataError(f"{where}, which may be the image {' or '.join(map(shown, meant[:2]))}; write it as 'images' does")
        if meant:
            annotations[meant[0]].append(row)
        else:
            skipped.add(UNKNOWN_IMAGE, f"annotation {shown(row.get('id'))} of image {shown(image_id)}")
    count = len(tables.annotations)
    if count and skipped.counts.get(UNKNOWN_IMAGE) == count:
        raise DataError(
            f"{tables.path}: none of the {count} annotations belongs to a listed image: their image_id is, e.g., "
            f"{shown(tables.annotations[0]['image_id'])}, the ids of images are, e.g., {shown(tables.images[0]['id'])}"
        )
    return annotations


def _ids_by_number(ids: Iterable[int | str]) -> dict[int, list[int | str]]:
    """Return number -> the ids of images that mean it, such as 7, "7" and "0007"."""
    found: dict[int, list[int | str]] = {}
    for image_id in ids:
        number = as_whole_number(image_id)
        if number is not None:
            found.setdefault(number, []).append(image_id)
    return found


def _kinds(tables: CocoTables, keypoints: KeypointSet | None, labels: LabelFolders, surface_set: SurfaceSet | None) -> frozenset[str]:
    """Return the kinds of targets that a file has; it has masks as soon as one object has one."""
    has_masks = any(row.get("segmentation") for row in tables.annotations)
    has_keypoints = keypoints is not None and any(row.keys() & KEYPOINTS for row in tables.annotations)
    has_surface = surface_set is not None and any(FIRST_KEY in row for row in tables.annotations)
    found = [(MASKS, has_masks), (KEYPOINTS, has_keypoints), (SURFACE, has_surface)]
    return BOXES.union(labels.kinds, *(kinds for kinds, is_there in found if is_there))
