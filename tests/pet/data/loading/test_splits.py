"""Parts of data sets: the same in every run and every process, without doubles."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pet.data.datasets.semseg_folder import SemsegFolder
from pet.data.loading.build import build_dataset
from pet.data.loading.share_record import ShareRecord
from pet.data.loading.splits import (
    list_text,
    name_of_image,
    named_in,
    sample_by_count,
    sample_by_percent,
    share_of,
    split_by_count,
    split_by_percent,
)
from pet.vision import config
from petlib.config import ConfigError
from petlib.errors import DataError
from tests.pet.data.label_files import write, write_image

COUNT = 20


@pytest.fixture
def dataset(tmp_path: Path) -> SemsegFolder:
    for number in range(COUNT):
        write_image(tmp_path / "images" / f"{number:02}.png", number, size=(2, 2))
        write(tmp_path / "labels" / f"{number:02}.png", np.zeros((2, 2), np.uint8))
    return SemsegFolder(images=tmp_path / "images", labels=tmp_path / "labels", classes=["background", "road"])


def numbers(part: Any) -> list[int]:
    return [int(part[index]["image"][0, 0, 0]) for index in range(len(part))]


def test_both_sides_hold_everything_once_in_order(dataset: SemsegFolder) -> None:
    first, second = (numbers(part) for part in split_by_percent(dataset, 0.8))
    assert (len(first), len(second)) == (16, 4)
    assert sorted(first + second) == list(range(COUNT))
    assert first == sorted(first)
    assert second != [16, 17, 18, 19]


def test_the_seed_decides_and_global_numbers_do_not(dataset: SemsegFolder) -> None:
    first = numbers(split_by_percent(dataset, 0.5)[0])
    np.random.seed(5)
    state = np.random.get_state()[1].tolist()  # type: ignore[union-attr, index]
    assert numbers(split_by_percent(dataset, 0.5)[0]) == first
    assert np.random.get_state()[1].tolist() == state  # type: ignore[union-attr, index]
    assert numbers(split_by_percent(dataset, 0.5, seed=1)[0]) != first


def test_counts_and_samples_are_the_same_parts(dataset: SemsegFolder) -> None:
    whole = [numbers(part) for part in split_by_percent(dataset, 0.8)]
    assert [numbers(part) for part in split_by_count(dataset, 16)] == whole
    assert numbers(sample_by_percent(dataset, 0.8)) == numbers(sample_by_count(dataset, 16)) == whole[0]
    assert numbers(share_of(dataset, 0.8, 1.0)) == whole[1]
    assert numbers(sample_by_count(dataset, COUNT)) == numbers(sample_by_percent(dataset, 1.0)) == list(range(COUNT))


def test_in_order_the_first_ones_are_taken(dataset: SemsegFolder) -> None:
    assert [numbers(part) for part in split_by_count(dataset, 3, randomly=False)] == [[0, 1, 2], list(range(3, COUNT))]
    assert numbers(sample_by_percent(dataset, 0.1, randomly=False)) == [0, 1]


def test_a_part_can_be_split_again(dataset: SemsegFolder) -> None:
    train, _ = split_by_count(dataset, 10)
    parts = [numbers(part) for part in split_by_count(train, 6)]
    assert sorted(parts[0] + parts[1]) == numbers(train)


@pytest.mark.parametrize("share", [0.0, 1.0, 80, -0.1, 0.01])
def test_a_share_without_two_sides_is_reported(share: float, dataset: SemsegFolder) -> None:
    with pytest.raises(ConfigError, match="share"):
        split_by_percent(dataset, share)


@pytest.mark.parametrize("count", [0, COUNT, COUNT + 1, -1])
def test_a_count_without_two_sides_is_reported(count: int, dataset: SemsegFolder) -> None:
    with pytest.raises(ConfigError, match=f"a split after {count} of 20 samples; a number from 1 to 19 expected"):
        split_by_count(dataset, count)


def test_more_samples_than_there_are_is_reported(dataset: SemsegFolder) -> None:
    with pytest.raises(ConfigError, match="21 of 20 samples requested; a number from 1 to 20 expected"):
        sample_by_count(dataset, 21)


def test_what_a_share_picks_is_written_down(dataset: SemsegFolder, tmp_path: Path) -> None:
    cfg = config.get_base_cfg()
    entry = {"type": "semseg_folder", "path": "images", "annotations": "labels", "classes": ["background", "road"]}
    cfg.set("MISC.DATA_ROOT", str(tmp_path))
    cfg.set("MISC.CKPT", str(tmp_path / "run"))
    cfg.set("DATA.CATALOG", {"a": {**entry, "share": [0.0, 0.8]}, "b": {**entry, "share": [0.8, 0.9], "seed": 3}, "all": entry})
    record = ShareRecord(tmp_path / "run" / "train_share.txt")
    build_dataset(cfg, ["all"], ["semseg"], record=record)
    record.write()
    built = build_dataset(cfg, ["a", "all", "b"], ["semseg"], record=record)
    # nothing is written before the run begins: it may be refused
    assert not (tmp_path / "run").exists()
    record.write()
    first, _, second = (tmp_path / "run" / "train_share.txt").read_text().partition("\n\n")
    assert first.splitlines()[0] == "# a: share [0, 0.8], seed 0: 16 of 20 samples, in their order"
    assert first.splitlines()[1:] == [built.file_of(index) for index in range(16)]  # type: ignore[attr-defined]
    assert second.splitlines()[0] == "# b: share [0.8, 0.9], seed 3: 2 of 20 samples, in their order"
    assert second.splitlines()[1:] == [built.file_of(36), built.file_of(37)]  # type: ignore[attr-defined]
    assert all(Path(file).is_file() for file in first.splitlines()[1:])


def test_samples_without_files_are_written_by_their_numbers(tmp_path: Path) -> None:
    cfg = config.get_base_cfg()
    cfg.set("MISC.CKPT", str(tmp_path))
    cfg.set("DATA.CATALOG", {"some": {"type": "digits", "split": "train", "share": [0.0, 0.01]}})
    record = ShareRecord(tmp_path / "train_share.txt")
    count = len(build_dataset(cfg, ["some"], ["label"], record=record))
    record.write()
    lines = (tmp_path / "train_share.txt").read_text().splitlines()
    assert len(lines) == 1 + count
    assert all(line.startswith("sample ") for line in lines[1:])


def test_one_folder_gives_both_sides_by_config_alone(dataset: SemsegFolder, tmp_path: Path) -> None:
    cfg = config.get_base_cfg()
    entry = {"type": "semseg_folder", "path": "images", "annotations": "labels", "classes": ["background", "road"]}
    cfg.set("MISC.DATA_ROOT", str(tmp_path))
    cfg.set("DATA.CATALOG", {"a": {**entry, "share": [0.0, 0.8]}, "b": {**entry, "share": [0.8, 1], "seed": 0}})
    parts = [numbers(build_dataset(cfg, [name], ["semseg"])) for name in "ab"]
    assert parts == [numbers(part) for part in split_by_percent(dataset, 0.8)]


def test_a_list_names_the_images_that_are_taken(dataset: SemsegFolder, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("# the best\n07.png\n\n03.png\n")
    part = named_in(dataset, tmp_path / "list.txt", tmp_path / "images")
    assert numbers(part) == [3, 7]
    assert name_of_image(dataset, 3, tmp_path) == "images/03.png"
    (tmp_path / "list.txt").write_text("07.png\n20.png\n")
    with pytest.raises(DataError, match=r"list.txt:2: the data have no image '20.png'; they have, for one, '00.png'"):
        named_in(dataset, tmp_path / "list.txt", tmp_path / "images")
    (tmp_path / "list.txt").write_text("\n")
    with pytest.raises(DataError, match="the list names no images"):
        named_in(dataset, tmp_path / "list.txt", tmp_path / "images")


def test_a_name_that_a_list_cannot_hold_is_refused() -> None:
    assert list_text(["a.jpg", "b c.jpg"]) == "a.jpg\nb c.jpg\n"
    for name in ("#1.jpg", " a.jpg", "a\nb.jpg"):
        with pytest.raises(DataError, match="rename it"):
            list_text([name])


def test_an_entry_of_the_catalogue_takes_a_list(dataset: SemsegFolder, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("07.png\n")
    cfg = config.get_base_cfg()
    entry = {"type": "semseg_folder", "path": "images", "annotations": "labels", "classes": ["background", "road"], "only": "list.txt"}
    cfg.merge_from_list([f"MISC.DATA_ROOT={tmp_path}", f"DATA.CATALOG={ {'own': entry} }"])
    assert numbers(build_dataset(cfg, ["own"], ["semseg"])) == [7]
