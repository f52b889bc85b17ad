import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from pet.autoconfig.recognise import recognise
from pet.data.loading.open_entry import open_entry
from pet.prediction.writers.pre_labels import PreLabels, pre_labels_of
from pet.visual.names import TargetNames

NAMES = TargetNames(classes=("cat", 'a "big" dog'), semseg_classes=("background", "road"))
SIZE = (60, 80)


def write_images(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), np.zeros((*SIZE, 3), np.uint8))


def objects(*, masks: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "boxes": np.array([[10, 5, 30.5, 25], [40, 20, 70, 50], [0, 0, 5, 5]], np.float32),
        "labels": np.array([1, 0, 0]),
        "scores": np.array([0.9, 0.7, 0.2], np.float32),
    }
    if masks:
        found["masks"] = np.ones((3, 28, 28), np.float32)
    return found


def write(folder: Path, predictions: dict[str, Any], *names: str, classes: Any = NAMES.classes) -> None:
    pre_labels = PreLabels(classes)
    for name in names:
        pre_labels.add(name, SIZE, pre_labels_of(predictions, SIZE, NAMES, 0.5))
    pre_labels.write(folder, model="run")


def accept(folder: Path) -> None:
    """Do what an annotator does who finds every prediction right, and export."""
    tasks = json.loads((folder / "label_studio.json").read_text())
    for task in tasks:
        task["annotations"] = [{"result": task.pop("predictions")[0]["result"]}]
    (folder / "export.json").write_text(json.dumps(tasks))
    (folder / "label_studio.json").unlink()


@pytest.mark.parametrize("masks", [False, True])
def test_pre_labels_come_back_from_both_tools(masks: bool, tmp_path: Path) -> None:
    images = tmp_path / "images"
    write_images(images, "a.png", "b/c.png")
    write(tmp_path / "out", objects(masks=masks), "a.png", "b/c.png")
    accept(tmp_path / "out")
    entries = [
        {"type": "coco", "path": str(images), "annotations": str(tmp_path / "out/annotations/pre_labels.json")},
        {"type": "label_studio", "path": str(images), "annotations": str(tmp_path / "out/export.json")},
    ]
    for entry in entries:
        dataset, _ = open_entry(entry, tmp_path)
        assert len(dataset) == 2
        for number in range(2):
            truth = dataset.truth(number)
            # a mask has whole pixels
            assert np.allclose(truth.boxes, [[10, 5, 30.5, 25], [40, 20, 70, 50]], atol=1.0 if masks else 1e-3)
            assert [dataset.info.classes[label] for label in truth.labels] == ['a "big" dog', "cat"]
            if masks:
                assert np.allclose(truth.areas, [20 * 20, 30 * 30], rtol=0.1)


def test_a_folder_with_pre_labels_is_recognised_as_data_to_train_on(tmp_path: Path) -> None:
    write_images(tmp_path / "images", "a.png", "c.png")
    write(tmp_path / "out", objects(masks=True), "a.png", "c.png")
    (tmp_path / "out/annotations/pre_labels.json").rename(tmp_path / "annotations.json")
    for rest in ("label_studio.json", "label_studio.xml"):
        (tmp_path / "out" / rest).unlink()
    _, found = recognise(tmp_path)
    assert [entry["type"] for entry in found.entries.values()] == ["coco"]


def test_classes_of_images_and_regions_of_label_images(tmp_path: Path) -> None:
    write(tmp_path / "classes", {"logits": np.array([0.0, 9.0])}, "a.png")
    assert (tmp_path / "classes/classes.csv").read_text() == 'filename,label\n"a.png","a ""big"" dog"\n'
    (task,) = json.loads((tmp_path / "classes/label_studio.json").read_text())
    assert task["data"] == {"image": "/data/local-files/?d=a.png"}
    assert task["predictions"][0]["result"][0]["value"] == {"choices": ['a "big" dog']}
    labels = np.zeros(SIZE, np.uint8)
    labels[10:30, 20:50] = 1
    labels[50:52, 0:2] = 1
    (region,) = pre_labels_of({"semseg": labels}, SIZE, NAMES, 0.5)
    assert (region.name, np.asarray(region.box).tolist()) == ("road", [20, 10, 50, 30])


def test_the_interface_has_what_the_tasks_name(tmp_path: Path) -> None:
    write(tmp_path, objects(masks=False), "a.png")
    interface = ElementTree.fromstring((tmp_path / "label_studio.xml").read_text())
    results = json.loads((tmp_path / "label_studio.json").read_text())[0]["predictions"][0]["result"]
    controls = {control.get("name"): {entry.get("value") for entry in control} for control in interface.iter() if control.get("toName")}
    assert {result["from_name"] for result in results} == set(controls)
    assert {name for result in results for name in result["value"]["rectanglelabels"]} <= controls["rectanglelabels"]
