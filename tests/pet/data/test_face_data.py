"""Data sets of faces: RecordIO files, verification pairs, drawn heads."""

import pickle
import struct

import cv2
import numpy as np
import pytest

from pet.data.datasets.face_records import FaceRecords
from pet.data.datasets.facets import FacetPairs, Facets, draw_image
from pet.data.datasets.image_folder import ImageFolder
from pet.data.datasets.verification import ListedPairs, PickledPairs
from pet.data.files.record_io import MAGIC, RecordFile
from pet.data.report.dataset_report import report_dataset
from pet.data.report.shared import SHARED_IDENTITY, SHARED_PIXELS, shared_samples
from pet.data.targets.dataset import Expectation
from petlib.errors import DataError


def encoded(value: int) -> bytes:
    return cv2.imencode(".png", np.full((4, 6, 3), (value, 0, 9), np.uint8))[1].tobytes()


def frame(data: bytes, kind: int = 0) -> bytes:
    return struct.pack("<II", MAGIC, kind << 29 | len(data)) + data + b"\0" * (-len(data) % 4)


def record(label: float | list[float], data: bytes) -> bytes:
    labels = np.array(label, "<f4").tobytes() if isinstance(label, list) else b""
    return struct.pack("<IfQQ", len(labels) // 4, 0.0 if labels else label, 0, 0) + labels + data


def write_records(folder, records, *, index: bool = True) -> None:
    """Write records as MXNet does: one whose data contain the magic number becomes parts between which it is left out."""
    magic, content, lines = struct.pack("<I", MAGIC), b"", ""
    for key, data in enumerate(records):
        lines += f"{key}\t{len(content)}\n"
        parts = data.split(magic)
        kinds = [0] if len(parts) == 1 else [1, *[2] * (len(parts) - 2), 3]
        content += b"".join(map(frame, parts, kinds))
    (folder / "train.rec").write_bytes(content)
    if index:
        (folder / "train.idx").write_text(lines)


@pytest.mark.parametrize("index", [True, False])
def test_records_of_insightfaces_form(tmp_path, index):
    magic = struct.pack("<I", MAGIC)
    faces = [record(0.0, encoded(1)), record([2.0, 7.0], encoded(2)), record(1.0, encoded(3) + magic + b"xy" + magic)]
    write_records(tmp_path, [record([4.0, 7.0], b""), *faces, record([1.0, 2.0], b""), record([2.0, 3.0], b"")], index=index)
    dataset = FaceRecords(path=tmp_path)
    assert (len(dataset), dataset.info.num_classes) == (3, 3)
    assert [dataset[index]["label"] for index in range(3)] == [0, 2, 1]
    assert [dataset.labels_of(index).tolist() for index in range(3)] == [[0], [2], [1]]
    # red and blue as OpenCV wrote them
    assert dataset[1]["image"][0, 0].tolist() == [9, 0, 2]
    assert dataset[2]["image"].shape == (4, 6, 3)
    assert dataset[0]["meta"]["file"] == f"{tmp_path / 'train.rec'}, record 1"
    assert RecordFile(tmp_path / "train.rec").read(3).data.endswith(magic + b"xy" + magic)


def test_records_without_a_description_and_with_properties(tmp_path):
    write_records(tmp_path, [record(5.0, encoded(1)), record(3.0, encoded(2))])
    assert FaceRecords(path=tmp_path / "train.rec").info.num_classes == 6
    (tmp_path / "property").write_text("10,112,112")
    assert FaceRecords(path=tmp_path).info.num_classes == 10
    (tmp_path / "property").write_text("ten")
    with pytest.raises(DataError, match="property: 'ten' given, a line 'identities,height,width' expected"):
        FaceRecords(path=tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-10], "the record at byte .* is cut off"),
        (lambda data: b"\0" * 8 + data, "no record begins at byte 0; this is no RecordIO file, or the index is another's"),
        (lambda data: data[:20], "has offsets up to .* it is another's"),
        (lambda _: b"", "the RecordIO file is empty"),
    ],
)
def test_damaged_records_are_reported(tmp_path, change, message):
    write_records(tmp_path, [record(0.0, encoded(1)), record(1.0, encoded(2))])
    path = tmp_path / "train.rec"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=message):
        FaceRecords(path=tmp_path)[1]


def test_an_index_of_something_else_is_reported(tmp_path):
    write_records(tmp_path, [record(0.0, encoded(1))])
    (tmp_path / "train.idx").write_text("0 1 2")
    with pytest.raises(DataError, match=r"train\.idx: lines 'key offset' of whole numbers expected"):
        FaceRecords(path=tmp_path)


@pytest.fixture
def people(tmp_path):
    for name in ("Ada_B", "Carl"):
        (tmp_path / name).mkdir()
        for number in (1, 2):
            (tmp_path / name / f"{name}_{number:04d}.png").write_bytes(encoded(number))
    return tmp_path


