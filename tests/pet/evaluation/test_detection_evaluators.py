"""Evaluators of boxes, masks and keypoints on a small data set whose ids are not places."""

import contextlib
import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch import Tensor

from pet.data.loading.joined import JoinedDataset
from pet.data.targets.dataset import Dataset, DatasetInfo, ImageTruth, KeypointSet
from pet.evaluation.detection import DetectionEvaluator, build_box_evaluator, build_keypoint_evaluator, build_mask_evaluator
from pet.evaluation.detection_results import distinct_ids, encode_mask
from pet.structures.paste import paste_masks
from petlib import distributed
from petlib.config import CfgNode, ConfigError, Key
from petlib.errors import DataError

HEIGHT, WIDTH = 48, 64
IMAGES = 11
CLASSES = ["cup", "person", "plane"]
CATEGORY_IDS = [7, 9, 4]
SIGMAS = (0.05, 0.07, 0.09)
BUILDERS = {"bbox": build_box_evaluator, "segm": build_mask_evaluator, "keypoints": build_keypoint_evaluator}
Predictions = list[dict[str, Tensor]]


class Objects(Dataset):
    """A data set of random objects; persons alone have keypoints, and there is no plane."""

    def __init__(self, *, empty: bool = False, kinds: frozenset[str] = frozenset({"boxes", "masks", "keypoints"})) -> None:
        keypoint_set = KeypointSet(("a", "b", "c"), (0, 2, 1), (), SIGMAS)
        self.info = DatasetInfo(kinds, classes=CLASSES, category_ids=CATEGORY_IDS, keypoint_set=keypoint_set)
        self._truths = [make_truth(index, 0 if empty or index == 3 else 4) for index in range(IMAGES)]

    def __len__(self) -> int:
        return len(self._truths)

    def truth(self, index: int) -> ImageTruth:
        assert distributed.rank() == 0, "only the main process asks for the truth"
        return self._truths[index]


def make_truth(index: int, count: int) -> ImageTruth:
    rng = np.random.default_rng(index)
    sizes = rng.integers(6, 40, (count, 2))
    corners = (rng.random((count, 2)) * (np.array([WIDTH, HEIGHT]) - sizes)).astype(int)
    boxes = np.concatenate([corners, corners + sizes], axis=1).astype(np.float32)
    labels = rng.integers(0, 2, count)
    visible = rng.integers(0, 3, (count, 3, 1)) * (labels == 1)[:, None, None]
    points = boxes[:, None, :2] + rng.random((count, 3, 2)) * sizes[:, None]
    return ImageTruth(
        id=500 - 3 * index,
        file=f"{index}.png",
        height=HEIGHT,
        width=WIDTH,
        boxes=boxes,
        labels=labels,
        crowd=rng.random(count) < 0.15,
        areas=sizes.prod(axis=1).astype(np.float32),
        segmentations=[[[x, y, right, y, right, bottom, x, bottom]] for x, y, right, bottom in boxes.tolist()],
        keypoints=np.concatenate([points * (visible > 0), visible], axis=2).astype(np.float32),
    )


def exact_prediction(truth: ImageTruth) -> dict[str, Tensor]:
    """Return the objects themselves."""
    assert truth.keypoints is not None
    count = len(truth.labels)
    return {
        "boxes": torch.from_numpy(truth.boxes),
        "scores": torch.linspace(0.9, 0.5, count),
        "labels": torch.from_numpy(truth.labels),
        "masks": torch.ones(count, 8, 8),
        "keypoints": torch.from_numpy(truth.keypoints),
    }


def noisy_prediction(truth: ImageTruth, index: int) -> dict[str, Tensor]:
    """Return shifted objects in quarters of a pixel, which files hold exactly; half have any class; none at all for image 5."""
    generator = torch.Generator().manual_seed(index)
    exact = exact_prediction(truth)
    count = 0 if index == 5 else len(truth.labels)
    twice = torch.arange(count).repeat(2)
    boxes = exact["boxes"][twice] + torch.randn(2 * count, 4, generator=generator)
    boxes[:, 2:] = torch.maximum(boxes[:, 2:], boxes[:, :2] + 2)
    return {
        "boxes": quarters(boxes),
        "scores": torch.rand(2 * count, generator=generator),
        "labels": torch.randint(0, 3, (2 * count,), generator=generator).where(twice % 2 == 0, exact["labels"][twice]),
        "masks": torch.rand(2 * count, 8, 8, generator=generator) + 0.3,
        "keypoints": quarters(exact["keypoints"][twice] + torch.randn(2 * count, 3, 3, generator=generator)),
    }


