"""Metrics and files of parsing."""

import csv
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional

from pet.data.targets.dataset import Dataset, DatasetInfo
from pet.evaluation.parsing import ParsingEvaluator, build_parsing_evaluator
from petlib import distributed
from petlib.config import CfgNode, Key

PARTS = ["background", "head", "body"]
FIGURE, CIRCLE = 1, 0
MAP = 8


def figure_map() -> torch.Tensor:
    """Return probabilities (3, 8, 8) of an object whose upper half is its head and whose lower half is its body."""
    labels = torch.ones(MAP, MAP, dtype=torch.int64)
    labels[MAP // 2 :] = 2
    return functional.one_hot(labels, 3).permute(2, 0, 1).float()


def sample(index: int, *, boxes: list[list[int]], circles: int = 0) -> dict[str, Any]:
    """Return the truth of an image with figures in ``boxes``."""
    parsing, instances = torch.zeros(20, 30, dtype=torch.uint8), torch.zeros(20, 30, dtype=torch.uint16)
    for number, (left, top, right, bottom) in enumerate(boxes, 1):
        parsing[top : (top + bottom) // 2, left:right] = 1
        parsing[(top + bottom) // 2 : bottom, left:right] = 2
        instances[top:bottom, left:right] = number
    return {
        "truth_parsing": parsing,
        "truth_instances": instances,
        "truth_instance_ids": torch.tensor([*range(1, len(boxes) + 1), *[0] * circles], dtype=torch.int64),
        "truth_labels": torch.tensor([FIGURE] * len(boxes) + [CIRCLE] * circles, dtype=torch.int64),
        "meta": {"id": index, "index": index, "file": f"images/{index:03d}.jpg", "size": (20, 30)},
    }


def detections(boxes: list[list[float]], scores: list[float], labels: list[int] | None = None) -> dict[str, Any]:
    return {
        "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        "scores": torch.full((len(boxes),), 0.5),
        "labels": torch.tensor(labels if labels is not None else [FIGURE] * len(boxes), dtype=torch.int64),
        "parsing": figure_map().expand(len(boxes), -1, -1, -1),
        "parsing_scores": torch.tensor(scores, dtype=torch.float32),
    }


def evaluate(pairs: list[tuple[dict[str, Any], dict[str, Any]]], folder: Path | None = None) -> dict[str, float]:
    """Return the metrics of samples and their predictions, in batches of two."""
    evaluator = ParsingEvaluator(parts=PARTS, threshold=0.3, keep_predictions=folder is not None)
    for start in range(0, len(pairs), 2):
        part = pairs[start : start + 2]
        batch = {name: [truth[name] for truth, _ in part] for name in part[0][0]}
        evaluator.update(batch, [prediction for _, prediction in part])
    metrics = evaluator.compute()
    if folder is not None:
        evaluator.write(folder)
    return metrics


def several() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return five images; circles come before the first figure, so that no process knows at once which classes have parts."""
    return [
        (sample(0, boxes=[], circles=2), detections([[1, 1, 9, 9], [10, 3, 18, 11]], [0.9, 0.8], [CIRCLE, FIGURE])),
        (sample(1, boxes=[], circles=1), detections([[1, 1, 9, 9]], [0.95], [CIRCLE])),
        (sample(2, boxes=[[2, 2, 10, 12], [14, 4, 24, 18]]), detections([[2, 2, 10, 12], [13, 4, 22, 18]], [0.9, 0.7])),
        (sample(3, boxes=[[5, 3, 15, 13]], circles=1), detections([[5, 4, 15, 13], [0, 0, 9, 9]], [0.6, 0.85], [FIGURE, CIRCLE])),
        (sample(4, boxes=[[5, 3, 15, 13]]), detections([], [])),
    ]


def evaluate_share(folder: str) -> dict[str, float]:
    return evaluate(several()[distributed.rank() :: distributed.world_size()], Path(folder))


def test_perfect_detections_give_one() -> None:
    boxes = [[2, 2, 10, 12], [14, 4, 24, 18]]
    metrics = evaluate([(sample(0, boxes=boxes), detections(boxes, [0.9, 0.8]))])
    assert metrics == pytest.approx({"parsing/mIoU": 1.0, "parsing/APp": 1.0, "parsing/APp50": 1.0, "parsing/PCP50": 1.0})


def test_figures_by_hand() -> None:
    # the detection covers the left half of an object of 8 x 10 pixels in an image of 600
    metrics = evaluate([(sample(0, boxes=[[2, 2, 10, 12]]), detections([[2, 2, 6, 12]], [0.9]))])
    iou = (520 / 560 + 0.5 + 0.5) / 3
    assert metrics["parsing/mIoU"] == pytest.approx(iou)
    assert metrics["parsing/APp50"] == 1.0
    assert metrics["parsing/APp"] == pytest.approx(6 / 9)
    assert metrics["parsing/PCP50"] == 0.0


def test_part_maps_with_a_low_score_are_not_painted() -> None:
    pair = (sample(0, boxes=[[2, 2, 10, 12]]), detections([[2, 2, 10, 12]], [0.2]))
    metrics = evaluate([pair])
    assert metrics["parsing/APp"] == 1.0
    assert metrics["parsing/mIoU"] == pytest.approx(520 / 600 / 3)


def test_detections_of_classes_without_parts_do_not_count(tmp_path: Path) -> None:
    pairs = several()
    without = []
    for truth, prediction in pairs:
        kept = prediction["labels"] == FIGURE
        without.append((truth, {name: value[kept] for name, value in prediction.items()}))
    assert evaluate(pairs, tmp_path / "with") == evaluate(without, tmp_path / "without")
    for path in (tmp_path / "without").rglob("*.*"):
        assert (tmp_path / "with" / path.relative_to(tmp_path / "without")).read_bytes() == path.read_bytes()


def test_a_false_figure_costs_precision_and_iou() -> None:
    pairs = several()
    truth, prediction = pairs[0]
    only_circle = {name: value[:1] for name, value in prediction.items()}
    with_false, without = evaluate(pairs), evaluate([(truth, only_circle), *pairs[1:]])
    assert with_false["parsing/APp"] < without["parsing/APp"]
    assert with_false["parsing/mIoU"] < without["parsing/mIoU"]


def test_two_processes_give_the_same_metrics_and_files(tmp_path: Path, run_ranks) -> None:
    expected = evaluate(several(), tmp_path / "one")
    assert run_ranks(evaluate_share, 2, str(tmp_path / "two")) == [expected] * 2
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 6
    for file in files:
        assert (tmp_path / "two" / file).read_bytes() == (tmp_path / "one" / file).read_bytes()


def test_files_hold_label_images_and_parts(tmp_path: Path) -> None:
    boxes = [[2, 2, 10, 12]]
    truth = sample(7, boxes=boxes)
    metrics = evaluate([(truth, detections(boxes, [0.9]))], tmp_path)
    image = cv2.imread(str(tmp_path / "parsing" / "007.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(image, truth["truth_parsing"].numpy())
    with (tmp_path / "per_part_iou.csv").open(encoding="utf-8") as file:
        rows = {row["class"]: row for row in csv.DictReader(file)}
    assert list(rows) == PARTS
    assert (rows["head"]["pixels"], rows["head"]["IoU"]) == ("40", "1.000000")
    assert metrics["parsing/IoU/head"] == 1.0


def test_nothing_found_gives_zeros_and_nothing_to_find_is_undefined() -> None:
    zeros = {"parsing/APp": 0.0, "parsing/APp50": 0.0, "parsing/PCP50": 0.0}
    undefined = pytest.approx(dict.fromkeys(["parsing/mIoU", *zeros], math.nan), nan_ok=True)
    assert evaluate([]) == undefined
    empty = evaluate([(sample(0, boxes=[]), detections([], []))])
    assert empty == undefined  # background everywhere
    missed = evaluate([(sample(0, boxes=[[2, 2, 10, 12]]), detections([], []))])
    assert missed == {"parsing/mIoU": pytest.approx(520 / 600 / 3), **zeros}


def test_ignored_pixels_do_not_count() -> None:
    truth = sample(0, boxes=[[2, 2, 10, 12]])
    truth["truth_parsing"][:, 6:10] = 255
    metrics = evaluate([(truth, detections([[2, 2, 6, 12]], [0.9]))])
    assert metrics == pytest.approx({"parsing/mIoU": 1.0, "parsing/APp": 1.0, "parsing/APp50": 1.0, "parsing/PCP50": 1.0})


def test_summary_is_one_line() -> None:
    boxes = [[2, 2, 10, 12]]
    truth = sample(0, boxes=boxes)
    evaluator = ParsingEvaluator(parts=PARTS)
    evaluator.update({name: [value] for name, value in truth.items()}, [detections(boxes, [0.9])])
    evaluator.compute()
    assert evaluator.summary() == "test_parsing_mIoU: 100.00% | APp: 100.00% | APp50: 100.00% | PCP50: 100.00%"


def test_parts_of_the_model_without_a_name_go_by_number() -> None:
    class Given(Dataset):
        info = DatasetInfo(frozenset({"parsing"}))

    cfg = CfgNode({"MODEL": {"PARSING": {"NUM_PARTS": Key(3, "")}}, "TEST": {"PARSING_THRESHOLD": Key(0.4, "")}})
    evaluator = build_parsing_evaluator(cfg, Given(), keep_predictions=False)
    assert (evaluator.parts, evaluator.threshold) == (["0", "1", "2"], 0.4)
