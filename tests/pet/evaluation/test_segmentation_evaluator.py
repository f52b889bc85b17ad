"""Metrics and files of semantic segmentation."""

import csv
import logging
import math
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch

from pet.data.targets.dataset import Dataset, DatasetInfo
from pet.evaluation.segmentation import SegmentationEvaluator, build_semseg_evaluator
from petlib import distributed
from petlib.config import CfgNode, Key
from petlib.errors import DataError

CLASSES = ["sky", "road", "car"]
FILES = ["a/one.jpg", "a/two.jpg", "b/one.jpg"]


def batches() -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Return a batch of one image each, with its predictions; images differ in size."""
    generator = torch.Generator().manual_seed(0)
    result = []
    for index, file in enumerate(FILES):
        size = (4 + index, 6)
        truth = torch.randint(0, 2, size, generator=generator, dtype=torch.uint8)
        truth[0, 0] = 255
        labels = torch.randint(0, 2, size, generator=generator, dtype=torch.uint8)
        batch = {"truth_semseg": [truth], "meta": [{"id": index, "file": file, "index": index, "size": size}]}
        result.append((batch, [{"semseg": labels}]))
    return result


def run(folder: Path, share: slice) -> dict[str, float]:
    evaluator = SegmentationEvaluator(classes=CLASSES, keep_predictions=True)
    for batch, predictions in batches()[share]:
        evaluator.update(batch, predictions)
    metrics = evaluator.compute()
    evaluator.write(folder)
    return metrics


def run_share(folder: str) -> dict[str, float]:
    return run(Path(folder), slice(distributed.rank(), None, distributed.world_size()))


def test_metrics_are_fractions_over_all_pixels(tmp_path: Path) -> None:
    metrics = run(tmp_path, slice(None))
    truth = torch.cat([batch["truth_semseg"][0].flatten() for batch, _ in batches()])
    labels = torch.cat([predictions[0]["semseg"].flatten() for _, predictions in batches()])
    counted = truth != 255
    ious = [((truth == k) & (labels == k)).sum() / (((truth == k) | (labels == k)) & counted).sum() for k in (0, 1)]
    assert metrics["semseg/mIoU"] == pytest.approx(float(sum(ious) / 2))
    assert metrics["semseg/pixel_accuracy"] == pytest.approx(float((truth == labels)[counted].float().mean()))
    assert metrics["semseg/IoU/sky"] == pytest.approx(float(ious[0]))
    assert "semseg/IoU/car" not in metrics
    assert set(metrics) == {f"semseg/{name}" for name in ("mIoU", "pixel_accuracy", "mean_accuracy", "kappa", "IoU/sky", "IoU/road")}


def test_files_hold_label_images_and_classes(tmp_path: Path) -> None:
    metrics = run(tmp_path, slice(None))
    for (_, predictions), name in zip(batches(), ("one", "two", "one_2"), strict=True):
        image = cv2.imread(str(tmp_path / "semseg" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        assert image.dtype == "uint8"
        assert image.tolist() == predictions[0]["semseg"].tolist()
    with (tmp_path / "per_class_iou.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == CLASSES
    assert float(rows[0]["IoU"]) == pytest.approx(metrics["semseg/IoU/sky"], abs=1e-6)
    assert (rows[2]["pixels"], rows[2]["IoU"], rows[2]["precision"]) == ("0", "", "")
    assert cv2.imread(str(tmp_path / "semseg_confusion_matrix.png")) is not None


def test_two_processes_give_the_same_metrics_and_files(tmp_path: Path, run_ranks) -> None:
    expected = run(tmp_path / "one", slice(None))
    assert run_ranks(run_share, 2, str(tmp_path / "two")) == [expected] * 2
    for path in (tmp_path / "one").rglob("*.*"):
        assert (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes() == path.read_bytes(), path.name


def test_no_image_gives_no_figures_but_files(tmp_path: Path) -> None:
    metrics = run(tmp_path, slice(0))
    assert set(metrics) == {"semseg/mIoU", "semseg/pixel_accuracy", "semseg/mean_accuracy", "semseg/kappa"}
    assert all(math.isnan(value) for value in metrics.values())
    assert (tmp_path / "per_class_iou.csv").exists()


def test_truth_of_one_class_says_little(caplog: pytest.LogCaptureFixture) -> None:
    evaluator = SegmentationEvaluator(classes=["ground", "roof"])
    # masks of 0 and 255 that were meant as 0 and 1: the roof is ignored
    batch = {"truth_semseg": [torch.tensor([[0, 0], [255, 255]])], "meta": [{"file": "x.png"}]}
    evaluator.update(batch, [{"semseg": torch.tensor([[0, 0], [0, 0]])}])
    metrics = evaluator.compute()
    assert (metrics["semseg/mIoU"], metrics["semseg/pixel_accuracy"]) == (1.0, 1.0)
    undefined = ("kappa", "foreground_IoU", "foreground_precision", "foreground_recall", "foreground_F1")
    assert all(math.isnan(metrics[f"semseg/{name}"]) for name in undefined)
    assert "have pixels of ground alone: accuracy and mIoU of the 2 classes say little" in caplog.text
    assert evaluator.summary() == "test_semseg_mIoU: 100.00% | pixel_accuracy: 100.00% | mean_accuracy: 100.00% | kappa: -"


def test_summary_is_one_line() -> None:
    evaluator = SegmentationEvaluator(classes=["a", "b"])
    batch = {"truth_semseg": [torch.tensor([[0, 0], [1, 1]])], "meta": [{"file": "x.png"}]}
    evaluator.update(batch, [{"semseg": torch.tensor([[0, 0], [1, 0]])}])
    foreground = {f"semseg/foreground_{figure}" for figure in ("IoU", "precision", "recall", "F1")}
    assert set(evaluator.compute()) == {"semseg/mIoU", "semseg/pixel_accuracy", "semseg/mean_accuracy", "semseg/kappa", *foreground}
    assert evaluator.summary() == "test_semseg_mIoU: 58.33% | pixel_accuracy: 75.00% | mean_accuracy: 75.00% | kappa: 0.5000"


def count_foreground(share: slice) -> tuple[dict[str, float], list[str]]:
    """Return metrics of two classes, and the lines that are logged."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = logging.getLogger("pet.evaluation.segmentation")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    evaluator = SegmentationEvaluator(classes=["background", "building"], keep_predictions=True)
    for batch, predictions in batches()[share]:
        evaluator.update(batch, predictions)
    metrics = evaluator.compute()
    logger.removeHandler(handler)
    return metrics, lines