def quarters(values: Tensor) -> Tensor:
    return (values * 4).round() / 4


def make_config(*box_metrics: str, num_keypoints: int = 3) -> CfgNode:
    return CfgNode(
        {
            "EVAL": {"BOX_METRICS": Key(list(box_metrics), "Metrics.", type=list[str])},
            "MODEL": {"KEYPOINTS": {"NUM_KEYPOINTS": Key(num_keypoints, "Keypoints.")}},
        }
    )


def feed(evaluator: DetectionEvaluator, predictions: Predictions, places: range, batch_size: int = 3) -> DetectionEvaluator:
    for start in range(0, len(places), batch_size):
        part = places[start : start + batch_size]
        meta = [{"index": index, "size": (HEIGHT, WIDTH), "id": "not asked"} for index in part]
        evaluator.update({"meta": meta}, [predictions[index] for index in part])
    return evaluator


def evaluator_of(
    kind: str, predictions: Predictions, *, dataset: Objects | None = None, box_metrics: tuple[str, ...] = ("coco",), keep: bool = True
) -> DetectionEvaluator:
    evaluator = BUILDERS[kind](make_config(*box_metrics), dataset or Objects(), keep_predictions=keep)
    return feed(evaluator, predictions, range(IMAGES))


def noisy_predictions() -> Predictions:
    return [noisy_prediction(make_truth(index, 0 if index == 3 else 4), index) for index in range(IMAGES)]


def exact_predictions() -> Predictions:
    return [exact_prediction(make_truth(index, 0 if index == 3 else 4)) for index in range(IMAGES)]


def no_predictions() -> Predictions:
    return [{name: value[:0] for name, value in prediction.items()} for prediction in exact_predictions()]


def rescored(file: Path, kind: str) -> COCOeval:
    """Return pycocotools' evaluation of a result file with the data set as a COCO file."""
    truths = [make_truth(index, 0 if index == 3 else 4) for index in range(IMAGES)]
    objects: list[dict[str, Any]] = []
    for truth in truths:
        for place, box in enumerate(truth.boxes.astype(float)):
            points = truth.keypoints[place]  # type: ignore[index]
            record = {"id": len(objects) + 1, "image_id": truth.id, "category_id": CATEGORY_IDS[truth.labels[place]]}
            record |= {"bbox": [*box[:2], *(box[2:] - box[:2])], "area": float(truth.areas[place]), "iscrowd": int(truth.crowd[place])}
            record |= {"segmentation": truth.segmentations[place]}  # type: ignore[index]
            objects.append(record | {"keypoints": points.ravel().tolist(), "num_keypoints": int((points[:, 2] > 0).sum())})
    with contextlib.redirect_stdout(io.StringIO()):
        expected = COCO()
        expected.dataset = {
            "info": {},
            "images": [{"id": truth.id, "height": HEIGHT, "width": WIDTH} for truth in truths],
            "categories": [{"id": number, "name": name} for number, name in zip(CATEGORY_IDS, CLASSES, strict=True)],
            "annotations": objects,
        }
        expected.createIndex()
        evaluation = COCOeval(expected, expected.loadRes(str(file)), kind)
        if kind == "keypoints":
            evaluation.params.kpt_oks_sigmas = np.array(SIGMAS)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


@pytest.mark.parametrize("kind", BUILDERS)
def test_objects_themselves_are_perfect(kind: str) -> None:
    evaluator = evaluator_of(kind, exact_predictions())
    metrics = evaluator.compute()
    assert metrics[f"{kind}/AP"] == metrics[f"{kind}/AP50"] == metrics[f"{kind}/AP75"] == 1.0
    assert metrics[f"{kind}/AP/person"] == metrics[f"{kind}/AP50/person"] == 1.0
    assert f"{kind}/AP/plane" not in metrics, "there is no plane"
    assert (f"{kind}/AP/cup" in metrics) == (kind != "keypoints"), "cups have no keypoints"
    assert evaluator.summary() == f"test_{kind}_AP: 100.00% | AP50: 100.00% | AP75: 100.00%"


