"""The data set ``walkers``: drawn sequences of people, written in the layout of MOT17 when they are first used."""

import json
import zlib
from pathlib import Path

import cv2
import numpy as np

from pet.data.catalog.source import Source, check_split
from pet.data.datasets.drawn_set import DrawnSet, replaced_folder
from pet.data.datasets.mot import build_mot
from pet.data.datasets.mot_folders import ANNOTATIONS, INFO, MOT_CLASSES
from pet.data.datasets.tracked_objects import TrackedObjects
from pet.data.datasets.walkers_drawing import FRAMES, HEIGHT, HIDDEN, WIDTH, DrawnSequence, draw_sequence, people_of
from pet.data.files.mot_text import FIRST_PIXEL, MotRows, format_annotations

SEQUENCES = {"train": 40, "test": 8}
VERSION = 1
"""Goes up with every change of what is drawn or written; files of another version are written anew."""
GENERATOR, DESCRIPTION = "pet walkers", "walkers.json"
RATE = 10
JPEG_QUALITY = 95
PEDESTRIAN, DISTRACTOR = MOT_CLASSES.index("pedestrian") + 1, MOT_CLASSES.index("distractor") + 1


def build_walkers(source: Source, *, step: int = 1) -> TrackedObjects:
    """Return a split of ``walkers``, 192x128 pixels, 10 frames a second: 40 sequences of 60 frames for training and 8 for testing.

    Five to nine people a sequence, of three colours each, hide each other and walk behind pillars for one or two seconds; some turn there.
    Who is hidden is in the files and not to be counted, as are posters of people. The people of the test are others than those of the
    training.

    Args:
        source: where the files are, or are to be; written where they are absent.
        step: every how many frames one is read.

    Raises:
        ConfigError: there is no such split.
        DataError: the folder cannot be written, or holds something else.
    """
    split = source.split
    check_split("walkers", split)
    images = SEQUENCES[split] * FRAMES
    drawn = DrawnSet("walkers", GENERATOR, VERSION, images, lambda: write_walkers(source.path, split=split, count=SEQUENCES[split]))
    drawn.write_where_absent(source.path / split, DESCRIPTION)
    return build_mot(source, step=step)


def write_walkers(folder: Path, *, split: str, count: int) -> Path:
    """Write the first ``count`` sequences of a split into ``folder/<split>``, replace what is there, and return that folder.

    A sequence depends on split and number alone. Layout: ``WALKERS-01/{img1/000001.jpg, gt/gt.txt, seqinfo.ini}``.
    """
    people = people_of(split)
    with replaced_folder(folder / split) as temporary:
        for number in range(1, count + 1):
            sequence = draw_sequence(np.random.default_rng([zlib.crc32(split.encode()), number]), people)
            _write_sequence(temporary / f"WALKERS-{number:02d}", sequence)
        info = {"description": GENERATOR, "version": VERSION, "split": split, "count": count * FRAMES}
        (temporary / DESCRIPTION).write_text(json.dumps({"info": info}), encoding="utf-8")
    return folder / split


def _write_sequence(folder: Path, sequence: DrawnSequence) -> None:
    (folder / "img1").mkdir(parents=True)
    annotations = folder / ANNOTATIONS
    annotations.parent.mkdir()
    for frame, image in enumerate(sequence.images, start=1):
        encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
        # OpenCV reports a full disk by False alone; write_bytes raises
        (folder / "img1" / f"{frame:06d}.jpg").write_bytes(encoded.tobytes())
    annotations.write_text(format_annotations(_rows(sequence)), encoding="utf-8")
    lines = {
        "name": folder.name,
        "imDir": "img1",
        "frameRate": RATE,
        "seqLength": len(sequence.images),
        "imWidth": WIDTH,
        "imHeight": HEIGHT,
    }
    text = "\n".join(f"{key}={value}" for key, value in {**lines, "imExt": ".jpg"}.items())
    (folder / INFO).write_text(f"[Sequence]\n{text}\n", encoding="utf-8")


def _rows(sequence: DrawnSequence) -> MotRows:
    """Return the lines of the annotations, those of an identity together, as MOT17 has them."""
    frames, people = sequence.visibility.shape
    posters = np.broadcast_to(sequence.posters, (frames, len(sequence.posters), 4))
    corners = np.concatenate([sequence.boxes, posters], axis=1).transpose(1, 0, 2).reshape(-1, 4)
    visibility = np.concatenate([sequence.visibility, np.ones((frames, len(sequence.posters)))], axis=1).T.reshape(-1)
    ids = np.repeat(np.arange(1, people + len(sequence.posters) + 1), frames)
    is_person = ids <= people
    return MotRows(
        frames=np.tile(np.arange(1, frames + 1), people + len(sequence.posters)),
        ids=ids,
        boxes=np.concatenate([corners[:, :2] + FIRST_PIXEL, corners[:, 2:] - corners[:, :2]], axis=1).round(2),
        confidences=(is_person & (visibility >= HIDDEN)).astype(np.float64),
        classes=np.where(is_person, PEDESTRIAN, DISTRACTOR),
        visibility=visibility,
    )
