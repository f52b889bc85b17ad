"""What is checked of pairs of dates, of rasters and of raw labels before a training, and what a report says of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pet.data.report import as_text, check_run
from pet.data.report.dataset_report import report_dataset
from pet.data.report.examination import examine
from pet.data.report.overview import RunReport
from pet.data.targets.check import check_samples
from pet.data.targets.dataset import Dataset, DatasetInfo, Expectation
from pet.data.targets.image import IMAGES
from pet.data.targets.observation import Finding
from pet.vision.config import get_base_cfg
from petlib.config import keys_in_errors
from petlib.errors import DataError
from tests.pet.data.label_files import write, write_image

TWO = {"semseg": 2}
MIXTURE = ("uint8", "uint16", "uint8")
PAIR = Expectation(("semseg",), TWO, inputs=IMAGES, settings={"semseg": "MODEL.NUM_CLASSES"})
SINGLE = Expectation(("semseg",), TWO)
FOUR_BANDS = Expectation(("semseg",), TWO, channels=4)


def image(bands: int = 3, dtype: str = "uint8", size: tuple[int, int] = (4, 6)) -> np.ndarray:
    return np.zeros((*size, bands), dtype)


def make_sample(**changes: Any) -> dict[str, Any]:
    sample = {"image": image(), "semseg": np.eye(4, 6, dtype=np.uint8), "meta": {"id": "a", "file": "a.png", "size": (4, 6)}}
    return {**sample, **changes}


class Given(Dataset):
    """A data set of given samples."""

    def __init__(self, *samples: dict[str, Any], classes: tuple[str, ...] = ("no", "yes"), raw_labels: bool = False) -> None:
        self.samples = samples
        self.info = DatasetInfo(frozenset({"semseg"}), classes=classes, semseg_classes=classes, raw_labels=raw_labels)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return dict(self.samples[index])


def failure(expected: Expectation, dataset: Given, **more: Any) -> str:
    with pytest.raises(DataError) as error:
        check_samples(dataset, expected, 9, **more)
    return str(error.value)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_good_samples_pass(dtype: str) -> None:
    check_samples(Given(make_sample(image=image(4, dtype))), FOUR_BANDS, 1)
    check_samples(Given(make_sample(image=image(3, dtype), image2=image(3, dtype))), PAIR, 1)


def test_images_of_several_types_are_refused_with_their_files() -> None:
    samples = [
        make_sample(image=image(3, dtype), meta={"id": name, "file": f"{name}.png"}) for name, dtype in zip("abc", MIXTURE, strict=True)
    ]
    message = (
        "the data have images of several types, 2 of uint8 (a.png) and 1 of uint16 (b.png); a batch takes one type: convert some of them"
    )
    assert failure(SINGLE, Given(*samples)).startswith(message)
    report = report_dataset("d", Given(*samples), SINGLE)
    assert report.as_dict()["types"] == {
        "uint8": {"images": 2, "first": "a.png"},
        "uint16": {"images": 1, "first": "b.png", "greatest": 0.0},
    }


@pytest.mark.parametrize(
    ("dtype", "greatest", "message"),
    [
        ("uint16", 4095, "images of uint16 with values up to 4095 (a.png), and 65535 becomes 1"),
        ("uint16", 9000, None),
        ("float32", 1, "images of float32 with values up to 1 (a.png), and 255 becomes 1"),
        ("float32", 200, None),
        ("float32", 9500, "images of float32 with values up to 9500 (a.png), and 255 becomes 1"),
        ("uint8", 1, None),
    ],
)
def test_values_far_from_what_becomes_1_are_reported(
    dtype: str, greatest: int, message: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    data = Given(make_sample(image=image(3, dtype) + np.array(greatest, dtype)))
    check_samples(data, SINGLE, 1)
    assert caplog.messages == []
    check_samples(data, SINGLE, 1, scales_by_type=True)
    assert [text.startswith(f"the data have {message}; if they have another range") for text in caplog.messages] == (
        [True] if message else []
    )
    for text in caplog.messages:
        assert f"{{name: Normalize, maximum: { {4095: 5000, 1: 1, 9500: 10000}[greatest] }}}" in text


@pytest.mark.parametrize(
    ("expected", "changes", "message"),
    [
        (PAIR, {}, "a.png: the sample has 1 image(s), the model takes 2; choose other data, or set Expectation.num_images"),
        (SINGLE, {"image2": image()}, "a.png: the sample has 2 image(s), the model takes 1"),
        (
            PAIR,
            {"image2": image(size=(4, 7))},
            "a.png: the images of both dates are uint8 (4, 6, 3) and uint8 (4, 7, 3); one size and type",
        ),
        (PAIR, {"image2": image(dtype="uint16")}, "a.png: the images of both dates are uint8 (4, 6, 3) and uint16 (4, 6, 3)"),
        (FOUR_BANDS, {}, "a.png: the image is uint8 (4, 6, 3), a uint8 or uint16 or float32 array (height, width, 4) expected"),
        (SINGLE, {"image": image(dtype="float64")}, "a.png: the image is float64 (4, 6, 3), a uint8 or uint16"),
        (
            SINGLE,
            {"semseg": np.full((4, 6), 3, np.uint8)},
            "a.png: semseg has the label 3; 0 to 1 and 255 (ignored) expected; the values are 3",
        ),
        (SINGLE, {"semseg": np.zeros((4, 6, 3), np.uint8)}, "a.png: semseg has 3 channels, one number a pixel expected; take one channel"),
    ],
)
def test_wrong_samples_are_reported(expected: Expectation, changes: dict[str, Any], message: str) -> None:
    assert failure(expected, Given(make_sample(**changes))).startswith(message)


def test_the_setting_of_the_number_of_classes_is_named() -> None:
    assert failure(PAIR, Given(make_sample(), classes=("no", "new", "gone"))).endswith("the model has 2: set MODEL.NUM_CLASSES to 3")


def test_raw_labels_are_checked_after_the_transforms() -> None:
    dataset = Given(make_sample(semseg=np.full((4, 6, 3), 255, np.uint8)), raw_labels=True)
    check_samples(dataset, SINGLE, 1)
    check_samples(dataset, SINGLE, 1, read=lambda index: make_sample(semseg=np.ones((4, 6), np.uint8)))
    assert "semseg has 3 channels" in failure(SINGLE, dataset, read=lambda index: dataset[index])


# reports


def test_findings_of_pairs_and_of_labels() -> None:
    assert [finding.kind for finding in examine(Given(make_sample()), 0, PAIR).findings] == ["an image is not as it should be"]
    raw = Expectation(("semseg",), TWO, raw_labels=True)
    assert examine(Given(make_sample(semseg=np.full((4, 6, 3), 200, np.uint8)), raw_labels=True), 0, raw).findings == []


def test_windows_of_one_file_are_no_doubles() -> None:
    metas = [{"id": f"a@{left}", "file": "a.png", "window": (0, left, 4, 6)} for left in (0, 6)]
    assert report_dataset("x", Given(*(make_sample(meta=meta) for meta in metas)), SINGLE, threads=1).findings == []
    twice = report_dataset("x", Given(*(make_sample(meta={**metas[0], "id": number}) for number in range(2))), SINGLE, threads=1)
    assert [finding.kind for finding in twice.findings] == ["a file occurs more than once"]


def test_masks_in_black_and_white_are_a_fault() -> None:
    labels = np.array([[0, 255, 0, 0, 0, 255]] * 4, np.uint8)
    report = report_dataset("x", Given(make_sample(semseg=labels)), SINGLE, threads=1)
    [finding] = report.findings
    assert finding.kind == "label images know no class but the first"
    assert "label_values: [0, 255]" in finding.detail
    assert finding.fatal
    assert "1 classes of semseg do not occur: yes" in as_text(RunReport({"train": [report]}))


def test_a_config_of_pairs_is_reported(tmp_path: Path) -> None:
    for number in range(4):
        write_image(tmp_path / "A" / f"{number}.png")
        write_image(tmp_path / "B" / f"{number}.png")
        write(tmp_path / "gt" / f"{number}.png", np.full((4, 6), number % 3, np.uint8))
    cfg = get_base_cfg()
    entry = {"type": "semseg_folder", "path": "A", "images2": "B", "annotations": "gt"}
    for key, value in {
        "MISC.DATA_ROOT": str(tmp_path),
        "DATA.CATALOG": {"mine": entry},
        "DATA.CLASSES": ["no", "yes"],
        "TRAIN.DATASETS": ["mine"],
        "TRAIN.BATCH_SIZE": 2,
    }.items():
        cfg.set(key, value)
    report, _ = check_run(cfg, ("train",), PAIR, lambda name, count: lambda: None)
    [finding] = report.datasets["train"][0].findings
    assert finding.kind == "a sample cannot be read"
    assert "2.png: the label image has the value 2, 0 to 1 expected for 2 classes" in finding.detail


def test_types_that_differ_among_the_data_of_a_training_and_ranges_are_found(tmp_path: Path) -> None:
    for part, values in (("shallow", np.full((4, 6, 3), 99, np.uint8)), ("deep", np.full((4, 6, 3), 4000, np.uint16))):
        for number in range(2):
            write(tmp_path / part / "images" / f"{number}.png", values)
            write(tmp_path / part / "labels" / f"{number}.png", np.full((4, 6), number, np.uint8))
    cfg = get_base_cfg()
    catalog = {part: {"type": "semseg_folder", "path": f"{part}/images", "annotations": f"{part}/labels"} for part in ("shallow", "deep")}
    values = {
        "MISC.DATA_ROOT": str(tmp_path),
        "DATA.CATALOG": catalog,
        "DATA.CLASSES": ["no", "yes"],
        "TRAIN.DATASETS": ["shallow", "deep"],
        "TRAIN.BATCH_SIZE": 2,
    }
    for key, value in values.items():
        cfg.set(key, value)
    report, _ = check_run(cfg, ("train",), SINGLE, lambda name, count: lambda: None)
    found = {finding.kind: (finding.place, finding.detail, finding.fatal) for finding in report.findings}
    place, detail, fatal = found["images of several types cannot share a batch"]
    assert (place, fatal) == ("TRAIN.DATASETS", True)
    assert f"2 of uint8 ({tmp_path}/shallow/images/0.png) and 2 of uint16 ({tmp_path}/deep/images/0.png)" in detail
    assert "pixels of uint16 in 2 images, with values up to 4000" in as_text(report)
    cfg.set("TRAIN.DATASETS", ["deep"])
    cfg.set("TRAIN.TRANSFORMS", ["Normalize"])
    report, _ = check_run(cfg, ("train",), SINGLE, lambda name, count: lambda: None)
    assert [(finding.detail[:44], finding.fatal) for finding in report.findings] == [
        ("images of uint16 with values up to 4000 (" + str(tmp_path)[:3], False)
    ]
    cfg.set("TRAIN.TRANSFORMS", [{"name": "Normalize", "maximum": 4000}])
    report, _ = check_run(cfg, ("train",), SINGLE, lambda name, count: lambda: None)
    assert report.findings == []


def test_the_report_has_the_keys_of_the_config_and_finds_what_nothing_can_be_learned_from(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    content: dict[str, Any] = {
        "images": [{"id": 1, "file_name": "a.png", "height": 4, "width": 6}],
        "categories": [{"id": 1, "name": "cat"}],
    }
    (tmp_path / "test.json").write_text(json.dumps(content))
    (tmp_path / "train.json").write_text(json.dumps({**content, "annotations": []}))
    cfg = get_base_cfg()
    names = ("train", "test")
    catalog = {name: {"type": "coco", "path": str(tmp_path), "annotations": str(tmp_path / f"{name}.json")} for name in names}
    for key, value in {"DATA.CATALOG": catalog, "TRAIN.DATASETS": ["test"], "TRAIN.BATCH_SIZE": 1}.items():
        cfg.set(key, value)
    boxes = Expectation(("boxes",), {"boxes": 2}, settings={"boxes": "MODEL.NUM_CLASSES"})
    with keys_in_errors(cfg):
        report, _ = check_run(cfg, ("train",), boxes, lambda name, count: lambda: None)
        details = [finding.detail for finding in report.datasets["train"][0].findings]
    assert "the data have no annotations: nothing can be learned from them" in details
    assert "test: the data have no annotations" in as_text(report)
    assert any(detail.endswith("set MODEL.NUM_CLASSES to 1, or DATA.CLASSES to the names of all classes") for detail in details)
    cfg.set("TRAIN.DATASETS", ["train"])
    report, _ = check_run(cfg, ("train",), boxes, lambda name, count: lambda: None)
    assert not any("no annotations" in finding.detail for finding in report.datasets["train"][0].findings)


def test_a_data_set_is_named_although_its_name_is_part_of_a_word() -> None:
    report = RunReport(findings=[Finding("odd", "val", "set label_values", False), Finding("odd", "val", "set it in val", False)])
    assert "    val: set label_values\n    set it in val" in as_text(report)