@pytest.mark.parametrize("kind", BUILDERS)
def test_the_result_file_has_the_same_numbers_in_pycocotools(kind: str, tmp_path: Path) -> None:
    evaluator = evaluator_of(kind, noisy_predictions())
    metrics = evaluator.compute()
    evaluator.write(tmp_path)
    evaluation = rescored(tmp_path / f"{kind}.json", kind)
    ours = np.array([value for name, value in metrics.items() if name.count("/") == 1])
    # pycocotools says -1 where there is nothing to find
    np.testing.assert_allclose(ours, np.where(evaluation.stats < 0, np.nan, evaluation.stats), atol=1e-6)
    assert 0.05 < metrics[f"{kind}/AP50"] < 1


@pytest.mark.parametrize("kind", BUILDERS)
def test_records_of_the_result_file(kind: str, tmp_path: Path) -> None:
    predictions = noisy_predictions()
    evaluator = evaluator_of(kind, predictions)
    evaluator.compute()
    evaluator.write(tmp_path)
    records = json.loads((tmp_path / f"{kind}.json").read_text())
    first = predictions[0]
    place = 0 if kind != "keypoints" else int(torch.nonzero(first["labels"] == 1)[0])
    record = records[0]
    assert record["image_id"] == 500
    assert record["category_id"] == CATEGORY_IDS[int(first["labels"][place])]
    assert record["score"] == round(float(first["scores"][place]), 8)
    if kind == "bbox":
        x, y, right, bottom = first["boxes"][place].tolist()
        assert record["bbox"] == [x, y, right - x, bottom - y]
    elif kind == "segm":
        expected = paste_masks(first["masks"][:1], first["boxes"][:1], (HEIGHT, WIDTH))[0]
        assert (rle.decode(record["segmentation"]) == expected.numpy()).all()
    else:
        assert record["keypoints"] == first["keypoints"][place].ravel().tolist()
        assert {item["category_id"] for item in records} == {9}, "cups and planes have no keypoints"


def test_numbers_in_files_are_short(tmp_path: Path) -> None:
    predictions = no_predictions()
    predictions[0] = {
        "boxes": torch.tensor([[1.23456, 2, 11.98765, 30.1]]),
        "scores": torch.tensor([0.123456789]),
        "labels": torch.tensor([1]),
        "keypoints": torch.tensor([[[1.23456, 2, 0.123456789], [0.1, 0.2, 1.0], [0.0, 0.0, 0.0]]]),
    }
    for kind in ("bbox", "keypoints"):
        evaluator = evaluator_of(kind, predictions)
        evaluator.compute()
        evaluator.write(tmp_path)
    common = {"image_id": 500, "category_id": 9, "score": 0.12345679}
    assert json.loads((tmp_path / "bbox.json").read_text()) == [common | {"bbox": [1.23, 2.0, 10.75, 28.1]}]
    keypoints = [1.23, 2.0, 0.12345679, 0.1, 0.2, 1.0, 0.0, 0.0, 0.0]
    assert json.loads((tmp_path / "keypoints.json").read_text()) == [common | {"keypoints": keypoints}]


