"""The best and the worst pairs of a test of faces: which they are, and that both images are drawn."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from pet.data.datasets.verification import Pairs, VerificationImages
from pet.data.targets.dataset import DatasetInfo
from pet.evaluation.evaluation import Evaluation, SeveralEvaluations
from pet.evaluation.pair_samples import PairGallery
from pet.visual.settings import DrawSettings

# by the angle of an embedding, degrees: the image itself is as bright
ANGLES = [0, 5, 80, 100, 175, 90]


class Heads(VerificationImages):
    """Images of two persons: 0, 1 and 2 of one, 3, 4 and 5 of the other."""

    info = DatasetInfo(kinds=frozenset())
    pairs = Pairs(np.array([[0, 1], [0, 2], [3, 4], [2, 3], [0, 4], [3, 5]]), np.array([True, True, True, False, False, True]))

    def __len__(self) -> int:
        return len(ANGLES)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"image": np.full((30, 20, 3), ANGLES[index], np.uint8), "meta": {"file": f"f/{index}.png", "index": index}}


def embeddings(places: list[int]) -> list[dict[str, torch.Tensor]]:
    angles = np.deg2rad([ANGLES[place] for place in places])
    return [{"embedding": 3 * torch.tensor([np.cos(angle), np.sin(angle)])} for angle in angles]


def write(folder: Path, most: int = 2, dataset: VerificationImages | None = None) -> list[dict[str, Any]]:
    gallery = PairGallery(dataset=dataset or Heads(), kinds=(), drawing=DrawSettings(), most=most, judges=True)
    for places in ([0, 1, 2, 3], [4, 5]):
        gallery.update({"meta": [{"index": place} for place in places]}, embeddings(places))
    assert gallery.compute() == {}
    gallery.write(folder)
    found: list[dict[str, Any]] = json.loads((folder / "samples.json").read_text())
    return found


def test_the_pairs_farthest_on_the_wrong_side_come_first(tmp_path: Path) -> None:
    records = write(tmp_path)
    named = [(one["sort"], one["name"], one["remark"].split(": ")[0]) for one in records]
    # the one pair of one person that is 80 degrees apart, and the two persons who are 20 degrees apart
    assert {name for sort, name, _ in named if sort == "worst"} == {"f/0.png and f/2.png", "f/2.png and f/3.png"}
    assert named[-2:] == [("best", "f/0.png and f/4.png", "two persons"), ("best", "f/0.png and f/1.png", "one person")]
    distance = 2 - 2 * np.cos(np.deg2rad(20))
    (near,) = [one for one in records if one["name"] == "f/2.png and f/3.png"]
    assert f"squared distance {distance:.2f}, the limit is" in near["remark"]
    pixels = [cv2.imread(str(tmp_path / picture["file"])).mean() for picture in near["pictures"]]
    assert pixels == pytest.approx([80, 100], abs=2)
    assert [picture["title"] for picture in near["pictures"]] == ["f/2.png", "f/3.png"]


def test_a_mistake_is_called_one(tmp_path: Path) -> None:
    remarks = [one["remark"] for one in write(tmp_path)]
    assert any("one person, taken for two persons: " in remark or "two persons, taken for one person: " in remark for remark in remarks)


def test_few_pairs_are_no_best_and_worst_at_once(tmp_path: Path) -> None:
    assert len({one["name"] for one in write(tmp_path, most=4)}) == 6


def test_a_pair_that_is_listed_twice_is_shown_once(tmp_path: Path) -> None:
    class Twice(Heads):
        pairs = Pairs(np.concatenate([Heads.pairs.places, Heads.pairs.places[:, ::-1]]), np.tile(Heads.pairs.same, 2))

    names = [frozenset(one["name"].split(" and ")) for one in write(tmp_path, dataset=Twice())]
    assert len(names) == len(set(names)) == 4


def test_a_failure_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Heads):
        def __getitem__(self, index: int) -> dict[str, Any]:
            raise OSError("the disk is gone")

    with pytest.raises(FileNotFoundError):
        write(tmp_path, dataset=Broken())
    assert "the pairs of this evaluation are not drawn: OSError: the disk is gone" in caplog.text


def test_several_lists_of_pairs_keep_their_pictures(tmp_path: Path) -> None:
    class Network(torch.nn.Module):
        def forward(self, batch: dict[str, Any]) -> list[dict[str, torch.Tensor]]:
            return embeddings([meta["index"] for meta in batch["meta"]])

    batches = [{"image": torch.zeros(6, 3, 30, 20), "meta": [{"index": place} for place in range(6)]}]

    def build(judges: bool) -> PairGallery:
        return PairGallery(dataset=Heads(), kinds=(), drawing=DrawSettings(), most=1, judges=judges)

    latest = tmp_path / "latest"
    several = [Evaluation(loader=batches, build_evaluators=lambda _: [], build_gallery=build, latest=latest) for _ in range(2)]
    for count in (2, 1, 2):
        evaluations = SeveralEvaluations(several[:count])
        evaluations.test(Network(), tmp_path / "test")
        assert len(list((tmp_path / "test").rglob("samples.json"))) == count
        evaluations(Network())
        assert len(list(latest.rglob("samples.json"))) == count
    SeveralEvaluations(several, folders=["", "b"], in_training=1)(Network())
    assert [path.parent for path in latest.rglob("samples.json")] == [latest]
