"""Clips of moving figures."""

import numpy as np
import pytest

from pet.data.datasets.motions import CLASSES, COUNTS, FRAMES, DrawnMotion, Motions
from pet.data.transforms.build import build_transforms
from petlib.errors import ConfigError


@pytest.mark.parametrize("label", range(0, 8, 2))
def test_the_second_class_of_a_pair_is_the_first_one_in_reversed_time(label: int) -> None:
    numbers = np.arange(FRAMES)
    forward, backward = (DrawnMotion(own, (1, 5)).read(numbers) for own in (label, label + 1))
    assert np.array_equal(forward, backward[::-1])
    assert not np.array_equal(forward, backward)


def test_frames_do_not_depend_on_those_before() -> None:
    clip = DrawnMotion(4, (1, 9))
    assert np.array_equal(clip.read(np.arange(FRAMES))[[7, 3]], clip.read(np.array([7, 3])))


def test_splits_differ_and_have_all_classes() -> None:
    for split, count in COUNTS.items():
        dataset = Motions(split=split)
        assert len(dataset) == count
        assert np.bincount([int(dataset.labels_of(index)[0]) for index in range(count)]).tolist() == [count // 8] * 8
    train, test = (Motions(split=split)[0]["clip"].read(np.array([0])) for split in ("train", "test"))
    assert not np.array_equal(train, test)
    with pytest.raises(ConfigError, match="the split 'val'"):
        Motions(split="val")


@pytest.mark.parametrize(("label", "mirrored"), [(0, 1), (1, 0), (2, 2), (4, 5), (5, 4), (7, 7)])
def test_mirrored_clips_have_the_mirrored_class(label: int, mirrored: int) -> None:
    dataset = Motions(split="train")
    entries = [{"name": "CentralSegments", "frames": 3}, {"name": "RandomHorizontalFlip", "probability": 1.0}]
    transforms, _ = build_transforms(entries, default_size=None, dataset=dataset)
    sample = transforms(dataset[label], np.random.default_rng(0))
    assert CLASSES[sample["label"]] == CLASSES[mirrored]
    assert np.array_equal(sample["clip"], dataset[label]["clip"].read(np.array([4, 12, 20]))[:, :, ::-1])
    kept, _ = build_transforms([entries[0], {**entries[1], "swap_classes": False}], default_size=None, dataset=dataset)
    assert kept(dataset[label], np.random.default_rng(0))["label"] == label
