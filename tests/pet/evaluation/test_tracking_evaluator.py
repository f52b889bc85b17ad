"""Tracks are measured over sequences, whichever process predicted which frame."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pet.data.catalog.source import Source
from pet.data.datasets.mot import build_mot
from pet.data.datasets.walkers import write_walkers
from pet.evaluation.track_files import evaluate_track_files, total
from pet.evaluation.tracking import TrackingEvaluator
from pet.tracking import build_tracker
from petlib.errors import DataError


@pytest.fixture(scope="module")
def walkers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_walkers(tmp_path_factory.mktemp("walkers"), split="test", count=2)


def measured(folder: Path, order: list[int], out: Path | None = None, *, looks: bool = False) -> dict[str, float]:
    """Return the figures of the true boxes, moved a little, whose frames come in an order."""
    dataset = build_mot(Source(folder.parent, "test", None))
    evaluator = TrackingEvaluator(
        dataset=dataset, new_tracker=lambda: build_tracker({"name": "fairmot", "buffer": 2}, place="x"), keep_predictions=out is not None
    )
    for index in order:
        truth = dataset.truth(index)
        boxes, identities = truth.boxes[~truth.crowd], truth.identities[~truth.crowd]  # type: ignore[index]
        moved = boxes + np.random.default_rng(index).normal(0, 0.5, boxes.shape)
        found: dict[str, Any] = {"boxes": torch.tensor(moved), "scores": torch.full((len(boxes),), 0.9), "labels": torch.zeros(len(boxes))}
        if looks:
            found["embeddings"] = torch.eye(64)[identities]
        evaluator.update({"meta": [{"index": index}]}, [found])
    figures = evaluator.compute()
    if out is not None:
        evaluator.write(out)
        assert evaluator.summary().startswith(f"test_HOTA: {100 * figures['track/HOTA']:.2f}%")
    return figures


def test_figures_are_those_of_the_files_and_do_not_depend_on_the_order_of_frames(walkers: Path, tmp_path: Path) -> None:
    order = list(range(120))
    figures = measured(walkers, order, tmp_path)
    assert measured(walkers, order[::-1]) == figures
    files = total(list(evaluate_track_files(walkers, tmp_path / "tracks").values()))["pedestrian"].figures()
    # hundredths of a pixel in the files
    assert figures["track/HOTA"] == pytest.approx(files["HOTA"], abs=5e-3)
    assert figures["track/IDSW"] == files["IDSW"] and figures["track/IDF1"] == pytest.approx(files["IDF1"], abs=1e-3)


def test_true_looks_find_everyone_again(walkers: Path) -> None:
    """The sequences need looks: people turn behind pillars, where they are hidden for longer than a second."""
    by_motion, by_looks = (measured(walkers, list(range(120)), looks=looks) for looks in (False, True))
    assert by_looks["track/IDF1"] > 0.97 and by_looks["track/IDSW"] <= 2
    assert by_looks["track/IDF1"] > by_motion["track/IDF1"] + 0.08


def test_single_images_are_no_sequences() -> None:
    class Images:
        def truth(self, index: int) -> None:
            return None

    evaluator = TrackingEvaluator(dataset=Images(), new_tracker=lambda: build_tracker("sort", place="x"))  # type: ignore[arg-type]
    nothing = {"boxes": torch.zeros(0, 4), "scores": torch.zeros(0), "labels": torch.zeros(0)}
    evaluator.update({"meta": [{"index": 0}]}, [nothing])
    with pytest.raises(DataError, match="the test data have no sequences with identities"):
        evaluator.compute()
