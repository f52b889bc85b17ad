"""Models that look at videos: a picture of some frames with the classes, and a record of each file."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pet.data.files.videos import VideoFacts, VideoFile, count_decoded
from pet.data.targets.drawing import draw_predictions
from pet.data.targets.kinds import kinds_in
from pet.prediction.inputs import FileInput, ImageSource
from pet.prediction.output import Output, Predictions
from pet.prediction.videos import Video, count_frames
from pet.prediction.whole_images import SamplePredictor
from pet.prediction.writers.pictures import write_picture
from pet.prediction.writers.records import describe_predictions
from pet.visual.names import TargetNames
from petlib.errors import DataError
from petlib.files import write_text_atomically


class VideoSamples:
    """Video files as samples without classes.

    Args:
        files: paths and what is known of them.
    """

    def __init__(self, files: Sequence[tuple[Path, VideoFacts]]) -> None:
        self._files = list(files)

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> dict[str, Any]:
        path, facts = self._files[index]
        return {"clip": VideoFile(path, facts), "meta": {"id": index, "file": str(path), "size": (facts.height, facts.width)}}


class WholeClips:
    """Writes ``<name>.json`` and ``<name>.jpg``, frames with the most probable classes; a :class:`pet.prediction.FilePredictor`.

    Args:
        predictor: the model.
        names: of the classes.
    """

    num_images = 1

    def __init__(self, predictor: SamplePredictor, names: TargetNames) -> None:
        self.names = names
        self._predictor = predictor

    def predict_images(self, inputs: Sequence[FileInput], output: Output) -> None:
        """Leave images out: an action takes time."""
        for entry in inputs:
            output.leave_out(f"{entry.paths[0]}: an image, and the model looks at videos")
            output.progress(1.0)

    def predict_videos(self, inputs: Sequence[FileInput], output: Output) -> None:
        """Write the results of videos; the next ones are decoded by loader workers meanwhile."""
        readable = []
        for entry in inputs:
            try:
                facts = count_decoded(entry.paths[0])
                if not facts.frames:
                    raise DataError(f"{entry.paths[0]}: the video has no frame that can be read")
                readable.append((entry, facts))
            except DataError as error:
                output.leave_out(str(error))
        samples = VideoSamples([(entry.paths[0], facts) for entry, facts in readable])
        if not readable:
            return
        for place, ((entry, facts), (_, predictions)) in enumerate(zip(readable, self._predictor.predict(samples), strict=True)):
            with output.writing(entry.place) as target:
                self._write(samples[place], facts, target, predictions, output)
            output.progress(float(count_frames(entry.paths[0])))

    def predict_in_memory(self, inputs: Sequence[Sequence[ImageSource]]) -> Iterator[Predictions]:
        """Yield the scores of the classes of video files."""
        files = []
        for (file,) in inputs:
            if isinstance(file, np.ndarray):
                raise DataError("predict_in_memory.inputs: an array given; this model looks at video files: give their paths")
            facts = count_decoded(file)
            if not facts.frames:
                raise DataError(f"{file}: the video has no frame that can be read")
            files.append((file, facts))
        for _, predictions in self._predictor.predict(VideoSamples(files)):
            yield predictions

    def picture_of(self, images: Sequence[ImageSource]) -> np.ndarray:
        """Return the first frame."""
        return next(Video(Path(str(images[0]))).chunks(1))[0]

    def _write(self, sample: dict[str, Any], facts: VideoFacts, target: Path, predictions: Predictions, output: Output) -> None:
        kind = kinds_in(sample).pixels[0]
        written = target.with_name(f"{target.name}.jpg"), target.with_name(f"{target.name}.json")
        write_picture(written[0], draw_predictions(kind.picture(sample[kind.name]), predictions, self.names, output.drawing))
        record = describe_predictions(predictions, (facts.height, facts.width), self.names)
        content = {"file": sample["meta"]["file"], "frames": facts.frames, "frames_per_second": facts.rate, **record}
        write_text_atomically(written[1], json.dumps(content, ensure_ascii=False))
        output.count(predictions, self.names)
        output.summary.frames += facts.frames
        output.summary.written += written
