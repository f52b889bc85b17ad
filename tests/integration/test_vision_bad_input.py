"""Wrong files of detection data: each gives one message that names file and record, or is left out and counted."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.integration.conftest import ROOT, Done, Run, that_count
from tests.integration.many_runs import run_many

SHAPES = ROOT / "cfgs" / "vision" / "shapes"
SMALL = [
    "MODEL.BACKBONE=timm/test_resnet",
    "MODEL.FPN.CHANNELS=8",
    "MODEL.BOX.ROI.HIDDEN=8",
    "MODEL.MASK.CHANNELS=[8]",
    "MODEL.KEYPOINTS.CHANNELS=[8]",
    "MODEL.NUM_CLASSES=2",
    "TRAIN.DATASETS=[pets]",
    "TRAIN.BATCH_SIZE=2",
    "TEST.DATASETS=[]",
    "SOLVER.SCHEDULER.TOTAL_ITERS=2",
    "SOLVER.SCHEDULER.WARM_UP_ITERS=0",
    "MISC.TENSORBOARD=False",
    "ANALYSER.ENABLED=False",
]
RLE_OF_ANOTHER_LENGTH = {"size": [40, 60], "counts": [100, 50, 2000]}
RLE_OF_ANOTHER_SIZE = {"size": [30, 60], "counts": [900, 900]}


@dataclass(frozen=True)
class Case:
    """A mistake.

    Attributes:
        spoil: makes the mistake in the content of the COCO file (or in the files of the folder) that is good before.
        reported: parts of the message.
        config: what is trained, of the folder of shapes.
        skipped: the mistake is left out and counted; the training goes on.
        options: further settings.
    """

    spoil: Callable[[dict[str, Any], Path], None]
    reported: tuple[str, ...]
    config: str = "faster_rcnn_R-18-FPN"
    skipped: bool = False
    options: list[str] = field(default_factory=list)


def set_entry(**values: Any) -> Callable[[dict[str, Any], Path], None]:
    """Return what overwrites entries of the second annotation, which is number 11 of image 1."""
    return lambda content, folder: content["annotations"][1].update(values)


def number_images_otherwise(content: dict[str, Any], folder: Path) -> None:
    for row in content["images"]:
        row["id"] += 1000


def shrink_an_image(content: dict[str, Any], folder: Path) -> None:
    cv2.imwrite(str(folder / "images" / "2.png"), np.zeros((20, 30, 3), np.uint8))


def write_small_labels(content: dict[str, Any], folder: Path) -> None:
    content["pet"] = {"semseg": "labels", "semseg_classes": ["background", "cat", "dog"]}
    (folder / "labels").mkdir()
    for number in range(4):
        cv2.imwrite(str(folder / "labels" / f"{number}.png"), np.zeros((40, 60) if number != 2 else (20, 30), np.uint8))


CASES = {
    "ids that do not match": Case(
        number_images_otherwise, ("none of the 4 annotations belongs to a listed image", "0, the ids of images are, e.g., 1000")
    ),
    "one annotation of an unlisted image": Case(
        set_entry(image_id=77),
        ("while reading: 1 x annotation of an image that is not listed", "(the first: annotation 11 of image 77)"),
        skipped=True,
    ),
    "a category that is not listed": Case(
        set_entry(category_id=8), ("annotation 11 of image 1: its category_id 8 is not listed; the categories are 7, 9",)
    ),
    "a box of negative width": Case(
        set_entry(bbox=[10, 5, -20, 20]),
        ("while reading: 1 x object whose box has no area (the first: annotation 11 of image 1)",),
        skipped=True,
    ),
    "an image of another size": Case(shrink_an_image, ("images/2.png: the image is 30x20 (width x height)", "image 2 of", "says 60x40")),
    "a polygon of two points": Case(
        set_entry(segmentation=[[10, 5, 30, 25]]),
        (
            "while reading: 1 x object whose polygons have fewer than 3 points or no area,"
            " kept as a box alone (the first: annotation 11 of image 1)",
        ),
        config="mask_rcnn_R-18-FPN",
        skipped=True,
    ),
    "an RLE of another length": Case(
        set_entry(segmentation=RLE_OF_ANOTHER_LENGTH),
        ("annotation 11 of image 1: the counts of its RLE add up to 2150 pixels, its image has 40 x 60 = 2400",),
        config="mask_rcnn_R-18-FPN",
    ),
    "a mask of another size": Case(
        set_entry(segmentation=RLE_OF_ANOTHER_SIZE),
        ("annotation 11 of image 1: its RLE is for an image of size [30, 60] (height, width), the image has [40, 60]",),
        config="mask_rcnn_R-18-FPN",
    ),
    "a label image of another size": Case(
        write_small_labels,
        ("labels/2.png: the label image is 30x20 (width x height), its image 60x40",),
        config="semseg_R-18",
        options=["MODEL.NUM_CLASSES=3", "MODEL.SEMSEG.CLASS_WEIGHTS=[]"],
    ),
    "an object with fewer keypoints": Case(
        set_entry(keypoints=[12, 8, 2]),
        ("annotation 11 of image 1: its keypoints are 3 numbers, 6 expected: x, y, visibility of 2 keypoints",),
        config="keypoint_rcnn_R-18-FPN",
        options=["MODEL.KEYPOINTS.NUM_KEYPOINTS=2"],
    ),
    "another number of keypoints than the model": Case(
        set_entry(),
        ("TRAIN.DATASETS (pets): the data have 2 keypoints (nose, tail), the model has 5: set MODEL.KEYPOINTS.NUM_KEYPOINTS to 2",),
        config="keypoint_rcnn_R-18-FPN",
    ),
    "a class that the file does not have": Case(
        set_entry(),
        ("has classes that DATA.CLASSES does not know: dog (2 times)", "'dog' may be 'dgo' of DATA.CLASSES"),
        options=["DATA.CLASSES=[cat,dgo]"],
    ),
    "another number of classes than the model": Case(
        set_entry(),
        ("TRAIN.DATASETS (pets): the data have 2 classes (cat, dog), the model has 5: set MODEL.NUM_CLASSES to 2",),
        options=["MODEL.NUM_CLASSES=5"],
    ),
}


def write_pets(folder: Path, spoil: Callable[[dict[str, Any], Path], None]) -> None:
    """Write four images of 60 x 40 pixels with an object each, and the COCO file, with a mistake in them."""
    (folder / "images").mkdir(parents=True)
    for number in range(4):
        cv2.imwrite(str(folder / "images" / f"{number}.png"), np.full((40, 60, 3), 60 * number, np.uint8))
    content: dict[str, Any] = {
        "images": [{"id": number, "file_name": f"{number}.png", "width": 60, "height": 40} for number in range(4)],
        "categories": [{"id": number, "name": name, "keypoints": ["nose", "tail"]} for number, name in ((7, "cat"), (9, "dog"))],
        "annotations": [annotation(number) for number in range(4)],
    }
    spoil(content, folder)
    (folder / "pets.json").write_text(json.dumps(content))


def annotation(number: int) -> dict[str, Any]:
    return {
        "id": 10 + number,
        "image_id": number,
        "category_id": 7 if number % 2 else 9,
        "bbox": [10, 5, 20, 20],
        "area": 400,
        "iscrowd": 0,
        "segmentation": [[10, 5, 30, 5, 30, 25, 10, 25]],
        "keypoints": [12, 8, 2, 28, 20, 1],
        "num_keypoints": 2,
    }


def line_of(case: Case, folder: Path) -> list[str | Path]:
    entry = f"{{type: coco, path: {folder}/images, annotations: {folder}/pets.json}}"
    config = SHAPES / f"{case.config}.yaml"
    return ["--cfg", config, f"DATA.CATALOG={{pets: {entry}}}", f"MISC.CKPT={folder}/run", *that_count(config, [*SMALL, *case.options])]


def assert_reported(done: Done, case: Case, folder: Path) -> None:
    """Check the exit code, that the message is reported once and names the file, and that no traceback is shown."""
    assert done.code == (0 if case.skipped else 2), done.output
    assert "Traceback" not in done.output, done.output
    mark = "while reading: " if case.skipped else "error: "
    messages = [text for text in done.output.splitlines() if mark in text]
    assert len(messages) == 1, done.output
    for part in case.reported:
        assert part in messages[0], f"{part!r} is not in {messages[0]!r}"
    if "set MODEL" not in case.reported[0]:
        assert str(folder) in messages[0]


def write_voc(folder: Path) -> None:
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    for number in range(4):
        cv2.imwrite(str(folder / "JPEGImages" / f"{number}.jpg"), np.full((40, 60, 3), 60 * number, np.uint8))
        box = "<bndbox><xmin>5</xmin><ymin>6</ymin><xmax>25</xmax><ymax>30</ymax></bndbox>"
        item = f"<object><name>{'dog' if number % 2 else 'cat'}</name>{box}</object>" if number != 2 else ""
        (folder / "Annotations" / f"{number}.xml").write_text(f"<annotation><filename>{number}.jpg</filename>{item}</annotation>")
    (folder / "ImageSets" / "Main" / "train.txt").write_text("0\n1\n2\n3\n")
    (folder / "ImageSets" / "Main" / "empty.txt").write_text("\n")


def voc_lines(folder: Path) -> dict[str, list[str | Path]]:
    """Return the command lines of trainings on data in the layout of Pascal VOC."""
    entry = "DATA.CATALOG={{pets: {{type: voc, path: {folder}, split: {split}}}}}".format
    given = {"no object": ("train", "[cat,dog]"), "empty list": ("empty", "[cat,dog]"), "unknown class": ("train", "[cat,bird]")}
    start: list[str | Path] = ["--cfg", SHAPES / "faster_rcnn_R-18-FPN.yaml", *that_count(SHAPES / "faster_rcnn_R-18-FPN.yaml", SMALL)]
    return {
        name: [*start, entry(folder=folder, split=split), f"DATA.CLASSES={classes}", f"MISC.CKPT={folder}/{name.replace(' ', '_')}"]
        for name, (split, classes) in given.items()
    }


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Done]]:
    """How trainings on wrong data ended, by the name of the case, with the folder of the data."""
    folder = tmp_path_factory.mktemp("cases")
    folders = {name: folder / name.replace(" ", "_") for name in CASES}
    for name, case in CASES.items():
        write_pets(folders[name], case.spoil)
    voc = folder / "voc"
    write_voc(voc)
    lines = {name: line_of(case, folders[name]) for name, case in CASES.items()} | voc_lines(voc)
    done = run_many([("vision/train_net.py", line) for line in lines.values()], folder)
    return {name: (folders.get(name, voc), one) for name, one in zip(lines, done, strict=True)}


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_in_a_coco_file(outcomes: dict[str, tuple[Path, Done]], name: str) -> None:
    folder, done = outcomes[name]
    assert_reported(done, CASES[name], folder)


def test_an_annotation_file_without_objects_is_counted(outcomes: dict[str, tuple[Path, Done]]) -> None:
    folder, done = outcomes["no object"]
    done.succeeded()
    message = f"{folder}: while reading: 1 x image without <object>, kept as one without objects (the first: {folder}/Annotations/2.xml)"
    assert done.output.count(message) == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("empty list", "{folder}/ImageSets/Main/empty.txt: the list names no images"),
        (
            "unknown class",
            "pets ({folder}) has classes that DATA.CLASSES does not know: dog (2 times); the first is in {folder}/JPEGImages/1.jpg",
        ),
    ],
)
def test_mistakes_in_the_layout_of_pascal_voc(outcomes: dict[str, tuple[Path, Done]], name: str, message: str) -> None:
    folder, done = outcomes[name]
    assert done.code == 2, done.output
    assert "Traceback" not in done.output
    assert [text for text in done.output.splitlines() if "error: " in text][0].startswith(f"error: {message.format(folder=folder)}")
    assert done.output.count("error: ") == 1


def test_two_processes_report_it_once(run: Run, tmp_path: Path) -> None:
    case = CASES["a mask of another size"]
    write_pets(tmp_path, case.spoil)
    assert_reported(run("train_net_all.py", *line_of(case, tmp_path), "--nproc", "2", launcher=True), case, tmp_path)