@pytest.mark.parametrize(
    "text",
    [
        "2\t1\nAda_B\t1\t2\nAda_B\t2\tCarl\t1\n",
        "Ada_B/Ada_B_0001.png Ada_B/Ada_B_0002.png 1\n# note\n\nAda_B/Ada_B_0002.png Carl/Carl_0001.png 0\n",
        "first,second,decision\nAda_B/Ada_B_0001.png,Ada_B/Ada_B_0002.png,Yes\nAda_B/Ada_B_0002.png,Carl/Carl_0001.png,No\n",
    ],
)
def test_lists_of_pairs(people, text):
    (people / "pairs.txt").write_text(text)
    dataset = ListedPairs(path=people / "pairs.txt", root=people)
    assert len(dataset) == 3
    assert dataset.pairs.places.tolist() == [[0, 1], [1, 2]]
    assert dataset.pairs.same.tolist() == [True, False]
    assert dataset[1]["image"][0, 0].tolist() == [9, 0, 2]
    assert dataset[2]["meta"]["file"].endswith("Carl_0001.png")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\nAda_B 1 3\n", r"pairs\.txt:2: there is no image Ada_B/Ada_B_0003\.jpg"),
        ("1\nAda_B 1\n", r"pairs\.txt:2: 'Ada_B 1' given, 'name 1 4' or 'name 1 name2 2' expected"),
        ("a.png b.png 1\n", r"pairs\.txt:1: a\.png: there is no such file below"),
        ("Ada_B/Ada_B_0001.png Carl/Carl_0001.png 1\na b\n", r"pairs\.txt:2: 'a b' given, lines 'image image2 1'"),
        (
            "Ada_B/Ada_B_0001.png Carl/Carl_0001.png maybe\n",
            r"pairs\.txt:1: 'Ada_B/Ada_B_0001\.png .* maybe' given, lines 'image image2 1'",
        ),
        ("", "there are no pairs in it"),
        ("../x.png ../y.png 1", "there is no such file|leads out of"),
    ],
)
def test_wrong_lists_of_pairs_are_reported(people, text, message):
    (people / "pairs.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        ListedPairs(path=people / "pairs.txt", root=people)


@pytest.mark.parametrize("form", [bytes, lambda data: np.frombuffer(data, np.uint8)[:, None], lambda data: data.decode("latin1")])
def test_pickled_pairs(tmp_path, form):
    (tmp_path / "lfw.bin").write_bytes(pickle.dumps(([form(encoded(value)) for value in range(4)], [True, False])))
    dataset = PickledPairs(path=tmp_path / "lfw.bin")
    assert (len(dataset), dataset.pairs.places.tolist()) == (4, [[0, 1], [2, 3]])
    assert dataset.pairs.same.tolist() == [True, False]
    assert dataset[3]["image"][0, 0].tolist() == [9, 0, 3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], r"\(images, same\) expected, two lists"),
        (([b"x"], [True]), "1 images and 1 answers; two images for each expected"),
        (([1, 2], [True]), "image 0 is a int, an encoded image expected"),
        (([], []), "0 images and 0 answers"),
    ],
)
def test_other_pickles_are_reported(tmp_path, content, message):
    (tmp_path / "lfw.bin").write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match=message):
        PickledPairs(path=tmp_path / "lfw.bin")


def test_facets_are_the_same_in_every_run_and_differ_more_between_people():
    dataset = Facets(identities=12, images=6)
    images = np.stack([dataset[index]["image"] for index in range(len(dataset))]).astype(np.float32)
    assert np.array_equal(draw_image(3, 1), dataset[3 * 6 + 1]["image"])
    assert dataset[3 * 6 + 1]["label"] == dataset.labels_of(3 * 6 + 1) == 3
    distances = np.abs(images[:, None] - images[None]).mean(axis=(2, 3, 4))
    same = np.arange(72)[:, None] // 6 == np.arange(72) // 6
    np.fill_diagonal(same, val=False)
    other = np.arange(72)[:, None] // 6 != np.arange(72) // 6
    assert 5 < distances[same].mean() < distances[other].mean()


def test_pairs_of_facets_are_of_unseen_people_half_of_them_of_one():
    dataset = FacetPairs()
    places, same = dataset.pairs
    assert (len(places), same.mean()) == (1200, 0.5)
    people = places // 10
    assert np.array_equal(people[:, 0] == people[:, 1], same)
    assert (places[:, 0] != places[:, 1]).all()
    assert places.max() < len(dataset)
    assert not np.array_equal(dataset[0]["image"], draw_image(0, 0))


def test_a_look_at_all_images_finds_equal_ones_of_several_people_and_people_with_none_or_one(tmp_path):
    write_records(tmp_path, [record(float(label), encoded(value)) for label, value in ((0, 1), (0, 2), (1, 1), (3, 3), (3, 4))])
    report = report_dataset("faces", FaceRecords(path=tmp_path), Expectation(kinds=("label",), counts={"label": 4}))
    found = {finding.kind: finding.detail for finding in report.findings}
    assert found["equal samples have several classes"] == f"{tmp_path}/train.rec, record 0, {tmp_path}/train.rec, record 2"
    assert found["classes have no image"] == "1 of 4: 2"
    assert found["classes have a single image"] == "1 of 4: 1"
    assert not report.fails


def test_people_and_pictures_of_the_training_are_found_in_the_test(people):
    for folder, number in (("Dora", 1), ("Dora", 5)):
        (people / folder).mkdir(exist_ok=True)
        (people / folder / f"{number}.png").write_bytes(encoded(number))
    (people / "Training").mkdir()
    for name in ("Ada_B", "Emil"):
        (people / "Training" / name).mkdir()
        (people / "Training" / name / "x.png").write_bytes(encoded(7 if name == "Ada_B" else 5))
    (people / "pairs.txt").write_text("Ada_B/Ada_B_0001.png Ada_B/Ada_B_0002.png 1\nDora/1.png Dora/5.png 1\n")
    training = report_dataset("train", ImageFolder(folder=people / "Training"), Expectation(kinds=("label",), counts={"label": 2}))
    test = report_dataset("test", ListedPairs(path=people / "pairs.txt", root=people), Expectation(kinds=()))
    found = shared_samples({"train": [training], "test": [test]})
    assert [(finding.kind, finding.place, finding.fatal) for finding in found] == [
        (SHARED_IDENTITY, "Ada_B", False),
        (SHARED_PIXELS, str(people / "Training" / "Emil" / "x.png"), False),
    ]
    assert found[1].detail == f"and {people / 'Dora' / '5.png'}"
    assert "people" not in test.as_dict()
