"""Data sets of videos: files or folders of frames, with one class or several."""

import logging
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pet.data.catalog.source import Source
from pet.data.datasets import motions
from pet.data.datasets import video_records as records_of
from pet.data.datasets.frame_counts import count_frames
from pet.data.datasets.video_records import Records, VideoRecord, class_names
from pet.data.files.videos import FrameFolder, FrameSource, VideoFacts, VideoFile
from pet.data.targets.dataset import Dataset, DatasetInfo
from petlib.data.records import share_records
from petlib.errors import ConfigError, DataError
from petlib.suggest import counted

USUAL_FRAME_NAME = "img_{:05}.jpg"
ONE_LABEL, SEVERAL_LABELS = "label", "multilabel"
GROUPS = (re.compile(r"(v_\w+_g\d+)_c\d+"), re.compile(r"([\w-]{11})_\d{6}_\d{6}"))
"""Names of files that say which video they were cut from: those of UCF101 and of Kinetics."""

logger = logging.getLogger(__name__)


class Videos(Dataset):
    """Videos with their classes: ``clip``, a :class:`pet.data.files.videos.FrameSource`, and ``label``, or ``multilabel`` uint8 (K,).

    The frames of files are counted once by decoding, see :func:`pet.data.datasets.frame_counts.count_frames`.

    Args:
        root: folder that the paths start from.
        records: gives the videos and what was left out.
        place: what messages call the data.
        classes: names of the classes in the order of their numbers; None: those that occur.
        kinds: kinds of targets that samples are to have: ``label``, ``multilabel``; None: ``label``.
        frame_name: name of the images in folders of frames.

    Raises:
        DataError: files are missing or wrong, or a label is none of the classes.
    """

    def __init__(
        self,
        *,
        root: Path,
        records: Callable[[], Records],
        place: Path,
        classes: list[str] | None = None,
        kinds: frozenset[str] | None = None,
        frame_name: str = USUAL_FRAME_NAME,
    ) -> None:
        self._root, self._frame_name, self._kind = root, frame_name, SEVERAL_LABELS if kinds == frozenset({SEVERAL_LABELS}) else ONE_LABEL
        found = list(records())
        listed = [record for record in found if isinstance(record, VideoRecord)]
        names = class_names(listed, place)
        self._classes = classes or ([str(number) for number in range(names)] if isinstance(names, int) else names)
        self._check_labels(listed, place)
        self._records = share_records(lambda: _with_facts(root, listed))
        single = all(len(record.labels) == 1 for record in listed)
        groups = [group_of(record.path) for record in listed]
        self.info = DatasetInfo(
            kinds=frozenset({SEVERAL_LABELS, *([ONE_LABEL] if single else [])}),
            classes=self._classes,
            numbered=isinstance(names, int) and not classes,
            sided_classes=True,
            groups=_numbers_of(groups) if any(groups) else None,
            skipped=next(counts for counts in found if isinstance(counts, dict)),
        )

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> dict[str, Any]:
        record, facts = self._records[index]
        clip = self._source(record, facts)
        clip.check()
        labels = self.labels_of(index)
        target: Any = int(labels[0])
        if self._kind == SEVERAL_LABELS:
            target = np.zeros(len(self._classes), np.uint8)
            target[labels] = 1
        meta = {"id": index, "file": str(self._root / record.path), "group": group_of(record.path)}
        return {"clip": clip, self._kind: target, "meta": meta}

    def file_of(self, index: int) -> str:
        """Return the file of a video, without reading it."""
        return str(self._root / self._records[index][0].path)

    def labels_of(self, index: int) -> np.ndarray:
        """Return the classes of a video."""
        labels = self._records[index][0].labels
        return np.array([label if isinstance(label, int) else self._classes.index(label) for label in labels], np.int64)

    def _source(self, record: VideoRecord, facts: VideoFacts) -> FrameSource:
        path = self._root / record.path
        if record.frames:
            return FrameFolder(path, name=self._frame_name, first=record.first, count=record.frames)
        return VideoFile(path, facts)

    def _check_labels(self, listed: list[VideoRecord], place: Path) -> None:
        known = {*self._classes, *range(len(self._classes))}
        for record in listed:
            unknown = [label for label in record.labels if label not in known]
            if unknown:
                shown = ", ".join(self._classes[:10]) + (", ..." if len(self._classes) > 10 else "")
                raise DataError(
                    f"{place}{f':{record.line}' if record.line else ''}: the class {unknown[0]!r} of {record.path} is none of the "
                    f"{counted(len(self._classes), 'class')} ({shown}); correct it, or name all classes in Source.classes"
                )


