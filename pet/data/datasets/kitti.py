"""Objects in space in KITTI's folders, seen by a LiDAR or by a camera; also folders of one's own without images."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pet.data.catalog.source import Source
from pet.data.files.images import image_size, read_image
from pet.data.files.kitti_text import DONT_CARE, read_calibration, read_objects
from pet.data.files.opening import read_text
from pet.data.files.point_files import SUFFIXES, read_points
from pet.data.targets.dataset import Dataset, DatasetInfo, ImageTruth
from pet.data.targets.kinds import choose_kinds
from pet.structures.calibration import Calibration
from pet.structures.objects3d import Objects3D
from petlib.data.protocols import Sample
from petlib.data.records import share_records
from petlib.errors import DataError

USUAL_CLASSES = ("Car", "Pedestrian", "Cyclist")
LISTS, TRAINING, TESTING = "ImageSets", "training", "testing"
LABELS, CALIBRATIONS, POINTS, IMAGES = "label_2", "calib", "velodyne", "image_2"
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")


class Frame(NamedTuple):
    """What is known of a frame before its points or image are read.

    Attributes:
        name: of its files, without suffix.
        points: its file of points; empty: there is none.
        image: its image; empty: there is none.
        size: (height, width) of the image; None: there is none.
        calibration: of its devices.
        objects: what is annotated; None: nothing is.
    """

    name: str
    points: str
    image: str
    size: tuple[int, int] | None
    calibration: Calibration
    objects: Objects3D | None


class KittiDataset(Dataset):
    """Frames of ``training/{velodyne,image_2,calib,label_2}``, named by ``ImageSets/<split>.txt`` or all that are there.

    Without images, boxes in them or ``calib`` the folders serve points; labels may then be ``x y z length width height yaw type`` in the
    frame of the points. Samples of points have boxes in the frame ``lidar``, samples of images in the frame ``camera`` and the boxes in
    the image (``boxes`` and ``labels``). Objects of other classes are left out of samples and kept in the truth, for KITTI's metric.

    Args:
        folder: with ``training``, or with the folders of frames themselves.
        split: ``train``, ``val``, ``trainval``, ``test`` or the name of another list.
        of_points: samples have points; else images.
        classes: their names; None: Car, Pedestrian and Cyclist, or where none of these occurs all that do.
        kinds: kinds of targets of the samples; None: all.

    Raises:
        DataError: files are missing or wrong.
    """

    def __init__(
        self,
        *,
        folder: Path,
        split: str = "train",
        of_points: bool = True,
        classes: Sequence[str] | None = None,
        kinds: frozenset[str] | None = None,
    ) -> None:
        self._of_points = of_points
        root = _frames_folder(folder, split)
        annotated = (root / LABELS).is_dir()
        available = frozenset({"boxes3d"} if of_points else {"boxes3d", "boxes"})
        choose_kinds(folder, available, kinds)
        self._frames = share_records(lambda: [_read_frame(root, name, of_points) for name in _names(folder, root, split, of_points)])
        counts = Counter(str(name) for frame in self._frames if frame.objects is not None for name in frame.objects.types)
        chosen = list(classes or [name for name in USUAL_CLASSES if counts[name]] or sorted(set(counts) - {DONT_CARE}) or USUAL_CLASSES)
        if classes is None and set(chosen) <= set(USUAL_CLASSES):
            chosen = list(USUAL_CLASSES)
        self._labels = {name: label for label, name in enumerate(chosen)}
        self.info = DatasetInfo(kinds=available, classes=chosen, annotated=annotated)

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> Sample:
        frame = self._frames[index]
        meta: dict[str, Any] = {
            "id": frame.name,
            "file": self.file_of(index),
            "calibration": frame.calibration,
            "frame3d": "lidar" if self._of_points else "camera",
        }
        meta |= {"size": frame.size} if frame.size else {}
        pixels = {"points": read_points(Path(frame.points))} if self._of_points else {"image": read_image(frame.image)}
        return {**pixels, **self._targets(frame), "meta": meta}

    def file_of(self, index: int) -> str:
        """Return the file of points, or the image, of a sample."""
        frame = self._frames[index]
        return frame.points if self._of_points else frame.image

    def truth(self, index: int) -> ImageTruth:
        """Return what is annotated in a frame."""
        frame = self._frames[index]
        height, width = frame.size or (0, 0)
        truth = ImageTruth.without_objects(image_id=frame.name, file=self.file_of(index), size=(height, width))
        if frame.objects is None:
            return truth
        chosen, labels = self._chosen(frame.objects)
        boxes = frame.objects.boxes2d[chosen].astype(np.float32)
        return truth._replace(
            boxes=boxes,
            labels=labels,
            crowd=np.zeros(len(labels), bool),
            areas=(boxes[:, 2:] - boxes[:, :2]).prod(axis=1),
            objects3d=frame.objects,
        )

    def _chosen(self, objects: Objects3D) -> tuple[np.ndarray, np.ndarray]:
        """Return the places of the objects of the classes, and their labels."""
        labels = np.array([self._labels.get(str(name), -1) for name in objects.types], np.int64)
        return np.flatnonzero(labels >= 0), labels[labels >= 0]

    def _targets(self, frame: Frame) -> dict[str, Any]:
        objects = Objects3D.empty() if frame.objects is None else frame.objects
        chosen, labels = self._chosen(objects)
        boxes = objects.boxes[chosen]
        if self._of_points:
            return {"boxes3d": boxes.to_lidar(frame.calibration).values.astype(np.float32), "labels3d": labels}
        assert frame.size is not None, "a sample of images has an image"
        inside = np.clip(objects.boxes2d[chosen], 0, np.array([frame.size[1], frame.size[0]] * 2)).astype(np.float32)
        seen = (inside[:, 2:] > inside[:, :2]).all(axis=1)
        spatial = {"boxes3d": boxes.values.astype(np.float32), "labels3d": labels}
        return {**spatial, "boxes": inside[seen], "labels": labels[seen]}


def _frames_folder(folder: Path, split: str) -> Path:
    """Return the folder whose folders have the files of frames."""
    name = TESTING if split == "test" and (folder / TESTING).is_dir() else TRAINING
    root = folder / name if (folder / name).is_dir() else folder
    if not any((root / part).is_dir() for part in (POINTS, IMAGES)):
        raise DataError(
            f"{root}: neither {POINTS} nor {IMAGES} in it; folders as of KITTI expected, e.g. {folder / TRAINING / POINTS / '000000.bin'}. "
            "Paths of the catalogue start from Source.root"
        )
    return root


def _names(folder: Path, root: Path, split: str, of_points: bool) -> list[str]:
    """Return the names of the frames of a split: those of its list, else all that have points or an image."""
    place = folder / LISTS / f"{split}.txt"
    if place.is_file():
        return [line.strip() for line in read_text(place, what="the list of frames").splitlines() if line.strip()]
    files, suffixes = root / (POINTS if of_points else IMAGES), SUFFIXES if of_points else IMAGE_SUFFIXES
    names = sorted(file.stem for file in files.iterdir() if file.suffix.lower() in suffixes) if files.is_dir() else []
    if not names:
        raise DataError(f"{files}: no frame in it ({', '.join(suffixes)}), and no list {place}")
    return names


def _read_frame(root: Path, name: str, of_points: bool) -> Frame:
    points, image = _existing(root / POINTS, name, SUFFIXES), _existing(root / IMAGES, name, IMAGE_SUFFIXES)
    if not (points if of_points else image):
        files, suffixes = (POINTS, SUFFIXES) if of_points else (IMAGES, IMAGE_SUFFIXES)
        raise DataError(f"{root / files / name}: there is no such file with one of the suffixes {', '.join(suffixes)}")
    place = root / CALIBRATIONS / f"{name}.txt"
    calibration = Calibration.of_lidar_alone()
    if image or place.is_file():
        calibration = read_calibration(place)
    labels = root / LABELS
    objects = read_objects(labels / f"{name}.txt", calibration) if labels.is_dir() else None
    return Frame(name, points, image, image_size(Path(image)) if image else None, calibration, objects)


def _existing(folder: Path, name: str, suffixes: Sequence[str]) -> str:
    return next((str(path) for suffix in suffixes if (path := folder / f"{name}{suffix}").is_file()), "")


def build_kitti_points(source: Source) -> KittiDataset:
    """Return frames of points with boxes in space."""
    return KittiDataset(folder=source.path, split=source.split, of_points=True, classes=source.classes, kinds=source.kinds)


def build_kitti_images(source: Source) -> KittiDataset:
    """Return images with boxes in space and in the image."""
    return KittiDataset(folder=source.path, split=source.split, of_points=False, classes=source.classes, kinds=source.kinds)