@pytest.mark.parametrize("kind", BUILDERS)
def test_images_of_joined_data_sets_have_ids_of_their_own(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    joined = JoinedDataset(["train", "val"], [Objects(), Objects()], ["boxes"])
    evaluator = BUILDERS[kind](make_config("coco"), joined, keep_predictions=True)
    feed(evaluator, exact_predictions() * 2, range(2 * IMAGES)).compute()
    evaluator.write(tmp_path)
    found = {record["image_id"] for record in json.loads((tmp_path / f"{kind}.json").read_text())}
    with_objects = {f"{name}/{truth.id}" for name in ("train", "val") for truth in Objects()._truths}
    assert found <= with_objects and {name.split("/")[0] for name in found} == {"train", "val"}
    assert len(found) == 2 * len({name.split("/")[1] for name in found})
    assert "images of train, val have the same ids: in result files they are e.g. train/500 and val/" in caplog.text


def test_ids_stay_where_they_differ() -> None:
    assert distinct_ids([1, 2, "1"], [("a", 2), ("b", 1)]) == [1, 2, "1"]
    assert distinct_ids([1, 2, 1], [("a", 2), ("b", 1)]) == ["a/1", "a/2", "b/1"]
    assert distinct_ids([1, 1], []) == [1, 1]


def test_the_table_of_classes(tmp_path: Path) -> None:
    evaluator = evaluator_of("bbox", exact_predictions(), box_metrics=("coco", "voc"))
    evaluator.compute()
    evaluator.write(tmp_path)
    with (tmp_path / "bbox_per_class_ap.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == CLASSES
    truths = [make_truth(index, 0 if index == 3 else 4) for index in range(IMAGES)]
    persons = sum(int(((truth.labels == 1) & ~truth.crowd).sum()) for truth in truths)
    assert rows[1] == {"class": "person", "objects": str(persons), "bbox/AP": "1.000000", "bbox/AP50": "1.000000", "voc/AP50": "1.000000"}
    assert rows[2] == {"class": "plane", "objects": "0", "bbox/AP": "", "bbox/AP50": "", "voc/AP50": ""}


def test_voc_next_to_coco_and_alone() -> None:
    both = evaluator_of("bbox", noisy_predictions(), box_metrics=("coco", "voc", "voc07"))
    metrics = both.compute()
    assert abs(metrics["voc/AP50"] - metrics["bbox/AP50"]) < 0.1
    assert metrics["voc/AP50"] == pytest.approx((metrics["voc/AP50/cup"] + metrics["voc/AP50/person"]) / 2)
    assert metrics["voc07/AP50"] != metrics["voc/AP50"]
    assert both.summary().endswith(f"voc_AP50: {metrics['voc/AP50']:.2%} | voc07_AP50: {metrics['voc07/AP50']:.2%}")
    alone = evaluator_of("bbox", noisy_predictions(), box_metrics=("voc",), keep=False)
    assert alone.compute() == {"voc/AP50": metrics["voc/AP50"]}
    assert alone.summary() == f"test_voc_AP50: {metrics['voc/AP50']:.2%}"


@pytest.mark.parametrize("kind", BUILDERS)
def test_while_training_the_classes_are_left_out(kind: str) -> None:
    short = evaluator_of(kind, noisy_predictions(), keep=False).compute()
    full = evaluator_of(kind, noisy_predictions()).compute()
    assert short == {name: value for name, value in full.items() if name.count("/") == 1}
    assert len(short) == (10 if kind == "keypoints" else 12)
    assert next(iter(short)) == f"{kind}/AP"


@pytest.mark.parametrize("kind", BUILDERS)
def test_nothing_found_and_nothing_to_find(kind: str, tmp_path: Path) -> None:
    metrics = (evaluator := evaluator_of(kind, no_predictions(), box_metrics=("coco", "voc"))).compute()
    evaluator.write(tmp_path)
    defined = {value for value in metrics.values() if not math.isnan(value)}
    assert defined == {0.0}
    assert metrics[f"{kind}/AP"] == metrics[f"{kind}/AP/person"] == 0.0
    assert json.loads((tmp_path / f"{kind}.json").read_text()) == []
    metrics = (evaluator := evaluator_of(kind, noisy_predictions(), dataset=Objects(empty=True), box_metrics=("coco", "voc"))).compute()
    evaluator.write(tmp_path)
    assert all(math.isnan(value) for value in metrics.values())
    assert evaluator.summary().startswith(f"test_{kind}_AP: - | AP50: - | AP75: -")
    assert not [name for name in metrics if name.count("/") == 2]


def test_objects_without_a_mask_are_measured_as_boxes_and_ignored_as_masks() -> None:
    dataset = Objects()
    exact = [exact_prediction(truth) for truth in dataset._truths]
    expected = {kind: evaluator_of(kind, exact).compute() for kind in ("bbox", "segm")}
    assert expected["segm"]["segm/AP"] == expected["bbox"]["bbox/AP"] == 1.0
    # masks of every second object are not known, and what is found there has any mask
    unknown = [
        truth._replace(segmentations=[None if place % 2 else outline for place, outline in enumerate(truth.segmentations or [])])
        for truth in dataset._truths
    ]
    dataset._truths = unknown
    for prediction in exact:
        prediction["masks"][1::2, :, : prediction["masks"].shape[2] // 2] = 0
    found = {kind: evaluator_of(kind, exact, dataset=dataset).compute() for kind in ("bbox", "segm")}
    assert found["bbox"] == pytest.approx(expected["bbox"], nan_ok=True)
    assert found["segm"]["segm/AP"] == 1.0
    known = [truth._replace(segmentations=whole.segmentations) for truth, whole in zip(unknown, Objects()._truths, strict=True)]
    dataset._truths = known
    assert evaluator_of("segm", exact, dataset=dataset).compute()["segm/AP"] < 0.9


def test_labels_beyond_the_classes_of_the_data_are_left_out(tmp_path: Path) -> None:
    predictions = exact_predictions()
    for prediction in predictions:
        prediction["labels"] = torch.cat([prediction["labels"], torch.tensor([3])])
        prediction["scores"] = torch.cat([prediction["scores"], torch.tensor([1.0])])
        prediction["boxes"] = torch.cat([prediction["boxes"], torch.tensor([[0.0, 0, 9, 9]])])
    evaluator = evaluator_of("bbox", predictions)
    assert evaluator.compute()["bbox/AP"] == 1.0
    evaluator.write(tmp_path)
    assert {record["category_id"] for record in json.loads((tmp_path / "bbox.json").read_text())} == {7, 9}


def share_metrics(kind: str, folder: str) -> dict[str, float]:
    """Evaluate every second image; the other process has the others, in batches of another size."""
    rank, world_size = distributed.rank(), distributed.world_size()
    evaluator = BUILDERS[kind](make_config("coco", "voc"), Objects(), keep_predictions=True)
    feed(evaluator, noisy_predictions(), range(rank, IMAGES, world_size), batch_size=2 + rank)
    metrics = evaluator.compute()
    evaluator.write(Path(folder))
    return metrics


def all_share_metrics(folder: str) -> dict[str, dict[str, float]]:
    return {kind: share_metrics(kind, folder) for kind in BUILDERS}


def test_two_processes_give_the_numbers_and_files_of_one(run_ranks: Any, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    expected = all_share_metrics(str(one))
    same = [pytest.approx(expected[kind], rel=0, abs=0, nan_ok=True) for kind in BUILDERS]
    assert [[found[kind] for kind in BUILDERS] for found in run_ranks(all_share_metrics, 2, str(two))] == [same, same]
    names = sorted(path.name for path in one.iterdir())
    assert names == [
        "bbox.json",
        "bbox_per_class_ap.csv",
        "keypoints.json",
        "keypoints_per_class_ap.csv",
        "segm.json",
        "segm_per_class_ap.csv",
    ]
    assert sorted(path.name for path in two.iterdir()) == names
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in names)


@pytest.mark.parametrize(
    "box",
    [[3, 4, 20, 30], [0, 0, 64, 48], [-5.5, -3.25, 9.5, 60], [50.25, 40.75, 80, 70], [10.25, 5, 10.5, 40], [70, 5, 90, 20], [5, 5, 5, 9]],
)
@pytest.mark.parametrize("filled", [True, False])
def test_a_mask_is_encoded_as_it_is_pasted(box: list[float], filled: bool) -> None:
    mask = torch.ones(8, 8) if filled else torch.rand(8, 8, generator=torch.Generator().manual_seed(0))
    pasted = paste_masks(mask[None], torch.tensor([box], dtype=torch.float32), (HEIGHT, WIDTH))[0]
    expected = rle.encode(np.asfortranarray(pasted.numpy().astype(np.uint8)))
    assert encode_mask(mask, torch.tensor(box, dtype=torch.float32), (HEIGHT, WIDTH)) == {
        "size": [HEIGHT, WIDTH],
        "counts": expected["counts"].decode(),
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [([], "EVAL.BOX_METRICS: nothing given; one or more of coco, voc, voc07 expected"), (["coco", "vok"], "'vok' given.*did you mean voc")],
)
def test_wrong_box_metrics_are_refused(given: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_box_evaluator(make_config(*given), Objects(), keep_predictions=False)


@pytest.mark.parametrize(("kind", "missing"), [("bbox", "boxes"), ("segm", "masks"), ("keypoints", "keypoints")])
def test_data_without_what_is_measured_are_refused(kind: str, missing: str) -> None:
    dataset = Objects(kinds=frozenset({"semseg"}))
    with pytest.raises(DataError, match=f"build_evaluation.dataset: {missing} are to be measured, but the data have semseg"):
        BUILDERS[kind](make_config("coco"), dataset, keep_predictions=False)


def test_another_number_of_keypoints_is_refused() -> None:
    with pytest.raises(ConfigError, match="NUM_KEYPOINTS: 17 given, but the objects of the test data have 3 keypoints"):
        build_keypoint_evaluator(make_config(num_keypoints=17), Objects(), keep_predictions=False)


@pytest.mark.cuda
@pytest.mark.parametrize("kind", BUILDERS)
def test_predictions_on_a_device_give_the_numbers_of_the_host(kind: str) -> None:
    predictions = noisy_predictions()
    moved = [{name: value.cuda() for name, value in prediction.items()} for prediction in predictions]
    assert evaluator_of(kind, moved).compute() == evaluator_of(kind, predictions).compute()
