"""Evaluation of surfaces: truth as prediction, the result file, two processes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pet.data.datasets.coco import CocoDataset
from pet.data.datasets.mannequins import ANNOTATIONS, IMAGES, MESH, write_mannequins
from pet.evaluation.surface import SurfaceEvaluator
from pet.structures.surface_files import read_surface_record
from pet.structures.surfaces import read_mesh


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> CocoDataset:
    folder: Path = write_mannequins(tmp_path_factory.mktemp("mannequins"), split="test", count=6).parent
    return CocoDataset(images=folder / IMAGES, annotations=folder / ANNOTATIONS, mesh=folder / MESH)


def as_prediction(dataset: CocoDataset, place: int, *, shift: float = 0.0) -> dict[str, Any]:
    """Return the marked points of an image as what was found, spread to the cells around them."""
    sample = dataset[place]
    cells = np.zeros((len(sample["boxes"]), 3, 64, 64), np.uint8)
    for own, box, points in zip(cells, sample["boxes"], sample["surface"], strict=True):
        places = ((points[:, :2] - box[:2]) / (box[2:] - box[:2]) * 64).astype(int)
        grid = np.stack(np.mgrid[:64, :64][::-1], axis=-1).reshape(-1, 2)
        nearest = ((grid[:, None] - places) ** 2).sum(axis=-1).argmin(axis=1)
        values = np.column_stack([points[:, 2], 255 * np.clip(points[:, 3:5] + shift, 0, 1)])[nearest]
        own[:] = np.rint(values).T.reshape(3, 64, 64)
    scores = torch.linspace(1, 0.5, len(cells))
    return {
        "boxes": torch.from_numpy(sample["boxes"]),
        "labels": torch.from_numpy(sample["labels"]),
        "scores": scores,
        "surface": torch.from_numpy(cells),
    }


def evaluate(dataset: CocoDataset, *, shift: float = 0.0, keep: bool = False) -> SurfaceEvaluator:
    assert dataset.info.surface_set is not None
    evaluator = SurfaceEvaluator(dataset=dataset, mesh=read_mesh(dataset.info.surface_set.mesh), keep_predictions=keep)
    for place in range(len(dataset)):
        evaluator.update({"meta": [{"index": place}]}, [as_prediction(dataset, place, shift=shift)])
    return evaluator


def test_truth_as_prediction_is_nearly_perfect_and_worse_places_are_worse(dataset: CocoDataset, tmp_path: Path) -> None:
    evaluator = evaluate(dataset, keep=True)
    figures = evaluator.compute()
    assert figures["gps/AP"] > 0.95 and figures["gps/AP50"] == pytest.approx(1)
    assert figures["gpsm/AP50"] < 1
    assert evaluate(dataset, shift=0.4).compute()["gps/AP"] < figures["gps/AP"] - 0.2
    assert evaluator.summary().startswith("test_gps_AP: ")
    evaluator.write(tmp_path)
    records = json.loads((tmp_path / "surface.json").read_text())
    assert len(records) == sum(len(dataset[place]["boxes"]) for place in range(len(dataset)))
    assert set(records[0]) == {"image_id", "category_id", "score", "bbox", "uv_shape", "uv_data"}
    assert list(read_surface_record(records[0]).shape) == records[0]["uv_shape"]


def test_without_a_mesh_nothing_is_measured(dataset: CocoDataset) -> None:
    evaluator = SurfaceEvaluator(dataset=dataset, mesh=None)
    evaluator.update({"meta": [{"index": 0}]}, [as_prediction(dataset, 0)])
    assert evaluator.compute() == {}
    assert "nothing is measured" in evaluator.summary()
