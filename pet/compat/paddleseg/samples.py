"""What a training or an evaluation reads of a data set: the layer's own, or any object of the user that gives ``(image, label)``."""

import logging
from typing import Literal, NamedTuple, Protocol

import numpy as np

from pet.compat.paddleseg.datasets import Dataset
from pet.compat.paddleseg.pipeline import TRUTH, build_pipeline
from pet.compat.shared.class_names import class_names
from pet.data.targets.dataset import IGNORE
from pet.data.transforms.normalize import Normalize
from petlib.data import protocols
from petlib.data.reader import SampleReader
from petlib.errors import ConfigError, DataError

LOOK_AT = 16
"""Samples that are read before a training begins."""

logger = logging.getLogger(__name__)


class LabelledTiles(Protocol):
    """Any data set of the user, e.g. a torch one.

    Attributes:
        num_classes: number of classes with the background.
    """

    num_classes: int

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> tuple[np.ndarray, np.ndarray]:
        """Return the image, (C, H, W), as the network takes it, and its label, integer (H, W)."""
        ...


class OpenedData(NamedTuple):
    """What batches are made of.

    Attributes:
        samples: with ``image``, ``semseg`` (``truth_semseg`` in an evaluation) and ``meta``.
        transforms: of each sample.
        draws_globally: whether data set or transforms draw from the global generators, which are seeded before each sample then.
        normalize: what is done to whole batches; None: nothing.
        num_classes: number of classes with the background.
        names: of the classes, where the data set has one for each; see :func:`pet.compat.shared.class_names.class_names`.
    """

    samples: protocols.Dataset
    transforms: protocols.SampleTransform
    draws_globally: bool
    normalize: Normalize | None
    num_classes: int
    names: list[str]


def open_data(
    dataset: Dataset | LabelledTiles,
    *,
    seed: int,
    for_evaluation: bool,
    name: str,
    on_error: Literal["raise", "skip"] = "raise",
) -> OpenedData:
    """Return how a training or an evaluation reads ``dataset``, after a look at some samples.

    Args:
        dataset: the data set.
        seed: of all random numbers of the samples.
        for_evaluation: labels stay at their own size, as ``truth_semseg``.
        name: the argument that the data set was given as, for messages.
        on_error: ``skip`` takes others in the place of samples that cannot be read.

    Raises:
        ConfigError: it is no data set.
        DataError: a sample that was looked at cannot be used, see :mod:`pet.compat.paddleseg.pipeline`.
    """
    # a subclass with an item of its own is the user's
    own = dataset if isinstance(dataset, Dataset) and type(dataset).__getitem__ is Dataset.__getitem__ else None
    if own is None and not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__") and hasattr(dataset, "num_classes")):
        raise ConfigError(
            f"{name}: {type(dataset).__name__} given; a Dataset, or an object with __len__, __getitem__ (image, label) and num_classes "
            "expected"
        )
    names = class_names(dataset)
    samples: protocols.Dataset = own.files if own is not None else ForeignSamples(dataset, name)
    ignore_index = getattr(dataset, "ignore_index", IGNORE)
    pipeline = own.pipeline if own is not None else build_pipeline([], num_classes=dataset.num_classes, ignore_index=ignore_index)
    data = OpenedData(
        samples=TruthByName(samples) if for_evaluation else samples,
        transforms=pipeline.transforms,
        draws_globally=pipeline.draws_globally or own is None,
        normalize=pipeline.normalize,
        num_classes=dataset.num_classes,
        names=names if len(names) == dataset.num_classes else [],
    )
    reader = SampleReader(data.samples, data.transforms, seed=seed, seed_global_generators=data.draws_globally, on_error=on_error)
    _look_at_samples(reader, name)
    return data


def _look_at_samples(reader: SampleReader, name: str) -> None:
    """Read samples, spread evenly, so that what is wrong with the labels is reported before a training begins."""
    count = len(reader)
    values: set[int] = set()
    for index in np.linspace(0, count - 1, num=min(LOOK_AT, count), dtype=int).tolist():
        (sample,) = reader.read([protocols.SampleKey(0, index, index)])
        values |= set(np.unique(sample[TRUTH if TRUTH in sample else "semseg"]).tolist())
    if values == {0, IGNORE}:
        logger.warning(
            "%s: the labels of %d images hold 0 and 255 only, and 255 does not count; if it is the foreground, put InitMask() at the "
            "beginning of the transforms",
            name,
            min(LOOK_AT, count),
        )


class TruthByName:
    """Samples whose label is called ``truth_semseg``, which no transform of Pet moves.

    Args:
        samples: with ``image``, ``semseg`` and ``meta``.
    """

    def __init__(self, samples: protocols.Dataset) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> protocols.Sample:
        sample = self._samples[index]
        return {"image": sample["image"], TRUTH: sample["semseg"], "meta": sample["meta"]}


class ForeignSamples:
    """The pairs of a data set of the user as samples.

    Args:
        dataset: gives the pairs.
        name: what it is called in messages.
    """

    def __init__(self, dataset: LabelledTiles, name: str) -> None:
        self._dataset = dataset
        self._name = name

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> protocols.Sample:
        item = self._dataset[index]
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise DataError(f"{self._name}: sample {index} is a {type(item).__name__}, (image, label) expected")
        image, label = np.asarray(item[0], dtype=np.float32), np.asarray(item[1])
        if image.ndim != 3 or label.ndim != 2 or image.shape[1:] != label.shape:
            raise DataError(
                f"{self._name}: sample {index} has an image {image.shape} and a label {label.shape}, (C, H, W) and (H, W) expected"
            )
        return {"image": np.ascontiguousarray(image.transpose(1, 2, 0)), "semseg": label, "meta": {"id": index, "size": label.shape}}
