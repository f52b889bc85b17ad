"""The handwritten digits that scikit-learn bundles."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from pet.data.catalog.source import Source, check_split
from pet.data.targets.dataset import Dataset, DatasetInfo
from petlib.errors import DataError

CLASSES = [str(digit) for digit in range(10)]
TEST_COUNT = 360
SPLIT_SEED = 0
FILE = "datasets/data/digits.csv.gz"
"""In the folder of scikit-learn."""


class Digits(Dataset):
    """1,797 real 8x8 images of the digits 0 to 9, split once and for all into 1,437 for training and 360 for testing.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository
    (https://archive.ics.uci.edu/dataset/80), the test part, as bundled with scikit-learn.

    Args:
        split: ``train`` or ``test``.

    Raises:
        ConfigError: there is no such split.
        DataError: scikit-learn is not installed.
    """

    info = DatasetInfo(kinds=frozenset({"label"}), classes=CLASSES)

    def __init__(self, *, split: str) -> None:
        check_split("digits", split)
        pixels, labels = _read()
        order = np.random.default_rng(SPLIT_SEED).permutation(len(labels))
        self._chosen = np.sort(order[:TEST_COUNT] if split == "test" else order[TEST_COUNT:])
        # gray values are counts from 0 to 16
        gray = np.rint(pixels[self._chosen] * (255 / 16)).astype(np.uint8)
        self._images = np.repeat(gray[..., None], 3, axis=3)
        self._labels = labels[self._chosen].astype(int)

    def __len__(self) -> int:
        return len(self._labels)

    def labels_of(self, index: int) -> np.ndarray:
        """Return the class of an image."""
        return np.array([self._labels[index]], np.int64)

    def __getitem__(self, index: int) -> dict[str, Any]:
        meta = {"id": int(self._chosen[index]), "file": f"digits/{self._chosen[index]}"}
        return {"image": self._images[index], "label": int(self._labels[index]), "meta": meta}


def _read() -> tuple[np.ndarray, np.ndarray]:
    """Return all images (N, 8, 8) and their classes (N,).

    Only their file is read: to import the module of scikit-learn that has the function for it takes a second, half of a start.
    """
    package = importlib.util.find_spec("sklearn")
    if package is None or package.origin is None:
        raise DataError("the digits come with scikit-learn, which is not installed: pip install 'pet-vision[demo]'")
    path = Path(package.origin).parent / FILE
    if path.is_file():
        rows = np.loadtxt(path, delimiter=",")
        return rows[:, :-1].reshape(-1, 8, 8), rows[:, -1]
    # a version that has the file elsewhere
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.images, digits.target


def build_digits(source: Source) -> Digits:
    """Return the split of the digits that a source names."""
    return Digits(split=source.split)
