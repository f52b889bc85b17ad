"""Data with one of each sort of fault, as a look at them finds them."""

from typing import Any

import cv2
import numpy as np

from pet.data.report.dataset_report import report_dataset
from pet.data.report.overview import RunReport
from pet.data.report.shared import near_duplicates, shared_samples
from pet.data.targets.dataset import Dataset, DatasetInfo, Expectation, ImageTruth
from petlib.errors import DataError

EXPECTED = Expectation(("boxes",), {"boxes": 2})
SIZE = (120, 160)


class Given(Dataset):
    """Samples with boxes; an exception in the place of one is raised."""

    def __init__(self, samples: list[Any], **more: Any) -> None:
        self.samples = samples
        self.info = DatasetInfo(frozenset({"boxes"}), classes=["cat", "</script><b>"], **more)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if isinstance(self.samples[index], Exception):
            raise self.samples[index]
        return dict(self.samples[index])

    def truth(self, index: int) -> ImageTruth | None:
        if isinstance(self.samples[index], Exception):
            return None
        boxes, labels = (self.samples[index][name] for name in ("given", "labels"))
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        name = self.samples[index]["meta"]["file"]
        return ImageTruth(name, name, *SIZE, boxes, labels, np.zeros(len(boxes), bool), areas)


def picture(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Return an image with something in it, uint8 (H, W, 3)."""
    noise = np.random.default_rng(seed).integers(0, 255, (8, 10, 3), np.uint8)
    return cv2.resize(noise, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)


def sample(image: np.ndarray, name: str, boxes: tuple[Any, ...] = ((10, 10, 60, 70),), labels: tuple[int, ...] = (0,)) -> dict[str, Any]:
    given = np.array(boxes, np.float32).reshape(-1, 4)
    clipped = np.clip(given, 0, (SIZE[1], SIZE[0]) * 2).astype(np.float32)
    return {"image": image, "boxes": clipped, "given": given, "labels": np.array(labels), "meta": {"id": name, "file": name}}


def made_report(train: list[Any], test: list[Any]) -> tuple[RunReport, dict[str, Dataset]]:
    """Return what is found in training and test data, and these by name."""
    datasets: dict[str, Dataset] = {"pets_train": Given(train, skipped={"objects without area": 2}), "pets_test": Given(test)}
    given = {name: dataset for name, dataset in datasets.items() if len(dataset)}
    parts = {name.removeprefix("pets_"): [report_dataset(name, dataset, EXPECTED, threads=1)] for name, dataset in given.items()}
    findings = shared_samples(parts)
    return RunReport(dict(parts), [*findings, *near_duplicates(parts, findings)]), datasets


def faulty_data() -> tuple[RunReport, dict[str, Dataset]]:
    """Return data with a wrong label, a small box without area, a box that leaves its image, a file that cannot be read, and copies."""
    first, second = picture(1), picture(2)
    half = cv2.resize(first, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    train = [
        sample(first, "a/0.jpg"),
        sample(picture(3), "a/1.jpg", ((100, 50, 110, 50), (20, 20, 90, 90)), (0, 1)),
        sample(picture(4), "a/2.jpg", ((140, 100, 175, 118),), (1,)),
        sample(picture(5), "a/3.jpg", labels=(7,)),
        DataError("a/4.jpg: the image file is empty"),
        sample(second, "a/5.jpg"),
        sample(np.clip(second.astype(int) + 20, 0, 255).astype(np.uint8), "a/6.jpg"),
    ]
    test = [sample(cv2.resize(half, (SIZE[1], SIZE[0])), "b/0.jpg"), sample(picture(9), "b/1.jpg"), sample(picture(3), "a/1.jpg")]
    return made_report(train, test)
