"""Nothing let in: COCO files, VOC files and pickles that are made to harm."""

import json
import os
import pickle
import resource
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from pet.data.datasets.cifar import Cifar
from pet.data.datasets.coco_segmentations import rle_counts
from pet.data.datasets.voc import VocDataset
from pet.data.files.limits import LIMITS, set_limits
from pet.data.files.opening import read_plain_pickle
from pet.structures.masks import InstanceMasks
from petlib.errors import DataError
from tests.faults import test_fuzz_coco as coco
from tests.faults import test_fuzz_voc as voc
from tests.faults.conftest import Happened
from tests.faults.training import Training

NAMES = [f"thing{number}" for number in range(10)]


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def read(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Read a COCO file with a change."""
    if not (folder / "images").exists():
        coco.write_images(folder)
    document = coco.document()
    change(document)
    (folder / "instances.json").write_text(json.dumps(document))
    coco.read(folder / "instances.json")


def annotate(**entries: Any) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["annotations"][0].update(entries)


def describe_image(**entries: Any) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["images"][0].update(entries)


def zigzag(points: int) -> list[float]:
    return [float(value) for number in range(points) for value in (number % 2 * 900_000, number)]


RLE = {"size": [coco.HEIGHT, coco.WIDTH]}
HARM: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (describe_image(width=2**40, height=2**40), r"image 7: the image is 1099511627776x1099511627776 .* set_limits\.pixels"),
    (describe_image(width=-5), "image 7: its width is -5, pixels as a whole number from 1 expected"),
    (describe_image(height="2O"), "image 7: its height is '2O', pixels as a whole number"),
    (describe_image(id=10**400), r"image 10+\.\.\.0+: a whole number or text expected as its id"),
    (describe_image(file_name="/etc/passwd"), r"image 7: '/etc/passwd' leads out of .*images.* set Reach\.anywhere: True"),
    (describe_image(file_name="a/../../../x.png"), r"image 7: 'a/\.\./\.\./\.\./x\.png' leads out of"),
    (describe_image(file_name="a\0.png"), r"its file_name is 'a\\x00.png', the name of a file expected"),
    (describe_image(file_name="."), r"image 7: '\.' given, the name of a file expected"),
    (describe_image(file_name="\ud800.png"), r"its file_name is '\\ud800.png', the name of a file expected"),
    (annotate(bbox=[1e400, 0, 1, 1]), r"annotation 11 of image 7: its bbox is \[inf, 0, 1, 1\], four numbers"),
    (annotate(bbox=[10**400, 0, 1, 1]), "annotation 11 of image 7: its bbox is .*, four numbers"),
    (annotate(bbox=[0, 0, 1e30, 1e30]), "annotation 11 of image 7: its bbox is .*, four numbers"),
    (annotate(area=float("nan")), "annotation 11 of image 7: its area is nan, a number of square pixels expected"),
    (annotate(segmentation=[[0, 0, 1e9, 0, 1e9, 1e9]]), r"annotation 11 .*lies 1e\+09 pixels away from the image"),
    (annotate(segmentation=[zigzag(1000)]), "annotation 11 .*a polygon of its segmentation is 900,000,000 pixels long, at most 2,000,000"),
    (
        annotate(segmentation={**RLE, "counts": [2**62] * 4 + [600]}),
        "annotation 11 .*the count 4611686018427387904 is greater than",
    ),
    (annotate(segmentation={**RLE, "counts": [600, -5, 5]}), "annotation 11 .*the count -5 is negative"),
    (annotate(segmentation={"size": [2**20, 2**20], "counts": [2**40]}), r"its RLE is for an image of size \[1048576, 1048576\]"),
    (annotate(segmentation={**RLE, "counts": "o" * 12 + "0"}), "annotation 11 .*a number is too long"),
    (annotate(keypoints=[10**400, 0, 1] * 3), "annotation 11 .*its keypoints are"),
    (annotate(category_id=[3]), r"annotation 11 of image 7: its category_id is \[3\], a whole number expected"),
    (lambda document: document.update(annotations={"0": document["annotations"]}), "the list 'annotations' is missing"),
    (lambda document: document["annotations"].append("x" * 10**6), "annotations.3. is a str, a dictionary expected"),
    (
        lambda document: document["categories"][1].update(keypoints=7),
        "category 3 .'person'.: its keypoints are 7, a list of names",
    ),
    (lambda document: document["categories"][1].update(name="\x1b[2J"), "a whole number as id and text as name expected"),
    (lambda document: document["pet"].update(semseg="../../../etc"), r"'semseg' of 'pet': '\.\./\.\./\.\./etc' leads out of"),
    (lambda document: document["pet"].update(part_swap=[0, "one", 2]), r"'part_swap' of 'pet' is \[0, 'one', 2\]"),
]


@pytest.mark.parametrize(("change", "message"), HARM)
def test_a_coco_file_that_is_made_to_harm(change: Callable[[dict[str, Any]], object], message: str, tmp_path: Path) -> None:
    before = peak_bytes()
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path, change)
    assert len(str(caught.value)) < 3000
    assert peak_bytes() - before < 300e6


@pytest.mark.fault("let-in", "COCO files nested deeply, too large, or with numbers without end")
def test_json_that_no_reader_can_hold(tmp_path: Path, happened: Happened) -> None:
    coco.write_images(tmp_path)
    path = tmp_path / "instances.json"
    for content, message in (
        (b"[" * 10_000_000, "instances.json: the COCO file is nested too deeply to be read"),
        (b'{"images": ' + b"9" * 100_000 + b"}", "not a JSON file, or a damaged one: Exceeds the limit"),
        (b'{"images": [], "annotations": [], "categories"', "not a JSON file, or a damaged one"),
        (b'\xff\xfe{"images": []}', "not a JSON file, or a damaged one"),
        (b"", "not a JSON file, or a damaged one"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=message):
            coco.read(path)
    path.unlink()
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(DataError, match="it has 1,099,511,627,776 bytes, and at most 2,147,483,648 are read .set_limits.file_bytes."):
        coco.read(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DataError, match="the COCO file cannot be read: it is a named pipe"):
        coco.read(path)
    try:
        set_limits(pixels=LIMITS.pixels, file_bytes=10)
        (tmp_path / "b.json").write_text(json.dumps(coco.document()))
        with pytest.raises(DataError, match=r"b\.json: .*at most 10 are read"):
            coco.read(tmp_path / "b.json")
    finally:
        set_limits(pixels=LIMITS.pixels, file_bytes=2 * 1024**3)
    happened("a message for each; nothing is read that is too large")


@pytest.mark.nightly
def test_a_million_points_are_read(tmp_path: Path) -> None:
    angles = np.linspace(0, 2 * np.pi, 1_000_000)
    outline = np.stack([15 + 8 * np.cos(angles), 10 + 8 * np.sin(angles)], axis=1).ravel().tolist()
    read(tmp_path, annotate(segmentation=[outline]))


def test_masks_of_too_many_objects_are_not_drawn() -> None:
    masks = InstanceMasks.from_segmentations([[[1, 1, 5, 1, 5, 5]]] * 300, (4000, 4000))
    with pytest.raises(DataError, match="the masks of 300 objects in an image of 4000x4000 pixels would take more than 2,147,483"):
        masks.rasterise()


def test_counts_are_those_that_the_drawing_library_reads() -> None:
    rng = np.random.default_rng(0)
    for height, width in ((1, 1), (3, 1000), (500, 700)):
        encoded = coco_mask.encode(np.asfortranarray(rng.integers(0, 2, (height, width), dtype=np.uint8)))
        assert rle_counts(encoded["counts"], height * width).sum() == height * width
    # the library keeps the lowest 32 bits of this count, which are 5
    with pytest.raises(ValueError, match="a number is too long|greater than"):
        rle_counts(coco_text(2**32 + 5), 5)


def coco_text(count: int) -> str:
    groups = []
    while count >= 16:
        groups.append(chr(48 + (count & 31 | 32)))
        count >>= 5
    return "".join([*groups, chr(48 + count)])


LAUGHS = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b0 "ha">%s]><annotation>&b9;</annotation>' % b"".join(
    b'<!ENTITY b%d "%s">' % (number, b"&b%d;" % (number - 1) * 100) for number in range(1, 10)
)


@pytest.mark.fault("let-in", "VOC files with entities that grow, of other files, deep or huge")
def test_xml_that_is_made_to_harm(tmp_path: Path, happened: Happened) -> None:
    path = voc.make_folder(tmp_path) / "1.xml"
    secret = tmp_path / "secret"
    secret.write_text("secret")
    before, begun = peak_bytes(), time.monotonic()
    external = f'<!DOCTYPE a [<!ENTITY b SYSTEM "file://{secret}">]><annotation><filename>&b;</filename></annotation>'
    for content, message in (
        (LAUGHS, r"1\.xml:1: the XML has a document type .<!DOCTYPE ...>., which is not read"),
        (external.encode(), r"1\.xml:1: the XML has a document type"),
        (external.encode("utf-16"), r"1\.xml:1: the XML has a document type"),
        (b'<!DOCTYPE a SYSTEM "http://localhost:1/a.dtd"><annotation/>', "the XML has a document type"),
        (b"<annotation>" + b"<a>" * 100_000, "not an XML file, or a damaged one: no element found"),
        (b"<annotation>" * 400_000 + b"</annotation>" * 300_000, "the annotation file cannot be read: .*at most 8,388,608 are read"),
        (b"<annotation><object><name>" + b"x" * 1000 + b"</name></object></annotation>", "object 1: its <name> is 'xxx.*a class expected"),
        (voc.FILE.replace(b"<width>30", b"<width>1e300"), r"its <size>: the image is \d+x20"),
        (voc.FILE.replace(b"<width>30", b"<width>1e400"), "its <size>: <width> is '1e400', a number of pixels expected"),
        (voc.FILE.replace(b">3<", b">thirty<"), "<xmin> is 'thirty', a number of pixels expected"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=message):
            voc.read(path)
    path.write_bytes(b"<annotation>" + b"<a>" * 100_000 + b"</a>" * 100_000 + b"</annotation>")
    voc.read(path)
    assert peak_bytes() - before < 1e9
    assert time.monotonic() - begun < 100
    happened("refused before any entity is read")


def test_ids_of_voc_lists_stay_in_the_folder(tmp_path: Path) -> None:
    (voc.make_folder(tmp_path / "voc") / "1.xml").write_bytes(voc.FILE)
    (tmp_path / "secret.xml").write_bytes(voc.FILE)
    for name in ("../../secret", str(tmp_path / "secret")):
        (tmp_path / "voc/ImageSets/Main/train.txt").write_text(f"1\n{name}\n")
        with pytest.raises(DataError, match=r"train\.txt:2: '.*secret' leads out of .*Annotations"):
            VocDataset(folder=tmp_path / "voc", split="train")


class Grower:
    """Makes numpy's reader take what the pickle says."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def doubled(depth: int) -> list[Any]:
    value: list[Any] = [1]
    for _ in range(depth):
        value = [value, value]
    return value


PICKLES: dict[str, tuple[bytes, str]] = {
    "code": (pickle.dumps({"data": Grower(os.system, "true")}), "posix.system, but only numpy arrays"),
    "eval": (pickle.dumps({"data": Grower(eval, "1")}), "builtins.eval, but only numpy arrays"),
    "numpy": (pickle.dumps({"data": Grower(np.zeros, 2**40)}), "but only numpy arrays"),
    "objects": (pickle.dumps({"data": np.array(["x", None], object)}), "an array of 'O8', but only numpy arrays of numbers"),
    "memo": (b"\x80\x02K\x01r" + struct.pack("<I", 2**31) + b".", "it keeps value 2147483648 after 2 steps"),
    "tuples": (b"\x80\x02)" + b"\x85" * 2_000_000 + b".", "it has the step TUPLE1"),
    "lists": (pickle.dumps({"data": doubled(60), "labels": [1]}), "data is no array of bytes"),
    "labels": (pickle.dumps({"data": np.zeros((1, 3072), np.uint8), "labels": doubled(60)}), "labels is no list of numbers"),
    "numbers": (pickle.dumps({"data": np.zeros((1, 3072), np.uint8), "labels": [10**400]}), "OverflowError"),
    "shape": (pickle.dumps({"data": np.zeros((1, 3072), np.uint8), "labels": [-1]}), "labels from -1 to -1"),
    "length": (b"\x80\x04\x8e" + struct.pack("<Q", 2**60) + b"x.", "not a CIFAR file, or a damaged one"),
    "kept tuples": (b"\x80\x02)q\x00" + b"0h\x00\x85q\x00" * 2_000 + b".", "it has the step TUPLE1"),
    "a type": (b"\x80\x02cnumpy\nndarray\n.", "it has a type, but only numpy arrays"),
    "no values": (b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n)R.", "not a CIFAR file, or a damaged one"),
    "a circle": (b"\x80\x02]q\x00h\x00a.", "not a CIFAR file, or a damaged one"),
    "extension": (b"\x80\x02\x82\x01.", "it has the step EXT1"),
}


@pytest.mark.fault("let-in", "pickled data sets that run code or take memory")
def test_pickles_that_are_made_to_harm(tmp_path: Path, happened: Happened) -> None:
    for name in ("data_batch_1", "test_batch"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "batches.meta").write_bytes(pickle.dumps({"label_names": NAMES}))
    before = peak_bytes()
    for content, message in PICKLES.values():
        (tmp_path / "test_batch").write_bytes(content)
        with pytest.raises(DataError, match=message):
            Cifar(kind="cifar10", folder=tmp_path, split="test")
    assert peak_bytes() - before < 300e6
    happened(f"{len(PICKLES)} pickles refused, no code run")


@pytest.mark.parametrize("protocol", range(6))
def test_plain_pickles_of_all_kinds_are_read(protocol: int, tmp_path: Path) -> None:
    content = {
        "data": np.arange(12, dtype=np.uint8).reshape(3, 4),
        "by_columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
        b"n": [b"x", "y", 1.5],
        # as face verification files: images in a list, more of them than tuples may lie in each other
        "images": ([np.full((1, 1), index % 256, np.uint8) for index in range(5_000)], [True, None]),
    }
    (tmp_path / "a").write_bytes(pickle.dumps(content, protocol=protocol))
    found = read_plain_pickle(tmp_path / "a", what="a file")
    assert list(found) == list(content)
    assert found[b"n"] == content[b"n"]
    images, same = found["images"]
    assert [int(image[0, 0]) for image in images] == [index % 256 for index in range(5_000)]
    assert same == [True, None]
    for name in ("data", "by_columns"):
        assert found[name].dtype == content[name].dtype  # type: ignore[union-attr]
        assert np.array_equal(found[name], content[name])


@pytest.mark.fault("let-in", "a COCO file that leads out of the data and one nested too deeply, in a training")
@pytest.mark.nightly
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "image 7: '/etc/passwd' leads out of"),
        (b"[" * 100_000, "the COCO file is nested too deeply to be read"),
    ],
)
def test_a_training_ends_with_the_message(content: bytes | None, message: str, training: Training, happened: Happened) -> None:
    coco.write_images(training.root)
    document = coco.document()
    document["images"][0]["file_name"] = "/etc/passwd"
    (training.root / "instances.json").write_bytes(content or json.dumps(document).encode())
    entry = {"type": "coco", "path": str(training.root / "images"), "annotations": str(training.root / "instances.json")}
    code, printed = training.run_script(f"DATA.CATALOG={{'mine': {entry}}}", "TRAIN.DATASETS=['mine']")
    assert code == 2, printed
    assert message in printed
    assert "Traceback" not in printed
    happened("exit code 2 and the file's name")
