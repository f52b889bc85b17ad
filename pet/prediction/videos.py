"""Videos: frames in, drawn frames and records out."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import cv2
import numpy as np

from pet.data.files.videos import frame_count, frames_per_second, open_video
from pet.data.targets.drawing import draw_predictions
from pet.prediction.inputs import FileInput
from pet.prediction.output import Output, Predictions
from pet.prediction.writers.records import describe_predictions
from pet.visual.names import TargetNames
from petlib.errors import DataError, OutputError
from petlib.files import temporary_path, write_text_atomically

NOTHING: Mapping[str, Any] = MappingProxyType({})


class FramePredictor(Protocol):
    """The part of a :class:`pet.prediction.FilePredictor` that looks at frames one by one.

    Attributes:
        names: what the numbers in its predictions mean.
        frames_at_once: frames of a video that are kept in memory.
    """

    names: TargetNames
    frames_at_once: int

    def predict_frames(self, frames: Sequence[np.ndarray], *, first: int, file: Path) -> Iterator[Predictions]:
        """Yield what is found in consecutive frames, uint8 (H, W, 3), RGB, from number ``first`` on of the video ``file``."""
        ...


class Video:
    """A video file that is read from its beginning to its end.

    Args:
        path: the file.

    Attributes:
        frames_per_second: as the file says; 25 where it does not.

    Raises:
        DataError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._capture = open_video(path)
        self.frames_per_second = frames_per_second(self._capture)

    def chunks(self, length: int) -> Iterator[list[np.ndarray]]:
        """Yield the frames, RGB, in lists of ``length``; the last one may be shorter. The file is closed at the end."""
        chunk: list[np.ndarray] = []
        try:
            while True:
                found, frame = self._capture.read()
                if not found:
                    break
                chunk.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
                if len(chunk) == length:
                    yield chunk
                    chunk = []
            if chunk:
                yield chunk
        finally:
            self._capture.release()


def count_frames(path: Path) -> int:
    """Return how many frames a video file says that it has; 0 where it says nothing or cannot be read."""
    try:
        capture = open_video(path)
    except DataError:
        # whoever reads it reports it
        return 0
    try:
        return frame_count(capture)
    finally:
        capture.release()


def predict_frame_by_frame(predictor: FramePredictor, inputs: Sequence[FileInput], output: Output) -> None:
    """Write the results of videos; one that cannot be read is reported and left out."""
    for video in inputs:
        try:
            predict_video(predictor, video, output)
        except DataError as error:
            output.leave_out(str(error))


def predict_video(predictor: FramePredictor, entry: FileInput, output: Output, said: Mapping[str, Any] = NOTHING) -> None:
    """Write a drawn video, and one record for all of its frames, with what else is ``said`` of the video.

    Raises:
        DataError: the video cannot be read, or has frames that the model does not take.
        OutputError: the results cannot be written.
    """
    video = Video(entry.paths[0])
    records: list[dict[str, Any]] = []
    # the height of a legend would change from frame to frame
    drawing = output.drawing._replace(legend=False)
    with output.writing(entry.place) as target:
        written = target.with_name(f"{target.name}.mp4"), target.with_name(f"{target.name}.json")
        with open_drawn_video(written[0], video.frames_per_second) as drawn:
            for frame, predictions in _predict(predictor, video):
                drawn.write(draw_predictions(frame, predictions, predictor.names, drawing))
                time = round(len(records) / video.frames_per_second, 4)
                record = describe_predictions(predictions, (frame.shape[0], frame.shape[1]), predictor.names)
                records.append({"frame": len(records), "time": time, **record})
                output.count(predictions, predictor.names)
                output.summary.frames += 1
                output.progress(1.0)
            if not records:
                raise DataError(f"{video.path}: the video has no frame that can be read")
        content = {"file": str(video.path), "frames_per_second": video.frames_per_second, **said, "frames": records}
        write_text_atomically(written[1], json.dumps(content, ensure_ascii=False))
        output.summary.written += written


def _predict(predictor: FramePredictor, video: Video) -> Iterator[tuple[np.ndarray, Predictions]]:
    """Yield the frames of a video and what is found in them."""
    first = 0
    for frames in video.chunks(predictor.frames_at_once):
        yield from zip(frames, predictor.predict_frames(frames, first=first, file=video.path), strict=True)
        first += len(frames)


@contextmanager
def open_drawn_video(path: Path, frames_per_second: float) -> Iterator["DrawnVideo"]:
    """Give an MP4 file that is written frame by frame; after an exception there is none."""
    with temporary_path(path) as temporary:
        drawn = DrawnVideo(temporary, frames_per_second)
        try:
            yield drawn
        finally:
            drawn.close()


class DrawnVideo:
    """An MP4 file that is written frame by frame; the first one opens it.

    Args:
        path: the file.
        frames_per_second: its rate.
    """

    def __init__(self, path: Path, frames_per_second: float) -> None:
        self._path = path
        self._frames_per_second = frames_per_second
        self._file: cv2.VideoWriter | None = None

    def write(self, picture: np.ndarray) -> None:
        """Append a picture, uint8 (H, W, 3), RGB; rows and columns become even in number, as video formats want them.

        Raises:
            OutputError: the file cannot be opened.
        """
        bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
        frame = cv2.copyMakeBorder(bgr, 0, bgr.shape[0] % 2, 0, bgr.shape[1] % 2, cv2.BORDER_REPLICATE)
        if self._file is None:
            size = frame.shape[1], frame.shape[0]
            self._file = cv2.VideoWriter(str(self._path), cv2.VideoWriter.fourcc(*"mp4v"), self._frames_per_second, size)
            if not self._file.isOpened():
                raise OutputError(f"{self._path.parent}: the video cannot be written; is the folder writable?")
        self._file.write(frame)

    def close(self) -> None:
        """Finish the file, where it was opened."""
        if self._file is not None:
            self._file.release()
