"""The kind ``identities``: it goes where its boxes go, and data sets that are joined keep their people apart."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pet.data.catalog.source import Source
from pet.data.datasets.mot import build_mot
from pet.data.loading.joined import JoinedDataset
from pet.data.report.dataset_report import report_dataset
from pet.data.report.overview import RunReport
from pet.data.report.readable import as_text
from pet.data.targets.check import check_samples
from pet.data.targets.dataset import DatasetInfo, Expectation
from pet.data.targets.drawing import draw_predictions
from pet.data.targets.kinds import find_kind
from pet.data.transforms.build import build_transforms
from petlib.errors import DataError
from tests.pet.data.datasets.mot_files import write_sequence

ROWS = [[1, 4, 1, 1, 10, 20, 1, 1, 1], [1, 6, 50, 20, 10, 20, 1, 1, 1], [3, 6, 40, 20, 10, 20, 1, 1, 1]]
EXPECTED = Expectation(kinds=("boxes", "identities"))


def sequence(folder: Path) -> Any:
    return build_mot(Source(write_sequence(folder, ROWS).parent, "train", None))


def test_identities_go_with_their_boxes(tmp_path: Path) -> None:
    sample = sequence(tmp_path / "a" / "s")[0]
    transforms, _ = build_transforms([{"name": "CenterCrop", "size": 44}], default_size=None, dataset=[])
    moved = transforms(sample, np.random.default_rng(0))
    # the columns 10 to 54 are left, which cuts the first person away and half of the second one
    assert len(moved["boxes"]) == len(moved["identities"]) == 1
    assert moved["identities"].tolist() == [1]


def test_joined_data_sets_have_people_of_their_own(tmp_path: Path) -> None:
    parts = [sequence(tmp_path / name / "s") for name in ("a", "b")]
    joined = JoinedDataset(["a", "b"], parts, EXPECTED.kinds)
    assert joined.info.num_identities == 4 == find_kind("identities").count(joined.info)
    assert [joined[index]["identities"].tolist() for index in (0, 2, 4, 6)] == [[0, 1], [1], [2, 3], [3]]
    truth = joined.truth(6)
    assert truth is not None and truth.identities is not None and truth.identities.tolist() == [3]


def test_the_first_look_compares_them_with_model_and_boxes(tmp_path: Path) -> None:
    dataset = sequence(tmp_path / "a" / "s")
    check_samples(dataset, replace(EXPECTED, counts={"identities": 2}), 4)
    with pytest.raises(DataError, match="have 2 identities, the model has 1: set MODEL.IDENTITIES to 2"):
        check_samples(dataset, replace(EXPECTED, counts={"identities": 1}, settings={"identities": "MODEL.IDENTITIES"}), 4)
    kind, sample = find_kind("identities"), dataset[0]
    with pytest.raises(DataError, match="1 identities and 2 boxes; one identity a box expected, or -1"):
        kind.check({**sample, "identities": sample["identities"][:1]}, EXPECTED)
    with pytest.raises(DataError, match="object 0 has the identity -2, a number from 0 on expected, or -1 for none"):
        kind.check({**sample, "identities": np.array([-2, 0])}, EXPECTED)


def test_a_report_counts_them(tmp_path: Path) -> None:
    dataset = sequence(tmp_path / "a" / "s")
    report = report_dataset("a", dataset, EXPECTED, threads=1)
    assert report.identities["identities"] == 2 and report.identities["images without objects"] == 2
    assert report.identities["objects of each"]["greatest"] == 2
    text = as_text(RunReport({"train": [report]}))
    assert "identities: 2 in 1 sequence, 1 to 2 boxes each (median 2); 0 boxes have none" in text
    assert "frames without a box: 2 of 4" in text


def test_an_identity_in_two_places_and_no_identity_at_all_are_odd(tmp_path: Path) -> None:
    class Changed:
        info = DatasetInfo(kinds=frozenset(EXPECTED.kinds), classes=["pedestrian"])

        def __init__(self, identities: list[int]) -> None:
            self._own, self._base = np.array(identities), sequence(tmp_path / f"{len(list(tmp_path.iterdir()))}" / "s")

        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> dict[str, Any]:
            return {**self._base[0], "identities": self._own}

        def truth(self, index: int) -> None:
            return None

    kinds = [{finding.kind for finding in report_dataset("a", Changed(own), EXPECTED, threads=1).findings} for own in ([5, 5], [-1, -1])]
    assert "an identity occurs more than once in an image" in kinds[0]
    assert "no object has an identity" in kinds[1]


def test_tracks_have_colours_numbers_and_trails_of_their_own() -> None:
    image = np.zeros((400, 500, 3), np.uint8)
    found = {
        "boxes": np.array([[50.0, 200, 150, 350], [300, 200, 400, 350]]),
        "labels": np.zeros(2, np.int64),
        "scores": np.array([0.9, 0.9]),
        "identities": np.array([1, 2]),
    }
    trails = np.empty(2, object)
    trails[:] = [np.array([[100.0, 20], [100, 190]]), np.zeros((0, 2))]
    plain, drawn = draw_predictions(image, found), draw_predictions(image, {**found, "trails": trails})
    assert not np.array_equal(plain[300, 50], plain[300, 300]), "one class, two colours"
    difference = np.flatnonzero((plain != drawn).any(axis=(0, 2)))
    assert difference.min() > 90 and difference.max() < 110, "one trail, at the columns about 100"
    hidden = {**found, "trails": trails, "scores": np.array([0.1, 0.9])}
    assert np.array_equal(draw_predictions(image, hidden), draw_predictions(image, {**hidden, "trails": trails[[1, 1]]}))
