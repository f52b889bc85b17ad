"""Looks at files and writes what was found, as pictures and as JSON."""

import json
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pet.data.files.images import read_image
from pet.vision.inference.inputs import UNREADABLE, Frames, ImageFiles, Inputs, Video
from pet.vision.inference.predictor import Predictor
from pet.vision.inference.records import describe_predictions, label_images
from pet.visual.drawing import draw_predictions
from pet.visual.names import TargetNames
from pet.visual.settings import DrawSettings
from petlib.errors import DataError, OutputError
from petlib.files import write_text_atomically

JPEG_QUALITY = 92
CHUNK_BATCHES = 4
"""Batches of a video that are in memory at once."""

logger = logging.getLogger(__name__)


@dataclass
class Summary:
    """What was done.

    Attributes:
        images: images that were looked at.
        frames: frames of videos that were looked at.
        objects: objects of each class above the score threshold, in all of them.
        unreadable: why files could not be read, one message each.
    """

    images: int = 0
    frames: int = 0
    objects: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)


def run_inference(
    predictor: Predictor,
    inputs: Inputs,
    folder: Path,
    *,
    names: TargetNames,
    settings: DrawSettings,
    progress: Callable[[], None] = lambda: None,
) -> Summary:
    """Write ``<name>.jpg`` and ``<name>.json`` for each image, a video and ``<name>.json`` for each video.

    Label images are written beside, as ``<name>_semseg.png`` and ``<name>_parsing.png``. Sub-folders are kept. A file that cannot be
    read is told and left out.

    Args:
        predictor: the model.
        inputs: the files.
        folder: where the results go; it is made.
        names: what the numbers of the model mean.
        settings: what is drawn.
        progress: called for each image and frame.

    Raises:
        OutputError: the folder is the one of the inputs, whose images would be overwritten, or cannot be written.
    """
    if folder.resolve() == inputs.root.resolve():
        raise OutputError(f"--out {folder}: this folder holds the images, which would be overwritten; choose another one")
    summary = Summary()
    places = dict(zip([*inputs.images, *inputs.videos], _places(inputs), strict=True))
    writer = _Writer(folder, names=names, settings=settings, summary=summary)
    # the next batches are prepared by loader workers meanwhile
    for meta, predictions in predictor.predict(ImageFiles(inputs.images)) if inputs.images else ():
        if UNREADABLE in meta:
            summary.unreadable.append(meta[UNREADABLE])
            logger.warning("left out: %s", meta[UNREADABLE])
        else:
            writer.write_image(Path(meta["file"]), places[Path(meta["file"])], predictions)
        progress()
    for path in inputs.videos:
        try:
            writer.write_video(Video(path), places[path], predictor, progress)
        except DataError as error:
            summary.unreadable.append(str(error))
            logger.warning("left out: %s", error)
    return summary


class _Writer:
    """Writes the results of files."""

    def __init__(self, folder: Path, *, names: TargetNames, settings: DrawSettings, summary: Summary) -> None:
        self._folder = folder
        self._names = names
        self._settings = settings
        self._summary = summary

    def write_image(self, path: Path, place: str, predictions: dict[str, np.ndarray]) -> None:
        """Write what was found in an image."""
        image = read_image(path)
        size = image.shape[0], image.shape[1]
        record = {"file": str(path), **describe_predictions(predictions, size, self._names)}
        target = self._target(place)
        for kind, labels in label_images(predictions, size, self._names, self._settings.score_threshold).items():
            record[kind] = f"{target.name}_{kind}.png"
            _write_picture(target.with_name(record[kind]), labels)
        drawn = draw_predictions(image, predictions, self._names, self._settings)
        _write_picture(target.with_name(f"{target.name}.jpg"), cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
        write_text_atomically(target.with_name(f"{target.name}.json"), json.dumps(record, ensure_ascii=False))
        self._count(predictions)
        self._summary.images += 1

    def write_video(self, video: Video, place: str, predictor: Predictor, progress: Callable[[], None]) -> None:
        """Write a drawn video, and one record for all of its frames."""
        records: list[dict[str, Any]] = []
        target = self._target(place)
        # the height of a legend would change from frame to frame
        frame_settings = replace(self._settings, legend=False)
        output: cv2.VideoWriter | None = None
        try:
            for chunk in video.chunks(CHUNK_BATCHES * predictor.batch_size):
                frames = Frames(chunk, first=len(records), file=video.path)
                for frame, (_, predictions) in zip(chunk, predictor.predict(frames), strict=True):
                    size = frame.shape[0], frame.shape[1]
                    drawn = _even(draw_predictions(frame, predictions, self._names, frame_settings))
                    output = output or _open_video(target.with_name(f"{target.name}.mp4"), drawn, video.frames_per_second)
                    output.write(drawn)
                    time = round(len(records) / video.frames_per_second, 4)
                    records.append({"frame": len(records), "time": time, **describe_predictions(predictions, size, self._names)})
                    self._count(predictions)
                    self._summary.frames += 1
                    progress()
        finally:
            if output is not None:
                output.release()
        if not records:
            raise DataError(f"{video.path}: the video has no frame that can be read")
        content = {"file": str(video.path), "frames_per_second": video.frames_per_second, "frames": records}
        write_text_atomically(target.with_name(f"{target.name}.json"), json.dumps(content, ensure_ascii=False))

    def _target(self, place: str) -> Path:
        target = self._folder / place
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{target.parent}: the folder cannot be made: {error.strerror}; choose another one with --out") from error
        return target

    def _count(self, predictions: dict[str, np.ndarray]) -> None:
        if "boxes" in predictions:
            found = predictions["labels"][predictions["scores"] >= self._settings.score_threshold]
            self._summary.objects.update(self._names.of_class(int(label)) for label in found)
        elif "logits" in predictions:
            self._summary.objects.update([self._names.of_class(int(predictions["logits"].argmax()))])


def _places(inputs: Inputs) -> list[str]:
    """Return the name of each result without a suffix, below the folder of results; files whose names differ in the suffix keep it."""
    files: Sequence[Path] = [*inputs.images, *inputs.videos]
    relative = [file.relative_to(inputs.root) for file in files]
    stems = Counter(place.with_suffix("") for place in relative)
    return [str(place if stems[place.with_suffix("")] > 1 else place.with_suffix("")) for place in relative]


def _write_picture(path: Path, pixels: np.ndarray) -> None:
    done, data = cv2.imencode(path.suffix, pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if path.suffix == ".jpg" else [])
    assert done, f"{path}: {pixels.shape} {pixels.dtype} cannot be encoded"
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}; choose another folder with --out") from error


def _even(picture: np.ndarray) -> np.ndarray:
    """Return a picture, BGR, with an even number of rows and columns, which video formats want."""
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return cv2.copyMakeBorder(bgr, 0, bgr.shape[0] % 2, 0, bgr.shape[1] % 2, cv2.BORDER_REPLICATE)


def _open_video(path: Path, first: np.ndarray, frames_per_second: float) -> cv2.VideoWriter:
    code = cv2.VideoWriter.fourcc(*"mp4v")
    output = cv2.VideoWriter(str(path), code, frames_per_second, (first.shape[1], first.shape[0]))
    if not output.isOpened():
        raise OutputError(f"{path}: the video cannot be written; is the folder writable?")
    return output
