"""What is measured of objects in the boxes of the data and in those of a detector."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pet.data.datasets.shapes_writing import write_shapes
from pet.data.loading.build import build_dataset
from pet.data.targets.dataset import Dataset
from pet.tasks.instance import config
from pet.tasks.instance.data import read_detections
from pet.tasks.instance.task import TASK
from petlib.config import CfgNode, load_cfg
from petlib.errors import DataError

CPU = torch.device("cpu")
KEYPOINTS = ["MODEL.HAS_KEYPOINTS=True", "MODEL.KEYPOINTS.NUM_KEYPOINTS=5"]
ALL = [*KEYPOINTS, "MODEL.HAS_MASK=True", "MODEL.HAS_PARSING=True", "MODEL.PARSING.NUM_PARTS=7"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_shapes(folder, split="test", count=12)
    return folder / "test"


def make_cfg(folder: Path, run: Path, *settings: str) -> CfgNode:
    path = run / "cfgs" / "tasks" / "instance" / "x.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    entry = f"{{type: coco, path: {folder}/images, annotations: {folder}/annotations.json}}"
    path.write_text(
        f"DATA: {{CATALOG: {{tiny: {entry}}}, CLASSES: [figure], OTHER_CLASSES: skip, CHECK_SAMPLES: 2}}\n"
        "MODEL: {BACKBONE: timm/test_resnet, UPSAMPLING: {CHANNELS: 16}}\nSOLVER: {SCHEDULER: {TOTAL_ITERS: 1}}\n"
        "TRAIN: {DATASETS: [tiny], TRANSFORMS: [{name: RandomCropObject, size: 64}, Normalize]}\n"
        "TEST: {DATASETS: [tiny], IMS_PER_GPU: 5, NUM_WORKERS: 0, TRANSFORMS: [{name: CropObject, size: 64}, Normalize]}\n"
        f"MISC: {{CKPT: {run}/run}}\n"
    )
    return load_cfg(config, path, settings)  # type: ignore[arg-type]


class Oracle(nn.Module):
    """Gives what the data say of the object of each crop, moved by some pixels."""

    def __init__(self, dataset: Dataset, *, off: float = 0.0) -> None:
        super().__init__()
        self.dataset = dataset
        self.off = off

    def forward(self, batch: dict[str, Any]) -> list[dict[str, Any]]:
        return [self.answer(meta) for meta in batch["meta"]]

    def answer(self, meta: dict[str, Any]) -> dict[str, Any]:
        truth = self.dataset.truth(meta["image"])
        assert truth is not None and truth.keypoints is not None
        place = int(np.abs(truth.boxes - meta["box"]).sum(axis=1).argmin())
        keypoints = torch.from_numpy(truth.keypoints[place : place + 1].copy())
        keypoints[..., 0] += self.off
        keypoints[..., 2] = 0.9
        box, score = torch.from_numpy(truth.boxes[place : place + 1]), torch.tensor([meta["score"]])
        sample, left_top, size = self.dataset[meta["image"]], truth.boxes[place, :2], 64
        extent = truth.boxes[place, 2:] - left_top
        x, y = (np.floor(left_top[axis] + extent[axis] * (np.arange(size) + 0.5) / size).astype(int) for axis in (0, 1))
        x, y = x.clip(0, 127), y.clip(0, 127)
        own = sample["instances"][y][:, x] == sample["instance_ids"][place]
        parts = torch.from_numpy(np.where(own, sample["parsing"][y][:, x], 0)).long()
        return {
            "boxes": box,
            "scores": score,
            "labels": torch.zeros(1, dtype=torch.int64),
            "keypoints": keypoints,
            "keypoint_scores": score * 0.9,
            "masks": torch.from_numpy(own.astype(np.float32))[None],
            "mask_scores": score,
            "parsing": nn.functional.one_hot(parts.clamp(max=6), 7).permute(2, 0, 1)[None].float(),
            "parsing_scores": score,
        }


def write_boxes(path: Path, dataset: Dataset, *, count: int | None = None, score: float = 0.8) -> Path:
    records = []
    for image in range(len(dataset)):
        truth = dataset.truth(image)
        assert truth is not None
        for left, top, right, bottom in truth.boxes[:count].tolist():
            box = [left, top, right - left, bottom - top]
            records.append({"image_id": truth.id, "category_id": dataset.info.category_ids[0], "bbox": box, "score": score})
    path.write_text(json.dumps(records))
    return path


def test_what_the_data_say_gets_full_marks(folder: Path, tmp_path: Path) -> None:
    cfg = make_cfg(folder, tmp_path, *ALL)
    dataset = build_dataset(cfg, ["tiny"], TASK.expected_data(cfg).kinds)
    metrics = TASK.build_evaluation(cfg, CPU).test(Oracle(dataset), tmp_path)
    assert metrics["keypoints/AP"] == metrics["keypoints/AP/figure"] == 1.0
    assert metrics["pck/PCK@0.1"] == 1.0
    # masks and parts were resampled over the box
    assert metrics["segm/AP50"] > 0.9
    assert metrics["parsing/mIoU"] > 0.8
    assert metrics["parsing/APp50"] > 0.9
    assert not any(name.startswith("detector/") for name in metrics)
    assert json.loads((tmp_path / "metrics.json").read_text())["keypoints/AP"] == 1.0
    assert (tmp_path / "pck.csv").read_text().startswith("keypoint,marked,PCK@0.1\nhead,")
    assert len(json.loads((tmp_path / "keypoints.json").read_text())) == len(TASK.prepare_data(cfg, dataset))
    assert len(list((tmp_path / "parsing").glob("*.png"))) == len(dataset)


def test_pck_is_the_share_of_marked_keypoints_within_a_share_of_the_box(folder: Path, tmp_path: Path) -> None:
    cfg = make_cfg(folder, tmp_path, *KEYPOINTS, "EVAL.PCK=[0.05, 0.1, 0.2]", "TEST.OKS_NMS=1.0")
    dataset = build_dataset(cfg, ["tiny"], ("boxes", "keypoints", "parsing"))
    found = TASK.build_evaluation(cfg, CPU)(Oracle(dataset, off=6.0))
    edges, marked = [], []
    for image in range(len(dataset)):
        truth = dataset.truth(image)
        assert truth is not None and truth.keypoints is not None
        edges += (truth.boxes[:, 2:] - truth.boxes[:, :2]).max(axis=1).tolist()
        marked += (truth.keypoints[..., 2] > 0).sum(axis=1).tolist()
    for share in (0.05, 0.1, 0.2):
        expected = np.dot(marked, np.array(edges) * share >= 6.0) / sum(marked)
        assert found[f"pck/PCK@{share:g}"] == pytest.approx(expected)
    assert 0.0 < found["pck/PCK@0.1"] < found["pck/PCK@0.2"]


def test_boxes_of_a_detector_are_measured_next_to_those_of_the_data(folder: Path, tmp_path: Path) -> None:
    cfg = make_cfg(folder, tmp_path, *ALL)
    dataset = build_dataset(cfg, ["tiny"], TASK.expected_data(cfg).kinds)
    # the detector finds one figure an image
    path = write_boxes(tmp_path / "bbox.json", dataset, count=1)
    cfg = make_cfg(folder, tmp_path, *ALL, f"TEST.BOXES={path}")
    evaluation = TASK.build_evaluation(cfg, CPU)
    metrics = evaluation.test(Oracle(dataset), tmp_path / "out")
    assert metrics["keypoints/AP"] == 1.0
    assert 0.2 < metrics["detector/keypoints/AP"] < 1.0
    assert metrics["detector/parsing/mIoU"] < metrics["parsing/mIoU"]
    records = json.loads((tmp_path / "out" / "detector" / "keypoints.json").read_text())
    assert len(records) == len(json.loads(path.read_text()))
    assert [record["score"] for record in records] == pytest.approx([0.72] * len(records))
    assert {record["category_id"] for record in records} == set(dataset.info.category_ids)


def test_the_weaker_of_two_poses_at_one_place_is_dropped(folder: Path, tmp_path: Path) -> None:
    cfg = make_cfg(folder, tmp_path, *KEYPOINTS)
    dataset = build_dataset(cfg, ["tiny"], ("boxes", "keypoints", "parsing"))
    path = write_boxes(tmp_path / "bbox.json", dataset)
    records = json.loads(path.read_text())
    path.write_text(json.dumps([*records, *({**record, "score": 0.5} for record in records)]))
    counts = {}
    for threshold in (0.9, 1.0):
        cfg = make_cfg(folder, tmp_path, *KEYPOINTS, f"TEST.BOXES={path}", f"TEST.OKS_NMS={threshold}")
        TASK.build_evaluation(cfg, CPU).test(Oracle(dataset), tmp_path / "out")
        counts[threshold] = len(json.loads((tmp_path / "out" / "detector" / "keypoints.json").read_text()))
    assert counts == {0.9: len(records), 1.0: 2 * len(records)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"^read_detections.path: .*bbox.json: not a JSON file"),
        ("{}", "a list of boxes expected, as a test of a detector writes it"),
        ('[{"image_id": 1}]', r"entry 0 is .*image_id, category_id, bbox \[x, y, width, height\] and score expected"),
        ('[{"image_id": 77, "category_id": 4, "bbox": [1, 2, 3, 4], "score": 1}]', "none of its 1 boxes lies in one of the 12 images"),
        ('[{"image_id": 1, "category_id": 99, "bbox": [1, 2, 3, 4], "score": 1}]', r"has a class of the data \(figure\) and a score of"),
    ],
)
def test_files_of_boxes_that_do_not_fit_are_refused(content: str, message: str, folder: Path, tmp_path: Path) -> None:
    cfg = make_cfg(folder, tmp_path, *KEYPOINTS)
    dataset = build_dataset(cfg, ["tiny"], ("boxes", "keypoints"))
    path = tmp_path / "bbox.json"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_detections(path, dataset, least=0.0)


def test_boxes_come_in_the_order_of_the_images_and_weak_ones_go(folder: Path, tmp_path: Path) -> None:
    cfg = make_cfg(folder, tmp_path, *KEYPOINTS)
    dataset = build_dataset(cfg, ["tiny"], ("boxes", "keypoints"))
    path = write_boxes(tmp_path / "bbox.json", dataset)
    records = json.loads(path.read_text())[::-1]
    records[0]["score"] = 0.1
    path.write_text(json.dumps(records))
    boxes = read_detections(path, dataset, least=0.5)
    assert len(boxes.images) == len(records) - 1
    assert (np.diff(boxes.images) >= 0).all()
    assert (boxes.places == -1).all()
    assert boxes.boxes.dtype == np.float32
