"""The pairs of a test of faces that were judged best and worst, as pictures of both images."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pet.data.datasets.verification import VerificationImages
from pet.data.report.display import side_by_side, title_of
from pet.data.targets.dataset import Dataset
from pet.data.targets.drawing import draw_targets
from pet.evaluation.embeddings import EmbeddingCollector
from pet.evaluation.samples import BEST, SAMPLES_FILE, WORST
from pet.metrics import verification
from pet.visual.canvas import scale_to_fit
from pet.visual.encoding import encode_jpeg
from pet.visual.names import TargetNames
from pet.visual.settings import DrawSettings
from petlib.distributed.process_group import is_main_process
from petlib.files import write_text_atomically

PICTURE = (224, 224)
"""Height and width that each image of a pair fits into, pixels."""

ANSWERS = {True: "one person", False: "two persons"}

logger = logging.getLogger(__name__)


class PairGallery:
    """Draws the pairs whose distance is farthest on the wrong and on the right side of the threshold of the accuracy.

    In the place of a :class:`pet.evaluation.samples.SampleGallery` where pairs and no samples are right or wrong.

    Args:
        dataset: the images, and which of them are compared.
        kinds: the kinds of targets, none.
        drawing: how pictures are drawn.
        most: pairs of each sort.
        judges: whether it is a test; pairs are judged in evaluations within a training, too.
    """

    def __init__(self, *, dataset: Dataset, kinds: Sequence[str], drawing: DrawSettings, most: int, judges: bool) -> None:
        assert isinstance(dataset, VerificationImages) and not kinds, "pairs of images without targets"
        self._dataset, self._drawing, self._most = dataset, drawing, most
        self._collector = EmbeddingCollector(normalise=False)

    def update(self, batch: dict[str, Any], predictions: list[dict[str, Any]]) -> None:
        """Take one batch: its ``meta`` with ``index``, and ``embedding`` (D,) of each prediction."""
        self._collector.update(batch, predictions)

    def compute(self) -> dict[str, float]:
        """Return no metric."""
        return {}

    def write(self, folder: Path) -> None:
        """Write ``samples.json`` and its pictures into ``folder``; every process calls it, the main process writes."""
        vectors = self._collector.gather().vectors.numpy()
        if not is_main_process():
            return
        try:
            self._write(folder, vectors)
        except Exception as error:  # noqa: BLE001 -- pictures never end an evaluation
            logger.warning("the pairs of this evaluation are not drawn: %s: %s", type(error).__name__, error)

    def _write(self, folder: Path, vectors: np.ndarray) -> None:
        pairs = self._dataset.pairs
        first, second = vectors[pairs.places].transpose(1, 0, 2)
        distances = verification.squared_distances(first, second)
        threshold = verification.fold_accuracy(distances, pairs.same).threshold
        # how far on the right side
        margins = np.where(pairs.same, threshold - distances, distances - threshold)
        order = np.argsort(margins, kind="stable")
        worst = self._first_of(order)
        best = [number for number in self._first_of(order[::-1]) if number not in worst]
        folder.mkdir(parents=True, exist_ok=True)
        for earlier in folder.glob("sample*.jpg"):
            earlier.unlink()
        records = []
        for sort, number in [*((WORST, number) for number in worst), *((BEST, number) for number in best)]:
            truth, distance = ANSWERS[bool(pairs.same[number])], distances[number]
            taken = ANSWERS[bool(distance < threshold)]
            verdict = truth if taken == truth else f"{truth}, taken for {taken}"
            remark = f"{verdict}: squared distance {distance:.2f}, the limit is {threshold:.2f}"
            records.append({"sort": sort, "score": float(margins[number]), "remark": remark, **self._draw(folder, number)})
        write_text_atomically(folder / SAMPLES_FILE, json.dumps(records, ensure_ascii=False))

    def _first_of(self, order: np.ndarray) -> list[int]:
        """Return the first pairs of an order, each once: a list may have one several times."""
        found: dict[frozenset[int], int] = {}
        for number in order.tolist():
            if len(found) == self._most:
                break
            found.setdefault(frozenset(self._dataset.pairs.places[number].tolist()), number)
        return list(found.values())

    def _draw(self, folder: Path, number: int) -> dict[str, Any]:
        names, pictures = [], []
        for side, place in enumerate(self._dataset.pairs.places[number].tolist()):
            sample = self._dataset[place]
            title, view = side_by_side(title_of(sample, place), sample)[0]
            fitting = self._drawing._replace(scale=scale_to_fit(view["image"].shape[:2], PICTURE))
            picture = draw_targets({"image": view["image"]}, TargetNames(), fitting)
            file = f"sample_pair{number}_{side}.jpg"
            (folder / file).write_bytes(encode_jpeg(picture))
            names.append(title)
            pictures.append({"title": title, "file": file, "width": picture.shape[1], "height": picture.shape[0]})
        return {"name": " and ".join(names), "pictures": pictures}
