"""Frames with objects that have identities: what the readers of MOTChallenge, JDE and CrowdHuman share."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from pet.data.files.images import read_sized_image
from pet.data.targets.boxes import clip_boxes
from pet.data.targets.dataset import Dataset, DatasetInfo, ImageTruth
from petlib.data.protocols import Sample
from petlib.data.records import share_records


class TrackedHeader(NamedTuple):
    """What holds for all images.

    Attributes:
        classes: their names.
        num_identities: how many occur.
        sequences: number of the sequence of each image; None: they are single images.
        lacking: the file that would say what is in the images, where there is none; empty: it is known.
        skipped: what was left out, reason -> how often.
    """

    classes: Sequence[str]
    num_identities: int
    sequences: np.ndarray | None = None
    lacking: str = ""
    skipped: dict[str, int] = {}


class TrackedObjects(Dataset):
    """Images with ``boxes``, ``labels`` and ``identities``; ``meta`` of frames has ``sequence``, ``frame`` (from 1 on), ``time`` (seconds).

    Boxes are cut off at the edges of the image, and those of which nothing is left are no objects; :meth:`truth` has them as the files
    have them, with what is not counted as crowd.

    Args:
        read: yields a record for each image, and the header last; one process of a machine calls it.
        record: what says the sizes of the images, for messages.
    """

    def __init__(self, read: Callable[[], Iterator[ImageTruth | TrackedHeader]], *, record: str) -> None:
        self._records = share_records(read)
        self._record = record
        header = cast("TrackedHeader", self._records[-1])
        self.info = DatasetInfo(
            kinds=frozenset({"boxes", "identities"}),
            classes=header.classes,
            num_identities=header.num_identities,
            groups=header.sequences,
            annotated=not header.lacking,
            lacking=header.lacking,
            skipped=header.skipped,
        )

    def __len__(self) -> int:
        return len(self._records) - 1

    def __getitem__(self, index: int) -> Sample:
        truth = self.truth(index)
        size = truth.height, truth.width
        meta: dict[str, Any] = {"id": truth.id, "file": truth.file, "size": size}
        if truth.sequence:
            meta |= {"sequence": truth.sequence, "frame": truth.frame, "time": truth.time}
        sample: Sample = {"image": read_sized_image(Path(truth.file), size=size, record=self._record), "meta": meta}
        boxes, kept = clip_boxes(truth.boxes.astype(np.float64), size, min_share=0.0)
        kept &= ~truth.crowd
        assert truth.identities is not None, truth.file
        return {**sample, "boxes": boxes[kept], "labels": truth.labels[kept], "identities": truth.identities[kept]}

    def file_of(self, index: int) -> str:
        """Return the file of a sample's image, without reading it."""
        return self.truth(index).file

    def truth(self, index: int) -> ImageTruth:
        """Return the objects of an image."""
        # the header is behind the last image
        return cast("ImageTruth", self._records[range(len(self))[index]])
