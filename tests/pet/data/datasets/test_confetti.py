"""Small objects in large images: drawn once, each box around what is seen of one object."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from pet.data.catalog.source import Source
from pet.data.datasets import confetti
from pet.data.datasets.confetti import GAP, build_confetti, draw_confetti, write_confetti
from petlib.errors import ConfigError


def test_objects_of_16_pixels_lie_apart_and_in_their_boxes() -> None:
    sizes = []
    for seed in range(3):
        image, boxes = draw_confetti(np.random.default_rng(seed), 800)
        assert image.shape == (800, 800, 3) and image.dtype == np.uint8
        covered = np.zeros((800, 800), int)
        for left, top, right, bottom in boxes:
            assert 0 <= left < right <= 800 and 0 <= top < bottom <= 800
            covered[top - GAP // 2 : bottom + GAP // 2, left - GAP // 2 : right + GAP // 2] += 1
            sizes += [right - left, bottom - top]
            # what is around an object is background, which changes slowly: the object differs
            inside = image[top + 3 : bottom - 3, left + 3 : right - 3].reshape(-1, 3).astype(float)
            around = image[max(top - 3, 0) : top - 1, left:right].reshape(-1, 3).astype(float)
            if len(inside) and len(around):
                assert np.abs(inside.mean(axis=0) - around.mean(axis=0)).max() > 15
        assert covered.max() == 1
    assert len(sizes) > 60 and 14 < np.mean(sizes) < 18 and max(sizes) <= 26


def test_files_are_those_of_the_numbers_and_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confetti, "COUNTS", {"train": 2, "test": 1})
    monkeypatch.setattr(confetti, "SIZE", 400)
    dataset = build_confetti(Source(tmp_path / "own", "train", None))
    assert len(dataset) == 2 and list(dataset.info.classes) == ["confetti"]
    sample = dataset[1]
    assert sample["image"].shape == (400, 400, 3) and len(sample["boxes"]) == len(sample["labels"]) > 0
    again = write_confetti(tmp_path / "again", split="train", count=2, size=400)
    first = (tmp_path / "own" / "train" / "images" / "001.jpg").read_bytes()
    assert (again.parent / "images" / "001.jpg").read_bytes() == first
    other = write_confetti(tmp_path / "again", split="test", count=2, size=400)
    assert (other.parent / "images" / "001.jpg").read_bytes() != first
    assert cv2.imread(str(other.parent / "images" / "000.jpg")).shape == (400, 400, 3)


def test_there_are_two_splits(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="confetti: the split 'val' given, train or test expected"):
        build_confetti(Source(tmp_path, "val", None))
