"""Pascal VOC: what samples and truths are, and what is reported when files are wrong."""

import logging
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from pet.data.catalog.source import Source
from pet.data.datasets.voc import VocDataset, build_voc
from pet.data.datasets.voc_layout import ALL
from pet.data.datasets.voc_records import object_names
from pet.data.files.allowed_paths import INSIDE
from petlib.errors import ConfigError, DataError

HEIGHT, WIDTH = 20, 30
CAT = "<object><name>cat</name><bndbox><xmin>3</xmin><ymin>4</ymin><xmax>12</xmax><ymax>9.0</ymax></bndbox></object>"
HARD_DOG = CAT.replace("cat", "dog").replace("<bndbox>", "<difficult>1</difficult><bndbox>").replace("12", "40")


def write(folder: Path, *, names: str = "b\na\n", split: str = "trainval", **bodies: str) -> Path:
    """Write a folder of the images a and b, whose XML files hold ``bodies``."""
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / f"ImageSets/Main/{split}.txt").write_text(names)
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
    for name in ("a", "b"):
        assert cv2.imwrite(str(folder / f"JPEGImages/{name}.jpg"), np.full((HEIGHT, WIDTH, 3), 9, np.uint8))
        body = size + bodies.get(name, CAT + HARD_DOG)
        (folder / f"Annotations/{name}.xml").write_text(f"<annotation>\n<filename>{name}.jpg</filename>{body}\n</annotation>")
    return folder


def make(folder: Path, classes: list[str] | None = None, kinds: set[str] | None = None, split: str = "trainval") -> VocDataset:
    return build_voc(Source(folder, split, classes, kinds=None if kinds is None else frozenset(kinds)))


# what it gives


@pytest.mark.parametrize("said", ["a.jpg", "", "a"])
@pytest.mark.parametrize("suffix", [".png", ".JPG", ".jpeg", ".webp"])
def test_the_image_of_an_id_is_found_whatever_its_suffix(suffix: str, said: str, tmp_path: Path) -> None:
    folder = write(tmp_path, names="a\n")
    (folder / "JPEGImages/a.jpg").rename(folder / f"JPEGImages/a{suffix}")
    annotation = folder / "Annotations/a.xml"
    annotation.write_text(annotation.read_text().replace("a.jpg", said))
    sample = make(folder)[0]
    assert sample["meta"]["file"].endswith(f"JPEGImages/a{suffix}")


def test_of_several_images_the_annotation_file_names_one(tmp_path: Path) -> None:
    folder = write(tmp_path, names="a\n")
    (folder / "JPEGImages/a.png").write_bytes((folder / "JPEGImages/a.jpg").read_bytes())
    assert make(folder).file_of(0).endswith("a.jpg")
    (folder / "JPEGImages/a.jpg").rename(folder / "JPEGImages/a.jpeg")
    with pytest.raises(DataError, match=r"JPEGImages/a: a\.jpeg and a\.png are there; name one in <filename>"):
        make(folder)


@pytest.mark.parametrize("line", ["IMG a", "IMG a -1", "IMG a.jpg", "IMG a.xml"])
def test_ids_of_a_list_may_have_blanks_and_suffixes(line: str, tmp_path: Path) -> None:
    folder = write(tmp_path, names=f"b\n{line}\n")
    for name in ("JPEGImages/a.jpg", "Annotations/a.xml"):
        (folder / name).rename(folder / name.replace("/a", "/IMG a"))
    dataset = make(folder)
    assert [dataset[place]["meta"]["id"] for place in range(2)] == ["b", "IMG a"]


@pytest.mark.parametrize(("word", "expected"), [("Unspecified", False), ("False", False), ("True", True)])
def test_words_in_flags_are_read_and_reported(word: str, expected: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="pet.data.datasets.voc_records")
    dataset = make(write(tmp_path, names="a\n", a=CAT.replace("<bndbox>", f"<difficult>{word}</difficult><bndbox>")))
    assert dataset.truth(0).crowd.tolist() == [expected]
    assert f"<difficult> is read where it is a word: {word} as {int(expected)} (1 times)" in caplog.text