def count_share_of_foreground() -> tuple[dict[str, float], list[str]]:
    return count_foreground(slice(distributed.rank(), None, distributed.world_size()))


def test_the_foreground_of_two_classes_and_the_report() -> None:
    metrics, lines = count_foreground(slice(None))
    truth = torch.cat([batch["truth_semseg"][0].flatten() for batch, _ in batches()])
    labels = torch.cat([predictions[0]["semseg"].flatten() for _, predictions in batches()])
    right = int(((truth == 1) & (labels == 1)).sum())
    taken, there = int(((labels == 1) & (truth != 255)).sum()), int((truth == 1).sum())
    assert metrics["semseg/foreground_IoU"] == pytest.approx(right / (taken + there - right))
    assert metrics["semseg/foreground_IoU"] == pytest.approx(metrics["semseg/IoU/building"])
    assert metrics["semseg/foreground_precision"] == pytest.approx(right / taken)
    assert metrics["semseg/foreground_recall"] == pytest.approx(right / there)
    assert metrics["semseg/foreground_F1"] == pytest.approx(2 * right / (taken + there))
    assert lines[0] == f"[EVAL] #Images: 3 mIoU: {metrics['semseg/mIoU']:.4f} Acc: {metrics['semseg/pixel_accuracy']:.4f} " + (
        f"Kappa: {metrics['semseg/kappa']:.4f}"
    )
    assert lines[1::2] == [f"[EVAL] Class {name}:" for name in ("IoU", "Acc", "Precision", "Recall", "F1")]


def test_two_processes_count_every_image_once_and_one_reports(run_ranks) -> None:
    metrics, lines = count_foreground(slice(None))
    assert run_ranks(count_share_of_foreground, 2) == [(metrics, lines), (metrics, [])]


def test_a_foreground_needs_two_classes_and_a_report_kept_predictions(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    evaluator = SegmentationEvaluator(classes=CLASSES)
    for batch, predictions in batches():
        evaluator.update(batch, predictions)
    assert set(evaluator.compute()) == {"semseg/mIoU", "semseg/pixel_accuracy", "semseg/mean_accuracy", "semseg/kappa"}
    assert not caplog.records


def test_a_label_image_of_another_size_names_the_file() -> None:
    batch, _ = batches()[0]
    with pytest.raises(DataError, match=r"a/one.jpg: its label image is 6 x 4 pixels, the image 4 x 6"):
        SegmentationEvaluator(classes=CLASSES).update(batch, [{"semseg": torch.zeros(6, 4, dtype=torch.uint8)}])


@pytest.mark.parametrize(("own", "count"), [(0, 3), (4, 4)])
def test_classes_of_the_model_without_a_name_go_by_number(own: int, count: int) -> None:
    class Given(Dataset):
        info = DatasetInfo(frozenset({"semseg"}), semseg_classes=("sky", "road"))

    cfg = CfgNode({"MODEL": {"NUM_CLASSES": Key(3, ""), "SEMSEG": {"NUM_CLASSES": Key(own, "")}}})
    evaluator = build_semseg_evaluator(cfg, Given(), keep_predictions=False)
    assert evaluator.classes == ["sky", "road", "2", "3"][:count]
