"""Parts of objects that were looked at one by one, against the part labels of their images."""

import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pet.data.targets.dataset import Dataset
from pet.evaluation.parsing import ParsingEvaluator, paste_pieces
from pet.metrics.parsing import PartPiece, PartTruth
from petlib.distributed.collectives import all_gather_objects
from petlib.distributed.process_group import rank, world_size


class _Packed(NamedTuple):
    """The part labels of an object, compressed."""

    image: int
    label: int
    score: float
    top: int
    left: int
    size: tuple[int, int]
    parts: bytes


class ObjectPartsEvaluator:
    """mIoU, APp and PCP over the images of all processes; see :class:`pet.evaluation.parsing.ParsingEvaluator`, which measures them.

    The objects of an image may come in several batches, and on several processes: they wait compressed until all have come.

    Args:
        dataset: the images; ``meta`` of a crop has its place there as ``index``. Its samples say which part is where.
        num_parts: part labels of the model, with the background.
        threshold: objects with a lower score are not painted into the label image.
        keep_predictions: remember what :meth:`write` needs, and report the intersection over union of each part.
    """

    def __init__(self, *, dataset: Dataset, num_parts: int, threshold: float, keep_predictions: bool) -> None:
        names = list(dataset.info.part_set.names) if dataset.info.part_set else []
        names += [str(number) for number in range(len(names), num_parts)]
        self._dataset = dataset
        self._parts = names
        self._threshold = threshold
        self._keep_predictions = keep_predictions
        self._packed: list[_Packed] = []
        self._evaluator: ParsingEvaluator | None = None

    def update(self, batch: dict[str, Any], predictions: list[dict[str, Any]]) -> None:
        """Take the crops of one batch: ``parsing`` (1, P, h, w) over the area of ``boxes`` (1, 4) in the coordinates of the file."""
        for meta, prediction in zip(batch["meta"], predictions, strict=True):
            for piece in paste_pieces(prediction, meta["size"]):
                size = piece.parts.shape[0], piece.parts.shape[1]
                parts = zlib.compress(np.ascontiguousarray(piece.parts).tobytes(), 1)
                self._packed.append(_Packed(int(meta["index"]), piece.label, piece.score, piece.top, piece.left, size, parts))

    def compute(self) -> dict[str, float]:
        """Return the figures of :class:`~pet.evaluation.parsing.ParsingEvaluator`; each process reads a share of the images."""
        found: dict[int, list[PartPiece]] = {}
        for packed in (one for share in all_gather_objects(self._packed) for one in share):
            if packed.image % world_size() == rank():
                found.setdefault(packed.image, []).append(_unpack(packed))
        self._evaluator = ParsingEvaluator(parts=self._parts, threshold=self._threshold, keep_predictions=self._keep_predictions)
        for image in range(rank(), len(self._dataset), world_size()):
            sample = self._dataset[image]
            fields = (sample["parsing"], sample["instances"], sample["instance_ids"].tolist(), sample["labels"].tolist())
            self._evaluator.add_image(found.get(image, []), PartTruth(*fields), {**sample["meta"], "index": image})
        return self._evaluator.compute()

    def write(self, folder: Path) -> None:
        """Write label images and the table of the parts."""
        self._measured().write(folder)

    def summary(self) -> str:
        """Return the figures in one line."""
        return self._measured().summary()

    def _measured(self) -> ParsingEvaluator:
        assert self._evaluator is not None, "compute() comes first"
        return self._evaluator


def _unpack(packed: _Packed) -> PartPiece:
    parts = np.frombuffer(bytearray(zlib.decompress(packed.parts)), np.uint8).reshape(packed.size)
    return PartPiece(packed.label, packed.score, packed.top, packed.left, parts)
