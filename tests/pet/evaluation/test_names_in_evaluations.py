"""An evaluation gives the same figures whatever numbers the classes have in the files of the test data."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pet.tasks.cls import TASK as CLASSIFIER
from pet.vision import TASK, config
from petlib.config import CfgNode
from petlib.errors import DataError
from tests.pet.data.named_files import OBJECTS, write_coco, write_folders, write_list, write_voc

CPU = torch.device("cpu")
NAMES = ["cat", "dog", "eel"]
DETECTOR = {"MODEL.HAS_BOX": True, "MODEL.NECK": "fpn", "MODEL.BACKBONE": "timm/resnet18", "MODEL.NUM_CLASSES": 3}
CLASSIFIES = {"MODEL.HAS_CLS": True, "MODEL.BACKBONE": "resnet20", "MODEL.NUM_CLASSES": 3}


class Finder(nn.Module):
    """Finds the object of each image, of the class that it has among ``NAMES``; that of the second one it takes for an eel."""

    def forward(self, batch: dict[str, Any]) -> list[dict[str, Tensor]]:
        found = []
        for meta in batch["meta"]:
            number = int(Path(meta["file"]).stem) - 1
            name, box = OBJECTS[number]
            label = NAMES.index("eel" if number == 1 else name)
            parts = {"boxes": torch.tensor([box], dtype=torch.float32), "labels": torch.tensor([label])}
            found.append({**parts, "scores": torch.tensor([0.9 - 0.1 * number])})
        return found


class Reader(nn.Module):
    """Recognises the classes of ``NAMES`` by how bright an image is, and takes each dog for a cat."""

    def forward(self, batch: dict[str, Any]) -> list[dict[str, Tensor]]:
        values = [round(float(image.mean())) for image in batch["image"]]
        labels = [{ord("c"): 0, ord("d"): 0, ord("e"): 2}[value] for value in values]
        return [{"logits": torch.eye(3)[label]} for label in labels]


def make_cfg(values: dict[str, Any], entry: dict[str, str], folder: Path, **more: Any) -> CfgNode:
    cfg = config.get_base_cfg()
    plain = {"TEST.TRANSFORMS": [{"name": "Normalize", "mean": [0.0], "std": [1.0], "maximum": 1.0}]} if "MODEL.HAS_CLS" in values else {}
    data = {"DATA.CATALOG": {"val": entry}, "TEST.DATASETS": ["val"], "DATA.ALLOW_OUTSIDE": True, "MISC.CKPT": str(folder)}
    for key, value in (values | data | plain | more).items():
        cfg.set(key, value)
    return cfg


def figures(values: dict[str, Any], entry: dict[str, str], folder: Path, names: list[str] | None = None, **more: Any) -> dict[str, float]:
    kind, task, model = ("label", CLASSIFIER, Reader()) if "MODEL.HAS_CLS" in values else ("boxes", TASK, Finder())
    cfg = make_cfg(values, entry, folder, **more)
    evaluation = task.build_evaluation(cfg, CPU, names={kind: NAMES if names is None else names})
    return evaluation.test(model, folder)


def test_exchanged_ids_of_a_coco_file_and_a_voc_folder_change_no_figure(tmp_path: Path) -> None:
    usual = figures(DETECTOR, write_coco(tmp_path / "a", {"cat": 1, "dog": 2, "eel": 3}), tmp_path / "out_a")
    assert usual["bbox/AP/cat"] == 1.0
    assert usual["bbox/AP/dog"] == 0.0
    assert 0.2 < usual["bbox/AP"] < 0.8
    exchanged = figures(DETECTOR, write_coco(tmp_path / "b", {"eel": 5, "dog": 6, "cat": 9}), tmp_path / "out_b")
    assert exchanged == usual
    assert figures(DETECTOR, write_voc(tmp_path / "c"), tmp_path / "out_c")["bbox/AP"] == usual["bbox/AP"]
    records = [json.loads((tmp_path / out / "bbox.json").read_text()) for out in ("out_a", "out_b")]
    ids = [[record["category_id"] for record in own] for own in records]
    assert ids == [[1, 3, 1, 3], [9, 5, 9, 5]]


def test_a_class_that_the_test_data_lack_is_not_averaged(tmp_path: Path) -> None:
    entry = write_coco(tmp_path / "a", {"cat": 2, "eel": 1}, [OBJECTS[0]])
    metrics = figures(DETECTOR, entry, tmp_path / "out")
    assert metrics["bbox/AP"] == metrics["bbox/AP/cat"] == 1.0
    with (tmp_path / "out/bbox_per_class_ap.csv").open() as file:
        assert [(row["class"], row["objects"]) for row in csv.DictReader(file)] == [("cat", "1"), ("dog", "0"), ("eel", "0")]


def test_objects_of_other_classes_are_refused_or_left_out(tmp_path: Path) -> None:
    entry = write_coco(tmp_path / "a", {"cat": 1, "dog": 2, "eel": 3})
    names = ["gnu", "eel", "cat"]
    with pytest.raises(DataError, match=r"val \(.*objects\.json\) has classes that the training does not know: dog \(1 times\)"):
        figures(DETECTOR, entry, tmp_path / "out", names)
    metrics = figures(DETECTOR, entry, tmp_path / "out", names, **{"DATA.OTHER_CLASSES": "skip"})
    assert {name for name in metrics if name.startswith("bbox/AP/")} == {"bbox/AP/cat", "bbox/AP/eel"}


def test_folders_and_lists_that_lack_a_class_have_the_same_accuracy(tmp_path: Path) -> None:
    whole = figures(CLASSIFIES, write_folders(tmp_path / "a", NAMES), tmp_path / "out_a")
    assert whole["cls/acc1"] == pytest.approx(2 / 3)
    for place, write in (("b", write_folders), ("c", write_list)):
        lacking = figures(CLASSIFIES, write(tmp_path / place, ["eel", "dog"]), tmp_path / f"out_{place}")
        assert lacking["cls/acc1"] == 0.5
        rows = list(csv.reader((tmp_path / f"out_{place}" / "per_class_accuracy.csv").open()))[1:]
        assert rows == [["cat", "0", ""], ["dog", "1", "0.000000"], ["eel", "1", "1.000000"]]


def test_a_file_without_annotations_is_predicted_on(tmp_path: Path) -> None:
    entry = write_coco(tmp_path / "a", {"eel": 5, "dog": 6, "cat": 9}, annotations=None)
    assert figures(DETECTOR, entry, tmp_path / "out") == {}
    records = json.loads((tmp_path / "out/bbox.json").read_text())
    assert [record["category_id"] for record in records] == [9, 5, 9, 5]
    assert records[0]["bbox"] == [4, 5, 16, 20]
    assert not (tmp_path / "out/bbox_per_class_ap.csv").exists()
    cfg = make_cfg(DETECTOR, entry, tmp_path, **{"TRAIN.DATASETS": ["val"]})
    with pytest.raises(DataError, match=r"TRAIN\.DATASETS \(val\): the data have no annotations: nothing can be learned from them"):
        TASK.build_training_data(cfg, CPU)
