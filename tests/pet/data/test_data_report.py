"""What a look at all samples finds."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from torch import nn

from pet.data.report import as_text, check_run
from pet.data.report.browse import build_sample_views
from pet.data.report.dataset_report import report_dataset
from pet.data.report.examination import examine
from pet.data.report.overview import RunReport
from pet.data.report.trained_names import find_trained_names
from pet.data.targets.dataset import Dataset, DatasetInfo, Expectation, ImageTruth
from pet.structures import InstanceMasks
from pet.vision.config import get_base_cfg
from petlib.checkpoint import Checkpointer
from petlib.config import CfgNode, ConfigError
from petlib.errors import DataError

BOXES = Expectation(("boxes", "masks"), {"boxes": 2})
Sample = dict[str, Any]


class Given(Dataset):
    """A data set of given samples; an exception in the place of one is raised."""

    def __init__(self, samples: list[Any], classes: tuple[str, ...] = ("cat", "dog"), **more: Any) -> None:
        self.samples = samples
        self.info = DatasetInfo(frozenset({"boxes", "masks"}), classes=classes, **more)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        if isinstance(self.samples[index], Exception):
            raise self.samples[index]
        return dict(self.samples[index])


def detection(
    boxes: list[list[float]], labels: list[int], *, name: str = "0.jpg", size: tuple[int, int] = (100, 200), **more: Any
) -> Sample:
    array = np.array(boxes, np.float32).reshape(-1, 4)
    return {
        "image": np.zeros((*size, 3), np.uint8),
        "boxes": array,
        "labels": np.array(labels, np.int64),
        "masks": InstanceMasks.from_segmentations([[[x, y, z, y, z, w, x, w]] for x, y, z, w in array.tolist()], size),
        "meta": {"id": name, "file": name},
        **more,
    }


def kinds(sample: Any, expected: Expectation = BOXES, **more: Any) -> list[tuple[str, bool]]:
    return [(finding.kind, finding.fatal) for finding in examine(Given([sample], **more), 0, expected).findings]


def test_a_good_sample_has_no_finding() -> None:
    seen = examine(Given([detection([[10, 10, 30, 40], [0, 0, 200, 100]], [0, 1])]), 0, BOXES)
    assert seen.findings == []
    assert (seen.id, seen.file, seen.size, seen.labels) == ("0.jpg", "0.jpg", (100, 200), [0, 1])
    assert seen.areas == [20 * 30, 200 * 100]


def test_what_cannot_be_read_is_fatal() -> None:
    [finding] = examine(Given([DataError("a/b.jpg: the image file is empty")]), 0, BOXES).findings
    assert finding[:4] == ("a sample cannot be read", "sample 0", "a/b.jpg: the image file is empty", True)
    [finding] = examine(Given([KeyError("bbox")]), 0, BOXES).findings
    assert finding.detail == "KeyError: 'bbox'"


@pytest.mark.parametrize(
    ("box", "label", "kind"),
    [
        ([10, 10, 10, 30], 0, "a box has no area"),
        ([30, 10, 20, 30], 0, "a box has no area"),
        ([np.nan, 10, 20, 30], 0, "a box has no area"),
        ([10, 10, 20, 20], 2, "a label lies outside of the classes"),
        ([10, 10, 20, 20], -1, "a label lies outside of the classes"),
        ([10, 10, 220, 20], 0, "targets do not fit the image, each other or the model"),
    ],
)
def test_boxes_that_a_training_refuses(box: list[float], label: int, kind: str) -> None:
    sample = detection([[10, 10, 20, 20]], [0])
    sample |= {"boxes": np.array([box], np.float32), "labels": np.array([label])}
    assert kinds(sample) == [(kind, True)]


def test_fields_that_differ_in_length() -> None:
    sample = detection([[10, 10, 20, 20]], [0], masks=InstanceMasks.from_segmentations([], (100, 200)))
    assert kinds(sample) == [("targets do not fit the image, each other or the model", True)]


def test_masks_without_a_pixel_and_masks_that_cannot_be_drawn() -> None:
    class Broken:
        def __len__(self) -> int:
            return 1

        def areas(self) -> np.ndarray:
            raise ValueError("bad polygon")

    thin = InstanceMasks.from_segmentations([[[10.0, 10.0, 10.1, 10.0, 10.1, 10.1]]], (100, 200))
    assert kinds(detection([[10, 10, 20, 20]], [0], masks=thin)) == [("a mask has no pixel", False)]
    assert kinds(detection([[10, 10, 20, 20]], [0], masks=Broken())) == [("a mask cannot be rasterised", True)]


def test_pixels_of_unknown_labels_are_fatal() -> None:
    expected = Expectation(("semseg",), {"semseg": 3})
    sample = {"image": np.zeros((4, 4, 3), np.uint8), "meta": {"file": "a.png"}}
    good, bad, ignored = (np.full((4, 4), value, np.uint8) for value in (2, 3, 255))
    assert kinds({**sample, "semseg": good}, expected) == []
    assert kinds({**sample, "semseg": bad}, expected) == [("a label lies outside of the classes", True)]
    assert kinds({**sample, "semseg": ignored}, expected) == [("a label image has no pixel that counts", False)]
    assert kinds({**sample, "semseg": good[:2]}, expected) == [("targets do not fit the image, each other or the model", True)]


def test_labels_of_whole_images() -> None:
    expected = Expectation(("label",), {"label": 2})
    sample = {"image": np.zeros((4, 4, 3), np.uint8), "meta": {"file": "a.png"}}
    assert kinds({**sample, "label": 1}, expected) == []
    assert kinds({**sample, "label": 2}, expected) == [("a label lies outside of the classes", True)]
    assert kinds({**sample, "label": 1, "image": np.zeros((4, 4), np.uint8)}, expected) == [("an image is not as it should be", True)]


def test_boxes_of_the_files_that_reach_out_are_reported() -> None:
    class WithTruth(Given):
        def truth(self, index: int) -> ImageTruth:
            boxes = np.array([[-3, 0, 20, 20], [0, 0, 200.5, 100]], np.float32)
            return ImageTruth("0", "0.jpg", 100, 200, boxes, np.zeros(2, int), np.zeros(2, bool), np.ones(2, np.float32))

    dataset = WithTruth([detection([[0, 0, 20, 20], [0, 0, 200, 100]], [0, 1])])
    [finding] = examine(dataset, 0, BOXES).findings
    assert finding.kind == "a box of the files reaches out of its image by more than a pixel"
    assert finding.detail.startswith("object 0: [-3.0, 0.0, 20.0, 20.0] in 200 x 100")
    assert not finding.fatal


def test_classes_and_sizes_are_counted() -> None:
    samples = [
        detection([[0, 0, 10, 10], [0, 0, 50, 40], [0, 0, 200, 100]], [0, 0, 0], name="a"),
        detection([[0, 0, 32, 32]], [0], name="b"),
        detection([], [], name="c", size=(50, 60)),
    ]
    report = report_dataset("pets", Given(samples, skipped={"no area": 3}), BOXES, threads=2)
    assert report.samples == 3
    assert report.classes == {"cat": (4, 2), "dog": (0, 0)}
    assert report.images_without_objects == 1
    # 10x10 | 50x40 and 32x32 | 200x100
    assert (report.object_sizes["small"], report.object_sizes["medium"], report.object_sizes["large"]) == (1, 2, 1)
    assert report.object_sizes["edge"]["least"] == 10
    assert report.image_sizes["width"]["greatest"] == 200
    assert report.image_sizes["commonest"] == {"200 x 100": 2, "60 x 50": 1}
    assert report.skipped == {"no area": 3}
    assert not report.fails
    json.dumps(report.as_dict())


def test_figures_of_a_part_of_the_samples_say_so() -> None:
    report = RunReport({"train": [report_dataset("pets", Given([detection([[0, 0, 9, 9]], [0]), DataError("cut off")]), BOXES)]})
    assert "train: pets: 2 samples, only 1 of which can be read and are below, 1 object, " in as_text(report)


def test_sizes_that_do_not_differ_are_one_number() -> None:
    one = report_dataset("pets", Given([detection([[0, 0, 10, 10]], [0], name="a")]), BOXES)
    lines = [" ".join(line.split()) for line in as_text(RunReport({"train": [one]})).splitlines()]
    width, height = one.image_sizes["width"]["least"], one.image_sizes["height"]["least"]
    place = lines.index("sizes in pixels")
    assert lines[place + 1 : place + 3] == [f"width {width:.0f} (all)", f"height {height:.0f} (all)"]
    assert lines[place + 4] == "object edge 10 (all)"


def test_pixels_are_counted_by_class() -> None:
    labels = np.array([[0, 0], [1, 255]], np.uint8)
    sample = {"image": np.zeros((2, 2, 3), np.uint8), "semseg": labels, "meta": {"file": "a"}}
    expected = Expectation(("semseg",), {"semseg": 3})
    report = report_dataset("streets", Given([sample], semseg_classes=["road", "sky", "car"]), expected)
    assert report.pixels == {"semseg": {"road": 0.5, "sky": 0.25, "car": 0.0, "ignored": 0.25}}


def test_duplicates_are_reported() -> None:
    samples = [detection([[0, 0, 10, 10]], [0], name=name) for name in ("a", "b", "a")]
    found = {finding.kind: finding for finding in report_dataset("pets", Given(samples), BOXES).findings}
    assert found["an id occurs more than once"].place == "id a"
    assert found["a file occurs more than once"].detail == "2 times"
    assert not any(finding.fatal for finding in found.values())


def test_an_empty_data_set_fails() -> None:
    assert report_dataset("nothing", Given([]), BOXES).fails


def test_progress_is_reported_for_each_sample() -> None:
    steps: list[int] = []
    report_dataset("pets", Given([detection([], [], name=str(index)) for index in range(5)]), BOXES, progress=lambda: steps.append(1))
    assert len(steps) == 5


# with a config


def config(**values: Any) -> CfgNode:
    cfg = get_base_cfg()
    defaults = {"TRAIN.DATASETS": ["digits_train"], "TEST.DATASETS": ["digits_test"], "MODEL.NUM_CLASSES": 10}
    for key, value in {**defaults, **{key.replace("__", "."): value for key, value in values.items()}}.items():
        cfg.set(key, value)
    return cfg


LABELS = Expectation(("label",), {"label": 10})


def quiet(name: str, count: int) -> Any:
    return lambda: None


def test_good_data_of_a_config() -> None:
    report, datasets = check_run(config(), ("train", "test"), LABELS, quiet)
    assert not report.fails
    assert {name: len(dataset) for name, dataset in datasets.items()} == {"digits_train": 1437, "digits_test": 360}
    text = as_text(report)
    assert "train: digits_train: 1,437 samples" in text
    assert text.endswith("a training can read all of it; 0 oddities")


def test_a_model_of_other_classes_is_reported_once() -> None:
    report, _ = check_run(config(), ("train",), Expectation(("label",), {"label": 9}), quiet)
    assert report.fails
    assert as_text(report).count("the data have 10 classes") == 1
    assert "a training would FAIL: 1 fault; 0 oddities" in as_text(report)


def test_data_that_are_missing_are_part_of_the_report(tmp_path: Path) -> None:
    report, datasets = check_run(config(TRAIN__DATASETS=[str(tmp_path / "nothing")]), ("train", "test"), LABELS, quiet)
    assert report.fails
    assert len(datasets) == 1
    assert "FAULT: 1 x a data set cannot be used" in as_text(report)


def test_a_file_on_both_sides_is_reported() -> None:
    report, _ = check_run(config(TEST__DATASETS=["digits_train"]), ("train", "test"), LABELS, quiet)
    assert "ODD: 1,437 x a file is in the training data and in the test data" in as_text(report)
    assert "and 1,432 more, see report.json" in as_text(report)
    assert not report.fails


def test_a_batch_that_takes_more_than_there_is() -> None:
    report, _ = check_run(config(TRAIN__BATCH_SIZE=2000), ("train",), LABELS, quiet)
    assert "1437 samples, TRAIN.BATCH_SIZE is 2000" in as_text(report)
    assert report.fails


def test_a_config_without_data() -> None:
    with pytest.raises(ConfigError, match=r"TRAIN\.DATASETS: nothing given"):
        check_run(config(TRAIN__DATASETS=[]), ("train", "test"), LABELS, quiet)
    report, _ = check_run(config(TEST__DATASETS=[]), ("train", "test"), LABELS, quiet)
    assert list(report.datasets) == ["train"]


def save_names(folder: Path, classes: list[str]) -> None:
    checkpointer = Checkpointer(folder)
    checkpointer.save({"model": nn.Linear(1, 1), "iteration": 1, "names": {"label": classes}}, iteration=1)
    checkpointer.wait()


@pytest.mark.parametrize("named_by", ["the run", "TEST.WEIGHTS", "the training data"])
def test_test_data_are_numbered_by_the_training(named_by: str, tmp_path: Path) -> None:
    for split, classes in (("train", "bcd"), ("test", "ab")):
        for name in classes:
            (tmp_path / split / name).mkdir(parents=True)
            cv2.imwrite(str(tmp_path / split / name / "0.png"), np.zeros((4, 4, 3), np.uint8))
    trained = list("cba") if named_by != "the training data" else list("bcd")
    if named_by != "the training data":
        save_names(tmp_path / "run", trained)
    cfg = config(TRAIN__DATASETS=[str(tmp_path / "train")], TEST__DATASETS=[str(tmp_path / "test")], DATA__OTHER_CLASSES="skip")
    cfg.set("MISC.CKPT", str(tmp_path / ("run" if named_by == "the run" else "elsewhere")))
    if named_by == "TEST.WEIGHTS":
        cfg.set("TEST.WEIGHTS", str(tmp_path / "run" / "model_latest.pth"))
    assert find_trained_names(cfg, ["label"]) == {"label": trained}
    assert find_trained_names(cfg, ["boxes"]) == {}
    views = build_sample_views(cfg, "test", ["label"])
    expected = sorted(trained.index(name) for name in "ab" if name in trained)
    assert sorted(int(views.original(index)["label"]) for index in range(len(views))) == expected
    report, _ = check_run(cfg, ("test",), Expectation(("label",), {"label": 3}), quiet)
    assert not report.fails, as_text(report)