def test_boxes_are_edges_and_difficult_objects_are_in_the_truth_alone(tmp_path: Path) -> None:
    dataset = make(write(tmp_path))
    assert len(dataset) == 2
    assert (len(dataset.info.classes), dataset.info.classes[7], dataset.info.classes[11]) == (20, "cat", "dog")
    assert (dataset.info.kinds, dataset.info.skipped, list(dataset.info.category_ids)) == ({"boxes"}, {}, list(range(1, 21)))
    sample, truth = dataset[0], dataset.truth(0)
    assert set(sample) == {"image", "meta", "boxes", "labels"}
    assert sample["image"].shape == (HEIGHT, WIDTH, 3)
    assert dataset.file_of(0) == sample["meta"]["file"]
    assert sample["meta"] == {"id": "b", "file": str(tmp_path / "JPEGImages/b.jpg"), "size": (HEIGHT, WIDTH)}
    assert (sample["boxes"].dtype, sample["boxes"].tolist()) == (np.float32, [[2, 3, 12, 9]])
    assert (sample["labels"].dtype, sample["labels"].tolist()) == (np.int64, [7])
    assert truth[:4] == ("b", str(tmp_path / "JPEGImages/b.jpg"), HEIGHT, WIDTH)
    assert truth.boxes.tolist() == [[2, 3, 12, 9], [2, 3, 30, 9]]
    assert (truth.labels.tolist(), truth.crowd.tolist(), truth.areas.tolist()) == ([7, 11], [False, True], [60, 168])
    assert (truth.segmentations, truth.keypoints) == (None, None)
    assert dataset.truth(-1).id == "a"
    assert set(make(tmp_path, kinds=set())[0]) == {"image", "meta"}


def test_classes_are_given_or_found(tmp_path: Path) -> None:
    named = VocDataset(folder=write(tmp_path), split="trainval", classes=["dog", "cat"])
    assert named.truth(0).labels.tolist() == [1, 0]
    folder = write(tmp_path, a=CAT.replace("cat", "zebra"))
    assert make(folder).info.classes == ["cat", "dog", "zebra"]
    message = r"Annotations/a\.xml: the class 'zebra' is none of the 3 classes; did you mean zebras\?; they are cat, dog, zebras"
    with pytest.raises(DataError, match=message):
        VocDataset(folder=folder, split="trainval", classes=["cat", "dog", "zebras"])


