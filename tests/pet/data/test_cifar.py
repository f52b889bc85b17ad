"""CIFAR batches as python 2 and python 3 write them, and files that are something else."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pet.data.datasets.cifar import Cifar
from petlib.errors import DataError

NAMES = [f"class{number}" for number in range(10)]


def images(seed: int, count: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 3072), dtype=np.uint8)


def python2_string(text: bytes) -> bytes:
    return b"U" + bytes([len(text)]) + text if len(text) < 256 else b"T" + len(text).to_bytes(4, "little") + text


def python2_batch(data: np.ndarray, labels: list[int]) -> bytes:
    """Return what python 2's pickle with protocol 2 makes of {"data": array, "labels": list}."""
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n"
        + b"(cnumpy\nndarray\nK\x00\x85"
        + python2_string(b"b")
        + b"tR"
        + b"(K\x01"
        + b"".join(b"M" + size.to_bytes(2, "little") for size in data.shape)
        + b"\x86cnumpy\ndtype\n"
        + python2_string(b"u1")
        + b"K\x00K\x01\x87R(K\x03"
        + python2_string(b"|")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        + python2_string(data.tobytes())
        + b"tb"
    )
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}(" + python2_string(b"data") + array + python2_string(b"labels") + numbers + b"u."


def python3_batch(data: np.ndarray, labels: list[int], key: Any = "labels") -> bytes:
    return pickle.dumps({"data": data, key: labels}, protocol=4)


def write_cifar10(folder: Path, batch: Any = python3_batch) -> Path:
    for number in range(1, 6):
        (folder / f"data_batch_{number}").write_bytes(batch(images(number), [number, 0, 9, 3]))
    (folder / "test_batch").write_bytes(batch(images(9), [5, 6, 7, 8]))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": NAMES}, protocol=2))
    return folder


@pytest.mark.parametrize("batch", [python2_batch, python3_batch])
def test_samples_are_those_of_the_files(batch: Any, tmp_path: Path) -> None:
    train = Cifar(kind="cifar10", folder=write_cifar10(tmp_path, batch), split="train")
    assert (len(train), train.info.classes) == (20, NAMES)
    sample = train[4]
    assert sample["image"].flags.c_contiguous
    assert np.array_equal(sample["image"], images(2)[0].reshape(3, 32, 32).transpose(1, 2, 0))
    assert [train[index]["label"] for index in range(4, 8)] == [2, 0, 9, 3]
    test = Cifar(kind="cifar10", folder=tmp_path, split="test")
    assert (len(test), test[3]["label"], test[3]["meta"]) == (4, 8, {"id": 3, "file": "cifar10/test/3"})


def test_names_may_be_bytes() -> None:
    assert pickle.loads(python2_batch(images(0), [1, 2, 3, 4]), encoding="latin1")["labels"] == [1, 2, 3, 4]
    content = pickle.loads(python2_batch(images(0), [1, 2, 3, 4]), encoding="bytes")
    assert np.array_equal(content[b"data"], images(0))


def test_cifar100_has_fine_labels(tmp_path: Path) -> None:
    names = [f"thing{number}" for number in range(100)]
    for name in ("train", "test"):
        content = {b"data": images(1), b"fine_labels": [1, 99, 50, 0], b"coarse_labels": [0, 1, 2, 3]}
        (tmp_path / name).write_bytes(pickle.dumps(content, protocol=2))
    (tmp_path / "meta").write_bytes(pickle.dumps({b"fine_label_names": [name.encode() for name in names]}, protocol=2))
    test = Cifar(kind="cifar100", folder=tmp_path, split="test")
    assert test.info.classes == names
    assert [test[index]["label"] for index in range(4)] == [1, 99, 50, 0]


def test_missing_files_are_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cifar10 is not there: data_batch_1, .*batches.meta missing"):
        Cifar(kind="cifar10", folder=tmp_path / "cifar-10-batches-py", split="train")
    write_cifar10(tmp_path)
    (tmp_path / "data_batch_3").unlink()
    with pytest.raises(DataError, match=r"data_batch_3 missing\.\n  Unpack the python version of https://"):
        Cifar(kind="cifar10", folder=tmp_path, split="train")


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_pickles_that_run_code_are_refused_and_do_not(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    (tmp_path / "test_batch").write_bytes(pickle.dumps({"data": Malicious(tmp_path / "made"), "labels": [1]}))
    with pytest.raises(DataError, match=r"test_batch: .*mkdir, but only numpy arrays"):
        Cifar(kind="cifar10", folder=tmp_path, split="test")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "test_batch: not a CIFAR file"),
        (b"version https://git-lfs.github.com/spec/v1", "test_batch: not a CIFAR file"),
        (python3_batch(images(0), [1, 2, 3, 4])[:2000], "test_batch: not a CIFAR file"),
        (pickle.dumps([1, 2]), "test_batch: not a CIFAR file: it holds a list"),
        (python3_batch(images(0), [1, 2, 3, 4], "fine_labels"), "test_batch: not a CIFAR batch: .*entries are data, fine_labels"),
        (python3_batch(images(0)[:, :100], [1, 2, 3, 4]), "test_batch: not a CIFAR batch"),
        (python3_batch(images(0), [1, 2, 3]), "test_batch: 4 images, but 3 labels"),
        (python3_batch(images(0), [1, 2, 3, 10]), "cifar10 has 10 classes, these files name 10 and have labels from 1 to 10"),
    ],
)
def test_other_files_are_reported(content: bytes, message: str, tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    (tmp_path / "test_batch").write_bytes(content)
    with pytest.raises(DataError, match=message):
        Cifar(kind="cifar10", folder=tmp_path, split="test")
