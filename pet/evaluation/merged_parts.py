"""The part labels of all detections of an image in one label image, against that of the data."""

import zlib
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from pet.evaluation.label_images import LabelImages
from pet.metrics.parsing import PartPiece, paint
from pet.metrics.segmentation import SegmentationMetrics, SegmentationResult


class MergedParts:
    """Part labels as semantic segmentation: detections are painted into one image, the best in front.

    Only classes with parts are painted, and which these are is known when all images have been seen. Images with other classes, and
    all at first, wait for that, compressed to about a hundredth of their pixels; where all objects have parts, as people do, none waits.

    Args:
        num_parts: number of part labels, with the background.
        keep_images: whether :attr:`images` will be written.

    Attributes:
        images: the label images.
    """

    def __init__(self, *, num_parts: int, keep_images: bool) -> None:
        self.images = LabelImages()
        self._keep_images = keep_images
        self._metrics = SegmentationMetrics(num_parts)
        self._waiting: list[_Packed] = []

    def add(self, pieces: Sequence[PartPiece], parsing: npt.NDArray[np.uint8], meta: dict[str, Any], labels: Collection[int]) -> None:
        """Take an image.

        Args:
            pieces: the detections.
            parsing: uint8 (H, W), the part labels of the data; 255 does not count.
            meta: of the image.
            labels: classes that are known to have parts.
        """
        if all(piece.label in labels for piece in pieces):
            self._count(pieces, parsing, meta)
        else:
            self._waiting.append(_pack(pieces, parsing, meta))

    def merge(self, labels: Collection[int]) -> SegmentationResult:
        """Return the counts over the images of all processes, which call it together with all classes that have parts."""
        for packed in self._waiting:
            pieces = [piece for piece in _unpack_pieces(packed) if piece.label in labels]
            self._count(pieces, _decompress(packed.parsing, packed.size), packed.meta)
        self._waiting.clear()
        return self._metrics.merge()

    def _count(self, pieces: Sequence[PartPiece], parsing: npt.NDArray[np.uint8], meta: dict[str, Any]) -> None:
        image = paint(pieces, (parsing.shape[0], parsing.shape[1]))
        self._metrics.update(torch.from_numpy(image), torch.from_numpy(parsing))
        if self._keep_images:
            self.images.add(image, meta)


class _Packed(NamedTuple):
    """An image that waits; the detections are there without their part labels, which are compressed."""

    frames: list[PartPiece]
    shapes: list[tuple[int, int]]
    parts: list[bytes]
    parsing: bytes
    size: tuple[int, int]
    meta: dict[str, Any]


NOTHING = np.zeros((0, 0), np.uint8)


def _pack(pieces: Sequence[PartPiece], parsing: npt.NDArray[np.uint8], meta: dict[str, Any]) -> _Packed:
    return _Packed(
        frames=[PartPiece(piece.label, piece.score, piece.top, piece.left, NOTHING) for piece in pieces],
        shapes=[(piece.parts.shape[0], piece.parts.shape[1]) for piece in pieces],
        parts=[zlib.compress(piece.parts.tobytes(), 1) for piece in pieces],
        parsing=zlib.compress(parsing.tobytes(), 1),
        size=(parsing.shape[0], parsing.shape[1]),
        meta={"file": meta["file"], "index": meta["index"]},
    )


def _unpack_pieces(packed: _Packed) -> list[PartPiece]:
    return [
        PartPiece(frame.label, frame.score, frame.top, frame.left, _decompress(parts, shape))
        for frame, parts, shape in zip(packed.frames, packed.parts, packed.shapes, strict=True)
    ]


def _decompress(data: bytes, shape: tuple[int, int]) -> npt.NDArray[np.uint8]:
    return np.frombuffer(bytearray(zlib.decompress(data)), np.uint8).reshape(shape)
