"""Sequences in the layout of MOTChallenge, lists of JDE and files of CrowdHuman are read as they are."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from pet.data.catalog.source import Source
from pet.data.datasets.crowdhuman import build_crowdhuman
from pet.data.datasets.jde import build_jde
from pet.data.datasets.mot import build_mot
from pet.data.files.mot_text import MotRows, format_annotations, format_results, read_mot
from petlib.errors import ConfigError, DataError

from .mot_files import write_sequence

# sorted by frame: an identity begins anew at each line in readers that compare neighbours
ROWS = [
    [1, 7, 1, 1, 10, 20, 1, 1, 1],
    [1, 9, 31, 5, 10, 20, 1, 1, 0.5],
    [1, 3, 21, 5, 10, 20, 0, 8, 1],
    [2, 7, 3, 1, 10, 20, 1, 1, 1],
    [2, 9, 60, 5, 10, 20, 1, 1, 1],
    [2, 9, 60, 5, 10, 20, 1, 3, 1],
    [4, 7, 5, 1, 10, 20, 0, 1, 0],
]


def source(path: Path, split: str = "train", classes: list[str] | None = None, annotations: Path | None = None) -> Source:
    return Source(path=path, split=split, classes=classes, annotations=annotations)


def test_identities_are_those_of_sequence_and_id(tmp_path: Path) -> None:
    for name in ("MOT17-02-DPM", "MOT17-02-SDP", "MOT17-04-SDP"):
        write_sequence(tmp_path / "train" / name, ROWS)
    dataset = build_mot(source(tmp_path))
    assert len(dataset) == 8, "one of the copies for several detectors"
    assert dataset.info.num_identities == 4 and dataset.info.classes == ["pedestrian"]
    assert dataset.info.groups is not None and dataset.info.groups.tolist() == [0] * 4 + [1] * 4
    first, second, third, other = (dataset[index] for index in (0, 1, 2, 4))
    assert first["identities"].tolist() == [0, 1] == second["identities"].tolist()
    assert other["identities"].tolist() == [2, 3]
    assert first["boxes"].tolist() == [[0, 0, 10, 20], [30, 4, 40, 24]], "the first pixel is 1 in the files"
    assert second["boxes"].tolist()[1] == [59, 4, 64, 24], "cut off at the edge"
    assert len(third["boxes"]) == 0 and third["meta"]["frame"] == 3 and third["meta"]["time"] == pytest.approx(0.2)
    assert third["meta"]["sequence"] == "MOT17-02-DPM"
    truth = dataset.truth(0)
    assert truth.crowd.tolist() == [False, False, True], "the distractor"
    assert truth.identities is not None and truth.identities.tolist() == [0, 1, -1]
    assert dataset.truth(1).boxes.tolist()[1] == [59, 4, 69, 24], "as the file has it"
    assert len(dataset.truth(3).labels) == 0, "confidence 0: not to be counted"
    assert dataset.info.skipped == {"box of another class": 2}


def test_mot15_has_places_in_the_world_where_others_have_classes(tmp_path: Path) -> None:
    write_sequence(tmp_path / "TUD", [[1, 1, 8, 9, 11, 21, 1, 4.4852, 5.5016, 0], [2, 1, 9, 9, 11, 21, 1, 4.5, 5.5, 0]])
    dataset = build_mot(source(tmp_path))
    assert [len(dataset.truth(index).labels) for index in range(4)] == [1, 1, 0, 0]


def test_own_classes_come_from_labels_txt(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "a", [[1, 1, 1, 1, 9, 9, 1, 2, 1], [1, 2, 20, 1, 9, 9, 1, 1, 1]], rate=None)
    (folder / "gt" / "labels.txt").write_text("car\nbus\n")
    dataset = build_mot(source(tmp_path))
    assert dataset.info.classes == ["car", "bus"] and dataset[0]["labels"].tolist() == [1, 0]
    assert build_mot(source(tmp_path, classes=["bus"]))[0]["identities"].tolist() == [0]
    with pytest.raises(DataError, match=r"none of the classes tram in these data; they have car, bus \(Source.classes\)"):
        build_mot(source(tmp_path, classes=["tram"]))


def test_the_halves_are_the_training_data_and_a_step_lowers_the_rate(tmp_path: Path) -> None:
    write_sequence(tmp_path / "train" / "a", ROWS, frames=7)
    halves = [build_mot(source(tmp_path, split)) for split in ("train_half", "val_half")]
    assert [[half[index]["meta"]["frame"] for index in range(len(half))] for half in halves] == [[1, 2, 3, 4], [5, 6, 7]]
    slow = build_mot(source(tmp_path), step=3)
    assert [slow.truth(index).frame for index in range(len(slow))] == [1, 4, 7]
    with pytest.raises(ConfigError, match=r"build_mot.step: 0 given"):
        build_mot(source(tmp_path), step=0)


def test_a_test_without_annotations_can_be_predicted_on(tmp_path: Path) -> None:
    write_sequence(tmp_path / "test" / "a", None)
    dataset = build_mot(source(tmp_path, "test"))
    assert not dataset.info.annotated and len(dataset[0]["boxes"]) == 0
    write_sequence(tmp_path / "test" / "b", ROWS)
    with pytest.raises(DataError, match=r"a/gt/gt.txt: there is no such file, but other sequences"):
        build_mot(source(tmp_path, "test"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,1,5,5\n", "begins with '1,1,5,5'; 'frame, identity"),
        ("1,1,5,5,2,2\n0,1,5,5,2,2\n", "line 2 of the annotations: 0, 1, 5, 5, 2, 2 given"),
        ("1,1.5,5,5,2,2\n", "line 1"),
        ("1,1,5,5,nan,2\n", "line 1"),
        ("1,1,x,5,2,2\n", "has a line that cannot be read"),
        ("1,1,5,5,2,2\n1,1,5\n", "has a line that cannot be read"),
    ],
)
def test_wrong_lines_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "gt.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        read_mot(tmp_path / "gt.txt", what="the annotations")


def test_a_folder_without_sequences_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no sequences in it; one is a folder with seqinfo.ini or img1"):
        build_mot(source(tmp_path))
    write_sequence(tmp_path / "a", ROWS)
    (tmp_path / "a" / "seqinfo.ini").write_text("[Sequence]\nframeRate=fast\n")
    with pytest.raises(DataError, match="framerate is 'fast', a number above 0 expected"):
        build_mot(source(tmp_path))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    rows = read_mot(write_sequence(tmp_path / "a", ROWS) / "gt" / "gt.txt", what="the annotations")
    (tmp_path / "again.txt").write_text(format_annotations(rows))
    for first, second in zip(rows, read_mot(tmp_path / "again.txt", what="the annotations"), strict=True):
        assert np.array_equal(first, second)
    text = format_results([(3, np.array([5]), np.array([[0.0, 1.0, 10.25, 21.0]]), np.array([0.75]), None)])
    assert text == "3,5,1.00,2.00,10.25,20.00,0.75,-1,-1,-1\n"
    (tmp_path / "result.txt").write_text(text)
    result: MotRows = read_mot(tmp_path / "result.txt", what="the results")
    assert result.corners().tolist() == [[0, 1, 10.25, 21]] and result.classes.tolist() == [1]


def test_lists_of_jde(tmp_path: Path) -> None:
    lines = {"a/images/s1/1.jpg": "0 12 0.5 0.5 0.25 0.5\n0 -1 0.125 0.5 0.25 1\n", "a/images/s1/2.jpg": "0 3 0.5 0.5 0.25 0.5\n"}
    for name, text in {**lines, "a/images/s2/1.jpg": ""}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.zeros((40, 80, 3), np.uint8))
        label = tmp_path / name.replace("images", "labels_with_ids").replace(".jpg", ".txt")
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text(text)
    (tmp_path / "a.train").write_text("\n".join([*lines, "a/images/s2/1.jpg"]))
    dataset = build_jde(source(tmp_path, annotations=tmp_path / "a.train"))
    assert dataset.info.num_identities == 2 and dataset.info.classes == ["person"]
    assert dataset[0]["boxes"].tolist() == [[30, 10, 50, 30], [0, 0, 20, 40]]
    assert dataset[0]["identities"].tolist() == [1, -1] and dataset[1]["identities"].tolist() == [0]
    assert dataset[1]["meta"]["frame"] == 2 and len(dataset[2]["boxes"]) == 0
    (tmp_path / "a/labels_with_ids/s1/2.txt").write_text("1 3 0.5 0.5 0.25 0.5\n")
    with pytest.raises(DataError, match=r"s1/2.txt:1: 1 3 0.5 0.5 0.25 0.5 given; a class from 0 to 0"):
        build_jde(source(tmp_path, annotations=tmp_path / "a.train"))


def test_people_of_crowdhuman_have_identities_of_their_own(tmp_path: Path) -> None:
    people = [
        {"tag": "person", "fbox": [-4, 2, 20, 30], "vbox": [0, 2, 16, 20], "hbox": [2, 2, 6, 6], "extra": {"box_id": 0, "occ": 1}},
        {"tag": "person", "fbox": [30, 2, 10, 30], "vbox": [30, 2, 10, 20], "hbox": [2, 2, 6, 6], "extra": {"ignore": 1}},
        {"tag": "mask", "fbox": [50, 2, 10, 30], "vbox": [50, 2, 10, 20], "hbox": [2, 2, 6, 6], "extra": {"ignore": 1}},
    ]
    for name in ("x,1", "x,2"):
        cv2.imwrite(str(tmp_path / f"{name}.jpg"), np.zeros((48, 64, 3), np.uint8))
    odgt = tmp_path / "annotation_train.odgt"
    odgt.write_text("\n".join(json.dumps({"ID": name, "gtboxes": people}) for name in ("x,1", "x,2")))
    dataset = build_crowdhuman(source(tmp_path, annotations=odgt))
    assert dataset.info.num_identities == 2 and dataset.info.groups is None
    assert dataset[0]["boxes"].tolist() == [[0, 2, 16, 32]] and dataset[1]["identities"].tolist() == [1]
    assert dataset.truth(0).crowd.tolist() == [False, True, True] and "sequence" not in dataset[0]["meta"]
    assert build_crowdhuman(source(tmp_path, annotations=odgt), box="head")[0]["boxes"].tolist() == [[2, 2, 8, 8]]
    with pytest.raises(ConfigError, match=r"build_crowdhuman.box: 'body' given, full, visible, head expected"):
        build_crowdhuman(source(tmp_path, annotations=odgt), box="body")
    odgt.write_text('{"ID": "x,1"}')
    with pytest.raises(DataError, match=r"odgt:1: .* given, a line of JSON with ID and gtboxes expected"):
        build_crowdhuman(source(tmp_path, annotations=odgt))
