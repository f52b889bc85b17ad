"""The first look at data, before a training is spent on them."""

import numpy as np

from pet.data.labelled import LabelledDataset
from petlib.data.protocols import Sample
from petlib.errors import DataError


def check_samples(dataset: LabelledDataset, num_classes: int, count: int) -> None:
    """Read ``count`` samples, spread evenly, and compare the classes of the data with those of the model.

    A label outside of the classes would end a training on a GPU in an unreadable assertion.

    Raises:
        DataError: the data set is empty, its classes do not fit, or a sample is not as it should be (with its file).
    """
    if len(dataset) == 0:
        raise DataError("the training data are empty")
    _check_classes(dataset, num_classes)
    for index in np.linspace(0, len(dataset) - 1, num=min(count, len(dataset)), dtype=int):
        _check_sample(dataset[int(index)], num_classes)


def _check_classes(dataset: LabelledDataset, num_classes: int) -> None:
    found = len(dataset.classes)
    # bare numbers say nothing of the last classes where these have no sample
    fits = found <= num_classes if dataset.numbered else found == num_classes
    if not fits:
        names = ", ".join(dataset.classes[:5]) + (", ..." if found > 5 else "")
        raise DataError(
            f"the data have {found} classes ({names}), the model has {num_classes}: set MODEL.NUM_CLASSES to {found}, "
            "or DATA.CLASSES to the names of all classes"
        )


def _check_sample(sample: Sample, num_classes: int) -> None:
    name = sample["meta"].get("file", sample["meta"])
    image, label = sample["image"], sample["label"]
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        given = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise DataError(f"{name}: the image is {given}, a uint8 array (height, width, 3) expected")
    if not 0 <= int(label) < num_classes:
        raise DataError(f"{name}: the label {label} lies outside of 0 to {num_classes - 1}; set MODEL.NUM_CLASSES or mend the label")