def _with_facts(root: Path, listed: list[VideoRecord]) -> Iterator[tuple[VideoRecord, VideoFacts]]:
    facts = count_frames(root, [record.path for record in listed if not record.frames])
    return ((record, facts.get(record.path, VideoFacts(record.frames))) for record in listed)


def group_of(path: str) -> str:
    """Return which video a clip was cut from, where its name says it; else an empty text."""
    stem = Path(path).stem
    return next((match[1] for pattern in GROUPS if (match := pattern.fullmatch(stem))), "")


def _numbers_of(groups: list[str]) -> np.ndarray:
    """Return a number for each group; a clip of which none is known is one of its own."""
    named = [group or f"alone {place}" for place, group in enumerate(groups)]
    return np.unique(named, return_inverse=True)[1].astype(np.int64)


def build_video_folder(source: Source) -> Videos:
    """Return the videos below a folder for each class."""
    records = partial(records_of.in_class_folders, source.path)
    return Videos(root=source.path, records=records, place=source.path, classes=source.classes, kinds=source.kinds)


def build_video_list(source: Source) -> Videos:
    """Return the videos of a list: ``annotations``, whose paths start from ``path``, or else ``path``, whose folder they start from."""
    path, root = _list_and_root(source)
    records = partial(records_of.in_video_list, path, source.separator, source.reach, root)
    return Videos(root=root, records=records, place=path, classes=source.classes, kinds=source.kinds)


def build_frame_list(source: Source) -> Videos:
    """Return the folders of frames of a list, as :func:`build_video_list` returns videos.

    Raises:
        ConfigError: the name of the frames has no place for a number.
    """
    path, root = _list_and_root(source)
    name = source.frame_name or USUAL_FRAME_NAME
    try:
        has_number = name.format(1) != name.format(2)
    except (IndexError, KeyError, ValueError):
        has_number = False
    if not has_number:
        raise ConfigError(f"Source.frame_name: {name!r} given, a name with a place for the number expected, e.g. {USUAL_FRAME_NAME}")
    records = partial(records_of.in_frame_list, path, source.separator, source.reach, root, 1)
    return Videos(root=root, records=records, place=path, classes=source.classes, kinds=source.kinds, frame_name=name)


def build_ucf101(source: Source) -> Videos:
    """Return a split of UCF101: ``path`` has the class folders, ``annotations`` the lists."""
    folder = source.annotations or source.path
    classes = source.classes or records_of.ucf101_classes(folder)
    return Videos(root=source.path, records=partial(records_of.in_ucf101, source), place=folder, classes=classes, kinds=source.kinds)


def build_something(source: Source) -> Videos:
    """Return the videos of a JSON file of Something-Something, ``annotations``, with ``labels.json`` next to it."""
    path = source.annotations or source.path
    classes = source.classes or records_of.something_classes(path)
    return Videos(root=source.path, records=partial(records_of.in_something, source), place=path, classes=classes, kinds=source.kinds)


def build_kinetics(source: Source) -> Videos:
    """Return the videos of a CSV file of Kinetics, ``annotations``, that are below ``path``."""
    path = source.annotations or source.path
    return Videos(root=source.path, records=partial(records_of.in_kinetics, source), place=path, classes=source.classes, kinds=source.kinds)


def video_class_names(source: Source, entry_type: str) -> list[str] | int:
    """Return the classes of a data set of videos, or where labels are numbers how many there are, without a look at the videos.

    Raises:
        DataError: its files are missing or wrong.
    """
    path, root = _list_and_root(source)
    match entry_type:
        case "motions":
            return list(motions.CLASSES)
        case "ucf101":
            return records_of.ucf101_classes(source.annotations or source.path)
        case "something_something":
            return records_of.something_classes(source.annotations or source.path)
        case "kinetics":
            records = records_of.in_kinetics(source)
        case "frame_list":
            records = records_of.in_frame_list(path, source.separator, source.reach, root, 1)
        case _:
            records = records_of.in_video_list(path, source.separator, source.reach, root)
    return class_names([record for record in records if isinstance(record, VideoRecord)], path)


def _list_and_root(source: Source) -> tuple[Path, Path]:
    return (source.path, source.path.parent) if source.annotations is None else (source.annotations, source.path)