def test_an_image_without_objects_is_kept_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        dataset = make(write(tmp_path, a=""))
    assert dataset.info.skipped == {"image without <object>, kept as one without objects": 1}
    assert (dataset[1]["boxes"].shape, dataset[1]["labels"].shape) == ((0, 4), (0,))
    assert [message.rpartition(" (")[2] for message in caplog.messages] == [f"the first: {tmp_path}/Annotations/a.xml)"]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("<xmin>3<", "<xmin>13<", "object whose box has no area"),
        ("<ymin>4<", "<ymin>19<", "object whose box has no area"),
        ("<xmin>3</xmin><ymin>4</ymin><xmax>12<", "<xmin>31</xmin><ymin>4</ymin><xmax>35<", "object whose box lies outside of the image"),
    ],
)
def test_boxes_that_cannot_be_used_are_skipped(old: str, new: str, reason: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        dataset = make(write(tmp_path, a=CAT + CAT.replace(old, new)))
    assert dataset.info.skipped == {reason: 1}
    assert len(dataset.truth(1).boxes) == 1
    reported = f"{tmp_path}: while reading: 1 x {reason} (the first: object 2 (cat) of {tmp_path}/Annotations/a.xml)"
    assert caplog.messages == [reported]


def test_a_box_of_one_pixel_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one = CAT.replace("<xmin>3<", "<xmin>12<").replace("<ymin>4<", "<ymin>9<").replace("<ymax>9.0<", "<ymax>9<")
    column = CAT.replace("<xmin>3<", "<xmin>12<")
    dataset = make(write(tmp_path, a=one + column))
    assert dataset.truth(1).boxes.tolist() == [[11, 8, 12, 9], [11, 3, 12, 9]]
    assert dataset.truth(1).areas.tolist() == [1, 6]
    assert (dict(dataset.info.skipped), caplog.messages) == ({}, [])


@pytest.mark.parametrize(
    ("corners", "expected"),
    [(None, [2, 3, 12, 9]), ("pixels_from_1", [2, 3, 12, 9]), ("pixels_from_0", [3, 4, 13, 10]), ("edges", [3, 4, 12, 9])],
)
def test_corners_are_what_the_entry_says(corners: str | None, expected: list[int], tmp_path: Path) -> None:
    dataset = build_voc(Source(write(tmp_path), "trainval", None), corners=corners)
    assert dataset.truth(0).boxes[0].tolist() == expected


@pytest.mark.parametrize(
    ("right", "likely"),
    [("12", "corners: pixels_from_0, or edges;"), (str(WIDTH), "corners: edges, since some reach the width or height;")],
)
def test_a_corner_at_0_shows_that_pixels_are_not_counted_from_1(
    right: str, likely: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    at_zero = CAT.replace("<ymin>4<", "<ymin>0<").replace("<xmax>12<", f"<xmax>{right}<")
    folder = write(tmp_path, b=CAT, a=CAT + at_zero + at_zero)
    assert make(folder).truth(1).boxes[1].tolist() == [2, 0, int(right), 9]
    (line,) = caplog.messages
    assert line.startswith(f"{tmp_path}: 2 objects with a corner at 0 (the first: object 2 (cat) of {tmp_path}/Annotations/a.xml), and VOC")
    assert likely in line and "corners: pixels_from_1 keeps this reading" in line
    caplog.clear()
    for corners in ("pixels_from_1", "pixels_from_0", "edges"):
        build_voc(Source(folder, "trainval", None), corners=corners)
    assert caplog.messages == []


def test_shares_of_the_image_do_not_show_how_pixels_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shares = re.sub(r">(\d+)[.0]*<", r">0.\1<", CAT)
    make(write(tmp_path, a=shares, b=shares))
    assert "corner at 0" not in caplog.text


def test_other_corners_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="CatalogEntry.corners: 'edge' given, pixels_from_1, pixels_from_0, edges expected; did you mean edges"
    ):
        build_voc(Source(write(tmp_path), "trainval", None), corners="edge")


def test_boxes_are_clipped_to_the_image(tmp_path: Path) -> None:
    dataset = make(write(tmp_path, a=CAT.replace("<xmin>3<", "<xmin>-4<").replace("<ymax>9.0<", "<ymax>21<")))
    assert dataset.truth(1).boxes.tolist() == [[0, 3, 12, 20]]


def test_a_size_that_the_file_does_not_say_is_that_of_the_image(tmp_path: Path) -> None:
    folder = write(tmp_path)
    path = folder / "Annotations/a.xml"
    text = path.read_text()
    for changed in (text.replace(f">{WIDTH}<", ">0<").replace(f">{HEIGHT}<", ">0<"), f"<annotation>{CAT}</annotation>"):
        path.write_text(changed)
        truth = make(folder).truth(1)
        assert (truth.height, truth.width) == (HEIGHT, WIDTH)
        assert make(folder)[1]["meta"]["size"] == (HEIGHT, WIDTH)


def test_images_may_be_of_another_format(tmp_path: Path) -> None:
    folder = write(tmp_path)
    assert cv2.imwrite(str(folder / "JPEGImages/a.png"), np.full((HEIGHT, WIDTH, 3), 77, np.uint8))
    path = folder / "Annotations/a.xml"
    path.write_text(path.read_text().replace("a.jpg", "a.png"))
    assert int(make(folder)[1]["image"][0, 0, 0]) == 77


def test_label_images_are_given_where_they_are_asked_for(tmp_path: Path) -> None:
    folder = write(tmp_path)
    (folder / "SegmentationClass").mkdir()
    (folder / "ImageSets/Segmentation").mkdir()
    (folder / "ImageSets/Segmentation/trainval.txt").write_text("a\n")
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[3:9, 2:12] = 8
    labels[2] = 255
    assert cv2.imwrite(str(folder / "SegmentationClass/a.png"), labels)
    plain = make(folder)
    assert (len(plain), plain.info.kinds, set(plain[0])) == (2, {"boxes", "semseg"}, {"image", "meta", "boxes", "labels"})
    dataset = make(folder, kinds={"semseg", "boxes"})
    assert (len(dataset), len(dataset.info.semseg_classes), dataset.info.semseg_classes[8]) == (1, 21, "cat")
    np.testing.assert_array_equal(dataset[0]["semseg"], labels)
    assert dataset[0]["boxes"].tolist() == [[2, 3, 12, 9]]
    # the values of label images do not follow the order of the classes
    assert make(folder, classes=sorted(plain.info.classes, reverse=True)).info.semseg_classes == dataset.info.semseg_classes


# other folders, and other ways to write ids


def move(folder: Path, **folders: str) -> None:
    """Put annotation files and images into other folders, and take the lists away."""
    for name in ("a", "b"):
        for source, suffix in (("Annotations", "xml"), ("JPEGImages", "jpg")):
            target = folder / folders[source]
            target.mkdir(exist_ok=True, parents=True)
            (folder / source / f"{name}.{suffix}").rename(target / f"{name}.{suffix}")
    for path in ("Annotations", "JPEGImages", "ImageSets/Main", "ImageSets"):
        if path not in folders.values() and not any((folder / path).glob("*")):
            (folder / path).rmdir()


LAYOUTS = [
    ("Annotations", "JPEGImages", "the annotation files of Annotations and the images of JPEGImages"),
    (".", ".", "both in ."),
    ("mixed/all", "mixed/all", "both in mixed"),
    ("voc_xml", "photos", "the annotation files of voc_xml and the images of photos"),
    ("annotations", "images", "the annotation files of annotations and the images of images"),
    ("labels", "images", "the annotation files of labels and the images of images"),
    ("annotations/xmls", "images", "the annotation files of annotations/xmls and the images of images"),
    ("Annotations", ".", "the annotation files of Annotations and the images of ."),
    ("labels/train", "images/train", "the annotation files of labels and the images of images"),
]


@pytest.mark.parametrize(("annotations", "images", "described"), LAYOUTS)
def test_folders_without_lists_as_tools_write_them(
    annotations: str, images: str, described: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write(tmp_path, names="")
    (folder / "ImageSets/Main/trainval.txt").unlink()
    move(folder, Annotations=annotations, JPEGImages=images)
    (folder / "data.yaml").write_text("names: [cat, dog]")
    caplog.set_level("INFO")
    dataset = make(folder, split="train")
    assert caplog.messages == [f"{folder}: no lists in ImageSets, so all 2 annotation files are taken, sorted: {described}"]
    assert [Path(dataset.file_of(index)).name for index in range(2)] == ["a.jpg", "b.jpg"]
    assert Path(dataset.file_of(0)).resolve() == (folder / images / "a.jpg").resolve()
    assert dataset[1]["boxes"].tolist() == [[2, 3, 12, 9]]
    assert object_names(folder, None, "train", INSIDE) == list(dataset.info.classes)


def test_what_all_images_are_is_not_split_by_name(tmp_path: Path) -> None:
    folder = write(tmp_path)
    (folder / "ImageSets/Main/trainval.txt").unlink()
    with pytest.raises(
        DataError, match=r"Main/val\.txt: .* there are no lists, but 2 annotation files: without split all of them are taken"
    ):
        make(folder, split="val")
    (folder / "val").mkdir()
    with pytest.raises(DataError, match=r"or give shares, as share: \[0\.0, 0\.8\], or the folder .*/val as path"):
        make(folder, split="val")
    (folder / "val.txt").write_text("b\n")
    assert len(make(folder, split=ALL)) == 2
    # those of val would be trained with
    with pytest.raises(DataError, match=r"Main/train\.txt: there is no such list of images; there are val"):
        make(folder, split="train")
    assert [make(folder, split="val").truth(0).id] == ["b"]


def test_images_without_annotation_files_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write(tmp_path, names="")
    (folder / "ImageSets/Main/trainval.txt").unlink()
    (folder / "Annotations/a.xml").unlink()
    assert len(make(folder)) == 1
    assert f"{folder}/JPEGImages: while reading: 1 x image without an annotation file (the first: a)" in caplog.text


def test_the_folder_of_annotation_files_can_be_given_and_has_to_be_where_there_are_two(tmp_path: Path) -> None:
    folder = write(tmp_path)
    (folder / "ImageSets/Main/trainval.txt").unlink()
    move(folder, Annotations="labels", JPEGImages="images")
    (folder / "annotations").mkdir()
    (folder / "annotations/a.xml").write_text((folder / "labels/a.xml").read_text())
    with pytest.raises(DataError, match=r"annotations and labels have annotation files; say which of them as annotations in CatalogEntry"):
        make(folder, split="train")
    chosen = build_voc(Source(folder, "train", None, annotations=folder / "labels"))
    assert [chosen.truth(index).id for index in range(len(chosen))] == ["a", "b"]
    assert len(build_voc(Source(folder / "images", "train", None, annotations=folder / "labels"))) == 2


PATHS = ["sub\\a", "JPEGImages/sub/a.jpg", "./JPEGImages/sub/a.jpg ./Annotations/sub/a.xml", "/home/me/VOC/Annotations/sub/a.xml"]


@pytest.mark.parametrize("line", [*PATHS, "C:\\VOC\\JPEGImages\\sub\\a.jpg", "sub%2Fa", "sub/a -1"])
def test_ids_may_be_paths_of_another_system(line: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write(tmp_path, names=f"# of another machine\nb\n{line}\n")
    for name in ("JPEGImages/a.jpg", "Annotations/a.xml"):
        (folder / name).parent.joinpath("sub").mkdir(exist_ok=True)
        (folder / name).rename((folder / name).parent / "sub" / Path(name).name)
    dataset = make(folder)
    assert dataset[1]["meta"]["id"] == "sub/a"
    assert dataset.file_of(1) == str(folder / "JPEGImages/sub/a.jpg")
    assert ("1 names of files are read in another way" in caplog.text) == (line != "sub/a -1")


# what is an error


def test_a_kind_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no masks and no semseg in these data; they have boxes"):
        make(write(tmp_path), kinds={"boxes", "masks", "semseg"})


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("\n\n", r"Main/trainval\.txt: the list names no images"),
        ("a 1\nb -1\na 1\n", r"Main/trainval\.txt:3: the image 'a' is in line 1 already"),
        ("a\nc\n", r"Annotations/c\.xml: the annotation file cannot be read: No such file"),
    ],
)
def test_a_wrong_list_is_reported(names: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        make(write(tmp_path, names=names))


def test_an_unknown_split_is_reported(tmp_path: Path) -> None:
    write(tmp_path, split="cat_train")
    with pytest.raises(DataError, match=r"Main/trainvl\.txt: there is no such list of images; there are trainval; did you mean trainval\?"):
        make(write(tmp_path), split="trainvl")
    with pytest.raises(DataError, match=r"nothing/ImageSets/Main/train\.txt: .*a folder of Pascal VOC has lists there.*Source\.root"):
        make(tmp_path / "nothing", split="train")


BAD = [
    (CAT + "<object>", r":3: not an XML file, or a damaged one: mismatched tag"),
    ("<object><name>cat</name></object>", r": object 1 \(cat\) has no <bndbox>"),
    (CAT + CAT.replace("cat", " "), r": object 2 has no <name>"),
    (CAT.replace("<xmin>3</xmin>", ""), r": object 1 \(cat\): <xmin> is missing, a number of pixels expected"),
    (CAT.replace("<xmin>3<", "<xmin>left<"), r": object 1 \(cat\): <xmin> is 'left', a number of pixels expected"),
    (CAT.replace("<bndbox>", "<difficult>maybe</difficult><bndbox>"), r": object 1 \(cat\): <difficult> is 'maybe', 0 or 1 expected"),
]


@pytest.mark.parametrize(("body", "message"), BAD)
def test_a_wrong_annotation_file_is_reported(body: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Annotations/a\.xml" + message):
        make(write(tmp_path, a=body))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<html></html>", r"a\.xml: not an annotation of Pascal VOC: its outermost element is <html>"),
        ("", r"a\.xml:1: not an XML file, or a damaged one: no element found"),
        (
            '<?xml version="1.0"?>\n<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>\n<annotation>&b;</annotation>',
            r"a\.xml:2: the XML has a document type \(<!DOCTYPE \.\.\.>\), which is not read; remove it",
        ),
        ('<?xml version="1.0" encoding="klingon"?><annotation/>', r"a\.xml:1: .*klingon|a\.xml:1: .*unknown encoding"),
    ],
)
def test_what_is_no_annotation_is_reported(text: str, message: str, tmp_path: Path) -> None:
    folder = write(tmp_path)
    (folder / "Annotations/a.xml").write_text(text)
    with pytest.raises(DataError, match=message):
        make(folder)
    (folder / "Annotations/a.xml").write_bytes(text.encode("utf-16"))
    with pytest.raises(DataError, match=r"a\.xml"):
        make(folder)


def test_a_missing_image_and_one_of_another_size_are_reported(tmp_path: Path) -> None:
    folder = write(tmp_path)
    dataset = make(folder)
    (folder / "JPEGImages/a.jpg").unlink()
    with pytest.raises(DataError, match=r"a\.jpg: the image cannot be read"):
        dataset[1]
    assert cv2.imwrite(str(folder / "JPEGImages/b.jpg"), np.zeros((10, 10, 3), np.uint8))
    with pytest.raises(DataError, match=r"b\.jpg: the image is 10x10 \(width x height\), but .*Annotations/b\.xml says 30x20"):
        dataset[0]
