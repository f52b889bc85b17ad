"""Drawn people who hide each other."""

from pathlib import Path

import numpy as np
import pytest

from pet.data.catalog.source import Source
from pet.data.datasets import walkers
from pet.data.datasets.walkers import build_walkers, write_walkers
from pet.data.datasets.walkers_drawing import COLOURS, FRAMES, HEIGHT, WIDTH, draw_sequence, people_of
from pet.data.files.mot_text import read_mot
from petlib.errors import ConfigError, DataError


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walkers, "SEQUENCES", {"train": 2, "test": 1})


def test_people_of_the_test_are_not_in_the_training() -> None:
    train, test = ({tuple(person) for person in people_of(split).tolist()} for split in ("train", "test"))
    assert not train & test
    assert len(train) + len(test) == len(COLOURS) ** 3 - len(COLOURS) and len(test) > 100


def test_hidden_people_are_seen_less() -> None:
    sequence = draw_sequence(np.random.default_rng(3), people_of("train"))
    assert sequence.images.shape == (FRAMES, HEIGHT, WIDTH, 3) and sequence.images.dtype == np.uint8
    assert sequence.boxes.shape == (*sequence.visibility.shape, 4) and 5 <= sequence.visibility.shape[1] <= 9
    assert sequence.visibility.min() == 0 and sequence.visibility.max() == 1
    # nothing is nearer than the lowest one, and no pillar hides the fully visible
    for frame in range(0, FRAMES, 7):
        lowest = sequence.boxes[frame, :, 3].argmax()
        left, top, right, bottom = sequence.boxes[frame, lowest].round().astype(int).clip(0)
        if sequence.visibility[frame, lowest] == 1:
            body = sequence.images[frame, (top + bottom) // 2 - 2 : (top + bottom) // 2 + 2, left + 3 : right - 3]
            assert body.std(axis=(0, 1)).max() < 12, "one colour, and noise"


def test_files_are_those_of_mot17_and_depend_on_nothing_but_split_and_number(tmp_path: Path) -> None:
    dataset = build_walkers(Source(tmp_path / "w", "train", None))
    assert len(dataset) == 2 * FRAMES and dataset.info.classes == ["pedestrian"] and dataset.info.num_identities >= 10
    sequence = tmp_path / "w" / "train" / "WALKERS-02"
    rows = read_mot(sequence / "gt" / "gt.txt", what="the annotations")
    assert set(rows.classes.tolist()) <= {1, 8} and {0.0, 1.0} == set(rows.confidences.tolist())
    assert (rows.confidences[(rows.visibility < 0.15) & (rows.classes == 1)] == 0).all()
    again = write_walkers(tmp_path / "again", split="train", count=2) / "WALKERS-02"
    for name in ("gt/gt.txt", "img1/000007.jpg", "seqinfo.ini"):
        assert (again / name).read_bytes() == (sequence / name).read_bytes()
    changed = (sequence / "seqinfo.ini").stat().st_mtime_ns
    slow = build_walkers(Source(tmp_path / "w", "train", None), step=3)
    assert len(slow) == 2 * FRAMES / 3 and (sequence / "seqinfo.ini").stat().st_mtime_ns == changed, "written once"


def test_what_pet_did_not_write_stays(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "mine.txt").write_text("x")
    with pytest.raises(DataError, match="where the data set walkers would be; move it away"):
        build_walkers(Source(tmp_path, "test", None))
    with pytest.raises(ConfigError, match="the split 'val'"):
        build_walkers(Source(tmp_path, "val", None))
