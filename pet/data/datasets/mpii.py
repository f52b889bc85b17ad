"""People and their 16 joints, in the files of MPII as HRNet publishes them."""

import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat

from pet.data.catalog.source import Source
from pet.data.files.allowed_paths import INSIDE, Reach
from pet.data.files.images import image_size, read_sized_image
from pet.data.files.json_files import read_json
from pet.data.files.json_values import as_number, as_numbers
from pet.data.files.limits import shown
from pet.data.files.opening import read_file
from pet.data.targets.dataset import Dataset, DatasetInfo, ImageTruth, KeypointSet
from pet.data.targets.kinds import choose_kinds
from pet.data.targets.left_right import swap_from_names
from petlib.data.protocols import Sample
from petlib.data.records import share_records
from petlib.errors import ConfigError, DataError

MPII_KEYPOINTS = (
    *("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "pelvis", "thorax"),
    *("upper_neck", "head_top", "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist"),
)
SKELETON = (
    *((0, 1), (1, 2), (2, 6), (5, 4), (4, 3), (3, 6), (6, 7), (7, 8), (8, 9)),
    *((10, 11), (11, 12), (12, 7), (15, 14), (14, 13), (13, 7)),
)
SIGMAS = (0.089, 0.083, 0.107, 0.107, 0.083, 0.089, 0.026, 0.026, 0.026, 0.026, 0.062, 0.072, 0.179, 0.179, 0.072, 0.062)
"""Spreads as of https://github.com/open-mmlab/mmpose; MPII itself measures PCKh."""

PERSON_HEIGHT = 200.0
"""Pixels of a person of scale 1."""
DOWNWARDS = 15.0
"""Pixels, times the scale, by which the centre is moved so that feet are inside, as in https://github.com/princeton-vl/pose-hg-train."""
HEAD_SHARE = 0.6
MATLAB_ORIGIN = 0.5
"""The centre of the first pixel is 1 in the files and 0.5 here."""

logger = logging.getLogger(__name__)


class MpiiDataset(Dataset):
    """Photographs of people with 16 joints each (https://www.mpi-inf.mpg.de/departments/computer-vision-and-machine-learning/).

    The annotations are a list of people, ``{"image", "center", "scale", "joints", "joints_vis"}``, as the files ``train.json`` and
    ``valid.json`` of https://github.com/HRNet/deep-high-resolution-net.pytorch. A box is a square of the height of the person around
    the centre. Where ``gt_valid.mat`` lies next to ``valid.json`` it gives the boxes of heads, which PCKh needs; the order of the people
    in both files is the same.

    Args:
        images: the folder of the images.
        annotations: the JSON file.
        kinds: kinds of targets of the samples, of ``boxes`` and ``keypoints``; None: both.
        reach: where the names of images may lead.

    Raises:
        DataError: files are missing or wrong, or other kinds are requested.
    """

    info = DatasetInfo(
        kinds=frozenset({"boxes", "keypoints"}),
        classes=["person"],
        keypoint_set=KeypointSet(MPII_KEYPOINTS, swap_from_names(MPII_KEYPOINTS), SKELETON, SIGMAS),
    )

    def __init__(self, *, images: Path, annotations: Path, kinds: frozenset[str] | None = None, reach: Reach = INSIDE) -> None:
        choose_kinds(annotations, self.info.kinds, kinds)
        self._annotations = annotations
        self._records = share_records(lambda: _read_records(images, annotations, reach))

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> Sample:
        truth = self.truth(index)
        size = truth.height, truth.width
        assert self.info.keypoint_set is not None, "the keypoints are listed above"
        meta: dict[str, Any] = {"id": truth.id, "file": truth.file, "size": size, "keypoint_swap": self.info.keypoint_set.swap}
        return {
            "image": read_sized_image(Path(truth.file), size=size, record=f"{truth.id} of {self._annotations}"),
            "boxes": np.clip(truth.boxes, 0, np.array([size[1], size[0]] * 2, np.float32)),
            "labels": truth.labels,
            "keypoints": truth.keypoints,
            "meta": meta,
        }

    def file_of(self, index: int) -> str:
        """Return the file of a sample's image, without reading it."""
        return self.truth(index).file

    def truth(self, index: int) -> ImageTruth:
        """Return the people of an image."""
        truth: ImageTruth = self._records[index]
        return truth


def _read_records(images: Path, annotations: Path, reach: Reach) -> Iterator[ImageTruth]:
    people = read_json(annotations, what="the annotations of MPII")
    if not isinstance(people, list) or not people:
        raise DataError(f"{annotations}: a list of people expected, as in train.json and valid.json of HRNet")
    heads = _head_lengths(annotations, len(people))
    by_image: dict[str, list[int]] = {}
    for place, person in enumerate(people):
        if not isinstance(person, dict) or not isinstance(person.get("image"), str):
            raise DataError(f"{annotations}: entry {place} is {shown(person)}; image, center, scale, joints and joints_vis expected")
        by_image.setdefault(person["image"], []).append(place)
    logger.info("mpii: %d people in %d images", len(people), len(by_image))
    for name, places in by_image.items():
        reach.check(name, images, str(annotations))
        height, width = image_size(images / name)
        read = [_read_person(annotations, place, people[place]) for place in places]
        yield ImageTruth(
            id=name,
            file=str(images / name),
            height=height,
            width=width,
            boxes=np.array([box for box, _ in read], np.float32),
            labels=np.zeros(len(read), np.int64),
            crowd=np.zeros(len(read), bool),
            areas=np.array([_area(joints) for _, joints in read], np.float32),
            keypoints=np.stack([joints for _, joints in read]),
            head_lengths=None if heads is None else heads[places],
        )


def _read_person(path: Path, place: int, person: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return the box (4,), XYXY, and the joints, float32 (16, 3)."""
    centre, scale = as_numbers(person.get("center")), as_number(person.get("scale"))
    joints, seen = person.get("joints"), person.get("joints_vis")
    count = len(MPII_KEYPOINTS)
    points = [as_numbers(joint) for joint in joints] if isinstance(joints, list) else []
    marked = as_numbers(seen) or []
    if centre is None or len(centre) != 2 or not scale or scale <= 0:
        given = f"the center {shown(person.get('center'))} and the scale {shown(person.get('scale'))}"
        raise DataError(f"{path}: entry {place} has {given}, [x, y] and a number above 0 expected")
    if len(points) != count or len(marked) != count or not all(point is not None and len(point) == 2 for point in points):
        expected = f"{count} joints [x, y] and {count} numbers joints_vis expected"
        raise DataError(f"{path}: entry {place}: {expected}; {shown(joints)} and {shown(seen)} given")
    x, y, half = centre[0] - MATLAB_ORIGIN, centre[1] - MATLAB_ORIGIN + DOWNWARDS * scale, PERSON_HEIGHT * scale / 2
    visible = np.array(marked, np.float32)[:, None] > 0
    own = np.concatenate([np.array(points, np.float32) - MATLAB_ORIGIN, np.where(visible, 2.0, 0.0)], axis=1)
    return np.array([x - half, y - half, x + half, y + half]), np.where(visible, own, 0.0).astype(np.float32)


def _area(joints: np.ndarray) -> float:
    """Return the area around the joints that are marked, square pixels, at least 1."""
    marked = joints[joints[:, 2] > 0, :2]
    return max(float(np.ptp(marked, axis=0).prod()), 1.0) if len(marked) else 1.0


def _head_lengths(annotations: Path, people: int) -> np.ndarray | None:
    """Return the length of each head, float32 (people,), from the file of MATLAB next to the annotations; None: there is none."""
    stem = annotations.stem.removeprefix("mpii_")
    names = (f"gt_{stem}.mat", f"mpii_gt_{stem}.mat")
    path = next((path for name in names if (path := annotations.with_name(name)).is_file()), None)
    if path is None:
        return None
    try:
        boxes = np.asarray(loadmat(io.BytesIO(read_file(path, what="the boxes of heads")))["headboxes_src"], np.float64)
    except (ValueError, TypeError, KeyError, OSError, NotImplementedError) as error:
        raise DataError(f"{path}: no file of MATLAB with headboxes_src: {error}") from error
    if boxes.shape != (2, 2, people):
        raise DataError(
            f"{path}: headboxes_src has the shape {boxes.shape}, (2, 2, {people}) expected: a box for each entry of {annotations}"
        )
    lengths: np.ndarray = (HEAD_SHARE * np.linalg.norm(boxes[1] - boxes[0], axis=0)).astype(np.float32)
    return lengths


def build_mpii(source: Source) -> MpiiDataset:
    """Return the images of ``source.path`` with the annotations of ``source.annotations``.

    Raises:
        ConfigError: the source names no annotations.
    """
    if source.annotations is None:
        raise ConfigError(f"{source.path}: data of the type mpii need annotations: the path of their JSON file")
    return MpiiDataset(images=source.path, annotations=source.annotations, kinds=source.kinds, reach=source.reach)
