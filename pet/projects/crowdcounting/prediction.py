"""Counts of files: what networks of whole images write, and a table of all counts."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pet.metrics.counting import Interval
from pet.prediction.inputs import FileInput
from pet.prediction.output import Output, Predictions
from pet.prediction.whole_images import UNREADABLE, SamplePredictor, WholeImages
from pet.visual.names import TargetNames
from petlib.data.protocols import Dataset
from petlib.files import write_text_atomically

TABLE = "counts.csv"


class CountedSamples:
    """A model that counts, which remembers its counts; a :class:`pet.prediction.SamplePredictor`.

    Args:
        predictor: the model.
        interval: says how sure the counts are, as ``count_least`` and ``count_greatest``; None: nothing is said.

    Attributes:
        rows: file, count, and the interval, of what was predicted.
    """

    def __init__(self, predictor: SamplePredictor, interval: Interval | None) -> None:
        self.batch_size = predictor.batch_size
        self.interval = interval
        self.rows: list[list[str]] = []
        self._predictor = predictor

    def predict(self, dataset: Dataset) -> Iterator[tuple[dict[str, Any], Predictions]]:
        """Yield ``meta`` and the predictions of each sample, in their order."""
        for meta, predictions in self._predictor.predict(dataset):
            ends = {} if self.interval is None else dict(zip(("count_least", "count_greatest"), self._ends(predictions), strict=True))
            if UNREADABLE not in meta:
                numbers = [predictions["count"], *ends.values()]
                self.rows.append([str(meta["file"]), *(f"{float(number):.4f}" for number in numbers)])
            yield meta, {**predictions, **ends}

    def _ends(self, predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
        assert self.interval is not None, "asked for where there is an interval"
        return self.interval.around(np.asarray(predictions["count"], np.float64))


class CountedImages(WholeImages):
    """Writes what :class:`pet.prediction.whole_images.WholeImages` does, and ``counts.csv``: the count of each image and frame.

    Args:
        predictor: the model.
        names: what the numbers of the model mean.
    """

    def __init__(self, predictor: CountedSamples, names: TargetNames) -> None:
        super().__init__(predictor, names)
        self._counted = predictor

    def predict_images(self, inputs: Sequence[FileInput], output: Output) -> None:
        """Write the results of images."""
        super().predict_images(inputs, output)
        self._write_table(output)

    def predict_videos(self, inputs: Sequence[FileInput], output: Output) -> None:
        """Write the results of videos."""
        super().predict_videos(inputs, output)
        if inputs:
            self._write_table(output)

    def _write_table(self, output: Output) -> None:
        if not self._counted.rows:
            return
        text = io.StringIO()
        header = ["file", "count", *(["least", "greatest"] if self._counted.interval is not None else [])]
        csv.writer(text, lineterminator="\n").writerows([header, *self._counted.rows])
        with output.writing(TABLE) as target:
            write_text_atomically(target, text.getvalue())
        if target not in output.summary.written:
            output.summary.written.append(target)
