"""Objects that are followed over the frames of videos and of folders: every detector can be a tracker's eye."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pet.data.datasets.mot_folders import frame_rate
from pet.data.files.mot_text import format_results
from pet.data.targets.drawing import select_found
from pet.prediction.inputs import FileInput
from pet.prediction.output import Output, Predictions
from pet.prediction.run import FilePredictor
from pet.prediction.videos import Video, predict_video
from pet.prediction.whole_images import UNREADABLE, ImageFiles, WholeImages
from pet.tracking import Detections, Tracker, build_tracker
from pet.tracking.tracks import TrackHistory
from petlib.errors import ConfigError, DataError
from petlib.files import write_text_atomically

FRAMES_FOLDER = "img1"
TRAIL_SECONDS = 2.0
NEEDED = ("boxes", "scores", "labels")

FrameTracks = tuple[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]
"""Number, ids, boxes, scores and classes; see :func:`pet.data.files.mot_text.format_results`."""


def follow_objects(predictor: FilePredictor, tracker: str | Mapping[str, Any]) -> "FollowedObjects":
    """Return a predictor that follows what another one finds.

    Args:
        predictor: a detector.
        tracker: name, or name and arguments; see :func:`pet.tracking.build_tracker`.

    Raises:
        ConfigError: it does not look at whole images, or there is no such tracker.
    """
    if not isinstance(predictor, WholeImages):
        raise ConfigError("follow_objects.tracker: given, but the model of this config finds no boxes that could be followed; leave it out")
    return FollowedObjects(predictor, tracker)


class FollowedObjects:
    """Writes what :class:`pet.prediction.WholeImages` does, of objects that have a track, and a text; a ``FilePredictor``.

    A video is a sequence, and so are the images of a folder, in the order of their names. Numbers of tracks begin at 1 in each. Records
    have ``track``; ``<sequence>.txt`` is a file of results of MOTChallenge.

    Args:
        images: the detector.
        tracker: what follows the objects.
    """

    num_images = 1

    def __init__(self, images: WholeImages, tracker: str | Mapping[str, Any]) -> None:
        self.names = images.names
        self._images, self._tracker = images, tracker
        # a mistake is better found before the first image
        self._new_tracker()

    def predict_images(self, inputs: Sequence[FileInput], output: Output) -> None:
        """Write the results of images; those of a folder are a sequence."""
        sequences: dict[Path, list[FileInput]] = {}
        for entry in inputs:
            sequences.setdefault(entry.paths[0].parent, []).append(entry)
        for folder, entries in sequences.items():
            self._predict_folder(folder, entries, output)

    def predict_videos(self, inputs: Sequence[FileInput], output: Output) -> None:
        """Write the results of videos."""
        for entry in inputs:
            try:
                rate = Video(entry.paths[0]).frames_per_second
                frames = FollowedFrames(self._images, self._new_tracker(), rate)
                predict_video(frames, entry, _all_shown(output), {"tracker": self._tracker})
                self._write_text(entry.place, frames.written, output)
            except DataError as error:
                output.leave_out(str(error))

    def _predict_folder(self, folder: Path, entries: Sequence[FileInput], output: Output) -> None:
        own = folder.parent if folder.name == FRAMES_FOLDER else folder
        frames = FollowedFrames(self._images, self._new_tracker(), frame_rate(own))
        shown = _all_shown(output)
        found = self._images.predictor.predict(ImageFiles([entry.paths[0] for entry in entries]))
        for number, (entry, (meta, predictions)) in enumerate(zip(entries, found, strict=True)):
            if UNREADABLE in meta:
                output.leave_out(meta[UNREADABLE])
            else:
                followed = frames.follow(predictions, number, str(entry.paths[0]))
                with output.writing(entry.place) as target:
                    self._images.write(entry.paths[0], target, followed, shown)
            output.progress(1.0)
        above = Path(entries[0].place).parent
        above = above.parent if above.name == FRAMES_FOLDER else above
        # next to the results of the sequence, or in the folder of all results where the sequence is what was asked for
        self._write_text(str(above.parent / own.name), frames.written, output)

    def _new_tracker(self) -> Tracker:
        return build_tracker(self._tracker, place="follow_objects.tracker")

    def _write_text(self, place: str, frames: Sequence[FrameTracks], output: Output) -> None:
        with output.writing(place) as target:
            path = target.with_name(f"{target.name}.txt")
            write_text_atomically(path, format_results(frames))
            output.summary.written.append(path)


class FollowedFrames:
    """The frames of one sequence: what is found in them, with numbers of tracks; a ``FramePredictor``.

    Args:
        images: the detector.
        tracker: of this sequence.
        rate: frames a second.

    Attributes:
        written: the tracks of each frame so far.
    """

    def __init__(self, images: WholeImages, tracker: Tracker, rate: float) -> None:
        self.names, self.frames_at_once = images.names, images.frames_at_once
        self.written: list[FrameTracks] = []
        self._images, self._tracker, self._rate = images, tracker, rate
        self._history = TrackHistory(TRAIL_SECONDS)

    def predict_frames(self, frames: Sequence[np.ndarray], *, first: int, file: Path) -> Iterator[Predictions]:
        """Yield the objects of frames that have a track."""
        for number, predictions in enumerate(self._images.predict_frames(frames, first=first, file=file), start=first):
            yield self.follow(predictions, number, str(file))

    def follow(self, predictions: Predictions, number: int, file: str) -> Predictions:
        """Return the objects of frame ``number``, from 0 on, that have a track: ``identities`` and ``trails`` in addition.

        Raises:
            ConfigError: the model finds no boxes.
        """
        lacking = [field for field in NEEDED if field not in predictions]
        if lacking:
            found = ", ".join(predictions) or "nothing"
            raise ConfigError(
                f"follow_objects.tracker: given, but the model finds {found} in {file} and no {lacking[0]} to follow; leave it out"
            )
        boxes, scores, labels = (predictions[field] for field in NEEDED)
        finite = np.isfinite(boxes).all(axis=1)
        embeddings = predictions.get("embeddings")
        detections = Detections(boxes, np.where(finite, scores, 0.0), labels, embeddings).select(np.flatnonzero(finite))
        ids = np.zeros(len(boxes), np.int64)
        ids[finite] = self._tracker.update(number / self._rate, detections)
        chosen = np.flatnonzero(ids)
        followed = select_found(dict(predictions), chosen)
        trails = self._history.add(number / self._rate, ids[chosen].tolist(), boxes[chosen])
        classes = labels[chosen] + 1 if len(self.names.classes) > 1 else None
        self.written.append((number + 1, ids[chosen], boxes[chosen], scores[chosen], classes))
        return {**followed, "identities": ids[chosen], "trails": trails}


def _all_shown(output: Output) -> Output:
    """Return an output that draws every object that has a track, whatever its score."""
    return replace(output, drawing=output.drawing._replace(score_threshold=0.0, legend=False))
