"""Layouts of data sets of videos."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pet.data.catalog.source import Source
from pet.data.datasets import frame_counts
from pet.data.datasets import videos as layouts
from pet.data.datasets.frame_counts import CACHE_NAME, count_frames
from pet.data.files.allowed_paths import Reach
from pet.data.files.videos import VideoFacts
from petlib.errors import ConfigError, DataError
from tests.pet.data.video_files import noise, write_video

NAMES = ["a/1.avi", "a/2.avi", "b/1.avi"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number, name in enumerate(NAMES):
        write_video(tmp_path / "videos" / name, noise(4 + number, seed=number))
    return tmp_path / "videos"


def source(path: Path, **values: Any) -> Source:
    return Source(path, values.pop("split", "train"), values.pop("classes", None), reach=Reach(root=path), **values)


def labels_of(dataset: layouts.Videos) -> list[list[int]]:
    return [dataset.labels_of(index).tolist() for index in range(len(dataset))]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_class_folders(root: Path) -> None:
    (root / "a" / "notes.txt").touch()
    dataset = layouts.build_video_folder(source(root))
    assert dataset.info.classes == ["a", "b"]
    assert labels_of(dataset) == [[0], [0], [1]]
    assert dataset.info.skipped == {"file of another kind (.txt)": 1}
    sample = dataset[2]
    assert (sample["label"], sample["meta"]["file"], dataset.file_of(2)) == (1, str(root / "b/1.avi"), str(root / "b/1.avi"))
    assert (sample["clip"].count, sample["clip"].rate, sample["clip"].size) == (6, 10.0, (16, 24))
    assert np.array_equal(sample["clip"].read(np.array([5, 0])), noise(6, seed=2)[[5, 0]])


@pytest.mark.parametrize(
    ("lines", "classes", "labels"),
    [
        ("a/1.avi 0\n\n# seen\na/2.avi 2\nb/1.avi 1\n", ["0", "1", "2"], [[0], [2], [1]]),
        ("a/1.avi\trun\na/2.avi\tjump high\nb/1.avi\trun\n", ["jump high", "run"], [[1], [0], [1]]),
        ("a/1.avi,2\na/2.avi,0\nb/1.avi,1\n", ["0", "1", "2"], [[2], [0], [1]]),
        ("a/1.avi 0 2\na/2.avi 1\nb/1.avi 0 1 2\n", ["0", "1", "2"], [[0, 2], [1], [0, 1, 2]]),
    ],
)
def test_lists_of_videos(root: Path, lines: str, classes: list[str], labels: list[list[int]]) -> None:
    several = any(len(own) > 1 for own in labels)
    kinds = frozenset({"multilabel"}) if several else None
    inside = layouts.build_video_list(source(write(root / "list.txt", lines), kinds=kinds))
    outside = layouts.build_video_list(source(root, annotations=write(root.parent / "list.txt", lines), kinds=kinds))
    for dataset in (inside, outside):
        assert (dataset.info.classes, labels_of(dataset)) == (classes, labels)
        assert dataset.info.kinds == ({"multilabel"} if several else {"label", "multilabel"})
        assert dataset[0]["clip"].count == 4
    if several:
        assert inside[0]["multilabel"].tolist() == [1, 0, 1]
        assert inside[0]["multilabel"].dtype == np.uint8


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "names no videos"),
        ("a/1.avi\n", "'path label' or 'path label label ...' expected"),
        ("a/1.avi run\na/2.avi 1\n", "list.txt:1: the label 'run' of a/1.avi is a name, and others are numbers"),
        ("../../x.avi 0\n", "leads out of"),
        ("3 0\n", "'path label"),
    ],
)
def test_wrong_lists_are_reported(root: Path, lines: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        layouts.build_video_list(source(write(root / "list.txt", lines)))


def test_labels_have_to_be_classes(root: Path) -> None:
    path = write(root / "list.txt", "a/1.avi 0\na/2.avi 3\n")
    with pytest.raises(DataError, match=r"list.txt:2: the class 3 of a/2.avi is none of the 2 classes \(run, jump\)"):
        layouts.build_video_list(source(path, classes=["run", "jump"]))
    with pytest.raises(DataError, match="the class 'a' of a/1.avi is none of the 1 class "):
        layouts.build_video_folder(source(root, classes=["b"]))
    with pytest.raises(DataError, match="the class 'c' has no videos"):
        (root / "c").mkdir()
        layouts.build_video_folder(source(root))


def test_folders_of_frames(root: Path) -> None:
    frames = noise(5)
    (root / "x").mkdir()
    for number, frame in enumerate(frames, start=1):
        cv2.imwrite(str(root / "x" / f"{number:03}.png"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    path = write(root / "list.txt", "x 5 0\nx 2 3 1\n")
    dataset = layouts.build_frame_list(source(path, frame_name="{:03}.png"))
    assert labels_of(dataset) == [[0], [1]]
    assert (dataset[0]["clip"].count, dataset[1]["clip"].count) == (5, 3)
    assert np.array_equal(dataset[0]["clip"].read(np.arange(5)), frames)
    assert np.array_equal(dataset[1]["clip"].read(np.arange(3)), frames[2:])
    (root / "x" / "005.png").unlink()
    with pytest.raises(DataError, match="x/005.png: the frame cannot be read: No such file"):
        dataset[0]
    with pytest.raises(ConfigError, match="a name with a place for the number"):
        layouts.build_frame_list(source(path, frame_name="img.jpg"))
    with pytest.raises(DataError, match="list.txt:1: 'x 0 0' given, 'folder total label'"):
        layouts.build_frame_list(source(write(path, "x 0 0\n")))


def test_the_files_of_ucf101(tmp_path: Path) -> None:
    lists, videos = tmp_path / "lists", tmp_path / "videos"
    lists.mkdir()
    write(lists / "classInd.txt", "1 Archery\n2 BasketballDunk\n")
    write(lists / "trainlist02.txt", "BasketballDunk/v_BasketballDunk_g08_c01.avi 2\nArchery/v_Archery_g09_c01.avi 1\n")
    write(lists / "testlist01.txt", "Archery/v_Archery_g08_c01.avi\nArchery/v_Archery_g08_c02.avi\nArchery/v_Archery_g01_c01.avi\n")
    train = layouts.build_ucf101(source(videos, annotations=lists, split="train2"))
    test = layouts.build_ucf101(source(videos, annotations=lists, split="test"))
    assert train.info.classes == test.info.classes == ["Archery", "BasketballDunk"]
    assert labels_of(train) == [[1], [0]]
    assert labels_of(test) == [[0]] * 3
    assert [layouts.group_of(test.file_of(index)) for index in range(3)] == ["v_Archery_g08", "v_Archery_g08", "v_Archery_g01"]
    assert test.info.groups is not None
    assert (test.info.groups == test.info.groups[0]).tolist() == [True, True, False]
    with pytest.raises(DataError, match="train1 to train3 and test1 to test3"):
        layouts.build_ucf101(source(videos, annotations=lists, split="val"))
    write(lists / "testlist01.txt", "Juggling/v.avi\n")
    with pytest.raises(DataError, match="testlist01.txt:1: the class 'Juggling'"):
        layouts.build_ucf101(source(videos, annotations=lists, split="test"))


def test_the_files_of_something_something(tmp_path: Path) -> None:
    write(tmp_path / "labels.json", json.dumps({"Pushing something": "1", "Holding something": "0"}))
    entries = [{"id": "7", "template": "Pushing [something]"}, {"id": "9", "template": "Holding [something]"}]
    path = write(tmp_path / "train.json", json.dumps(entries))
    dataset = layouts.build_something(source(tmp_path / "videos", annotations=path))
    assert dataset.info.classes == ["Holding something", "Pushing something"]
    assert labels_of(dataset) == [[1], [0]]
    assert dataset.file_of(0) == str(tmp_path / "videos/7.webm")
    write(path, json.dumps([{"id": "7"}]))
    with pytest.raises(DataError, match="entry 0 has no id or no template"):
        layouts.build_something(source(tmp_path / "videos", annotations=path))
    write(path, json.dumps(entries))
    write(tmp_path / "labels.json", json.dumps({"Pushing something": "2"}))
    with pytest.raises(DataError, match="with the numbers 0, 1, 2"):
        layouts.build_something(source(tmp_path / "videos", annotations=path))


def test_a_csv_file_of_kinetics_and_videos_that_are_missing(tmp_path: Path) -> None:
    write_video(tmp_path / "videos/abseiling/0123456789a_000005_000015.avi", noise())
    rows = "label,youtube_id,time_start,time_end,split\nabseiling,0123456789a,5,15,train\nzumba,abcdefghijk,1,11,train\n"
    path = write(tmp_path / "train.csv", rows)
    dataset = layouts.build_kinetics(source(tmp_path / "videos", annotations=path, classes=["abseiling", "zumba"]))
    assert labels_of(dataset) == [[0]]
    assert dataset.info.skipped == {"video that is listed and missing": 1}
    assert dataset[0]["meta"]["group"] == "0123456789a"
    write(path, "youtube_id,split\nx,train\n")
    with pytest.raises(DataError, match="no column label, time_end, time_start"):
        layouts.build_kinetics(source(tmp_path / "videos", annotations=path))


def test_videos_that_cannot_be_read_are_reported_when_they_are_asked_for(root: Path) -> None:
    (root / "a/2.avi").write_bytes(b"no video")
    path = write(root / "list.txt", "a/1.avi 0\na/2.avi 1\na/3.avi 1\n")
    dataset = layouts.build_video_list(source(path))
    assert dataset[0]["clip"].count == 4
    with pytest.raises(DataError, match="a/2.avi: not a video that can be read"):
        dataset[1]
    with pytest.raises(DataError, match="a/3.avi: the video cannot be read: No such file"):
        dataset[2]


def test_frames_are_counted_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[Path] = []
    decode = frame_counts.count_decoded

    def count(path: Path) -> VideoFacts:
        counted.append(path)
        return decode(path)

    monkeypatch.setattr(frame_counts, "count_decoded", count)
    facts = count_frames(root, NAMES)
    assert [facts[name].frames for name in NAMES] == [4, 5, 6]
    assert facts == count_frames(root, NAMES)
    assert sorted(counted) == [root / name for name in NAMES]
    # a file that has changed is counted again, and so is all where the kept counts are damaged
    write_video(root / NAMES[0], noise(9))
    assert count_frames(root, NAMES)[NAMES[0]].frames == 9
    assert counted[3:] == [root / NAMES[0]]
    (root / CACHE_NAME).write_text('{"version": 1, "videos": {"a/1.avi": 3}}')
    assert count_frames(root, NAMES)[NAMES[2]].frames == 6
    assert len(counted) == 7


@pytest.mark.parametrize("name", ["video_list", "motions"])
def test_classes_are_known_without_a_look_at_the_videos(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "list.txt", "missing/1.avi run\nmissing/2.avi jump\n")
    expected = {"video_list": ["jump", "run"], "motions": list(layouts.motions.CLASSES)}
    assert layouts.video_class_names(source(path), name) == expected[name]
