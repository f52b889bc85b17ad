"""The second format, half precision, and the comparison of detections."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pet.exporting import ExportReport, ProgramModel, export_model
from pet.exporting.matching import DetectionDifference, DotsDifference, keypoint_difference
from pet.exporting.rewriting import HalfPrecision, with_half
from petlib.errors import CheckpointError, ConfigError


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.last = nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.last(self.body(images).mean(dim=(2, 3)))
        return logits


class Complex(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        values: Tensor = torch.linalg.eigvals(images[..., :8, :8]).real
        return values


class Branch(nn.Module):
    def forward(self, maps: Tensor) -> Tensor:
        return maps if bool(maps.sum() > 0) else -maps


@pytest.fixture
def example() -> Tensor:
    return torch.rand(1, 3, 24, 32, generator=torch.Generator().manual_seed(1))


def test_a_program_is_loaded_again_and_gives_the_same(tmp_path: Path, example: Tensor) -> None:
    torch.manual_seed(0)
    model = Small().eval()
    path = tmp_path / "a" / "net.pt2"
    report = export_model(
        model, {"images": example}, path, output_names=["logits"], dynamic=True, tolerance=1e-5, metadata={"classes": '["a", "b"]'}
    )
    assert report.opset == 0
    assert report.inputs == {"images": ("batch", 3, "height", "width")}
    assert [entry.name for entry in path.parent.iterdir()] == ["net.pt2"]
    loaded = ProgramModel(path)
    assert (loaded.outputs, loaded.metadata) == (["logits"], {"classes": '["a", "b"]'})
    images = torch.rand(3, 3, 17, 40)
    np.testing.assert_allclose(loaded({"images": images.numpy()})[0], model(images).detach().numpy(), atol=1e-6)
    with pytest.raises(ConfigError, match=r"net\.pt2: it does not take \{'images': \(1, 4, 24, 32\)\}, .*; export with another"):
        loaded({"images": np.zeros((1, 4, 24, 32), np.float32)})
    with pytest.raises(ConfigError, match=r"inputs \['image'\] given, \['images'\] expected"):
        loaded({"image": images.numpy()})


def test_files_that_are_no_programs(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"gone\.pt2: there is no such \.pt2 file"):
        ProgramModel(tmp_path / "gone.pt2")
    (tmp_path / "damaged.pt2").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"damaged\.pt2: not a \.pt2 file of Pet: .*; export it again"):
        ProgramModel(tmp_path / "damaged.pt2")


@pytest.mark.parametrize("suffix", ["onnx", "pt2"])
def test_half_precision_takes_half_the_bytes_and_gives_nearly_the_same(tmp_path: Path, example: Tensor, suffix: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(Small(), nn.Linear(2, 40000)).eval()

    def write(network: nn.Module, name: str, tolerance: float) -> ExportReport:
        path = tmp_path / f"{name}.{suffix}"
        inputs = {"images": example}
        return export_model(network, inputs, path, output_names=["out"], dynamic=False, tolerance=tolerance, reference=model)

    large, small = write(model, "full", 1e-4), write(with_half(model, ["0", "1"]), "half", 2e-2)
    assert large.largest_difference < 1e-6 < small.largest_difference < 1e-2
    assert large.size - small.size > 200_000, "120,000 numbers take two bytes less each"
    with pytest.raises(ConfigError, match="differ by .* at most 1e-07 accepted; nothing was written"):
        write(with_half(model, ["0"]), "strict", 1e-7)
    assert not (tmp_path / f"strict.{suffix}").exists()
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters()), "the network itself stays as it is"


def test_half_precision_reaches_all_tensors_of_arguments_and_results() -> None:
    class Lists(nn.Module):
        def forward(self, maps: list[Tensor], count: Tensor) -> dict[str, Tensor]:
            assert maps[0].dtype == torch.float16
            return {"sum": maps[0] + maps[1], "count": count + 1}

    result = HalfPrecision(Lists())([torch.ones(2), torch.ones(2)], torch.tensor(3))
    assert result["sum"].dtype == torch.float32
    assert (result["sum"].tolist(), result["count"].tolist(), result["count"].dtype) == ([2.0, 2.0], 4, torch.int64)


def test_the_module_that_cannot_be_exported_is_named(tmp_path: Path, example: Tensor) -> None:
    branching = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Sequential(nn.ReLU(), Branch()))
    for name, goal in (("net.onnx", "ONNX"), ("net.pt2", "torch.export")):
        with pytest.raises(
            ConfigError, match=rf"Sequential cannot be exported to {goal} \(in its module 1\.1, Branch\): .*nothing was written"
        ):
            export_model(branching, {"images": example}, tmp_path / name, output_names=["out"], dynamic=False, tolerance=1e-4)
    with pytest.raises(ConfigError, match=r"cannot be exported to ONNX \(in its module 0, Complex\): .*eig"):
        export_model(
            nn.Sequential(Complex()), {"images": example}, tmp_path / "net.onnx", output_names=["out"], dynamic=False, tolerance=1e-4
        )
    assert not list(tmp_path.iterdir())


def detections(*rows: tuple[float, float, int]) -> list[np.ndarray]:
    """Return boxes of 10 pixels at (x, 0), scores and labels from rows of x, score and label."""
    boxes = np.array([[x, 0, x + 10, 100] for x, _, _ in rows], np.float32).reshape(-1, 4)
    return [boxes, np.array([score for _, score, _ in rows], np.float32), np.array([label for *_, label in rows], np.int64)]


def test_detections_are_the_same_in_any_order() -> None:
    measure = DetectionDifference(score=0.3, per_object=3)
    expected = detections((0, 0.9, 1), (50, 0.8, 1), (0, 0.8, 2), (70, 0.1, 1))
    assert measure(detections((0, 0.8, 2), (50, 0.8, 1), (0, 0.9, 1)), expected) == pytest.approx(0.0), "the last one is below the score"
    assert measure.compared == 6
    assert measure(detections((0, 0.9, 1), (51, 0.8, 1), (0, 0.75, 2)), expected) == pytest.approx(0.05)
    assert measure(detections((0, 0.9, 1), (55, 0.8, 1), (0, 0.8, 2)), expected) == pytest.approx(0.05), "5 of 100 pixels"


@pytest.mark.parametrize(
    ("found", "at_least"),
    [
        (detections((0, 0.9, 1)), 0.5),
        (detections((0, 0.9, 1), (50, 0.8, 2)), np.inf),
        (detections((0, 0.9, 1), (50, 0.8, 1), (80, 0.9, 3)), np.inf),
        (detections(), np.inf),
        (detections((0, 0.9, 1), (50, float("nan"), 1)), np.nan),
    ],
    ids=["one lacks", "other label", "one too many", "nothing", "no number"],
)
def test_detections_that_differ(found: list[np.ndarray], at_least: float) -> None:
    difference = DetectionDifference(score=0.3, per_object=3)(found, detections((0, 0.9, 1), (50, 0.8, 1)))
    assert np.isnan(difference) if np.isnan(at_least) else difference >= at_least


def test_counts_may_differ_by_dots_whose_score_lies_at_the_threshold() -> None:
    measure = DotsDifference(threshold=0.5, place=1)
    scores = np.array([[0.5 - 1e-7, 0.7, 0.2, 0.50001], [0.9, 0.8, 0.6, 0.1]], np.float32)

    def difference(counts: list[float], moved: float = 0.0, logits: float = 1.0) -> float:
        outputs = [np.full((2, 3), 1.0), np.array([2.0, 3.0]), np.zeros((2, 4, 2)), scores]
        found = [np.full((2, 3), logits), np.array(counts), np.full((2, 4, 2), moved), scores]
        return measure(found, outputs)

    assert difference([2, 3]) == 0
    assert difference([3, 3]) == pytest.approx(1e-7, rel=0.5)
    assert difference([4, 3]) == pytest.approx(1e-5, rel=0.1), "two scores have to move"
    assert difference([2, 4]) == pytest.approx(0.1)
    assert difference([2, 3], moved=0.3) == pytest.approx(0.3)
    assert difference([2, 3], logits=1.5) == pytest.approx(0.5)
    assert all(difference([wrong, 3]) == np.inf for wrong in (7, np.nan, 2.5, -5))


def test_a_dot_at_the_border_may_lie_inside_or_outside() -> None:
    measure = DotsDifference(threshold=0.5, place=0)
    places, scores = np.full((1, 2000, 2), 7.0), np.full((1, 2000), 0.9)
    expected = [np.array([2000.0]), places, scores]
    for outside, difference in ((1, 0.0), (2, 0.0), (3, 0.9)):
        found = scores.copy()
        found[:, :outside] = 0
        assert measure([np.array([2000.0 - outside]), places, found], expected) == pytest.approx(difference)
    assert measure([np.array([1999.0]), places, scores], expected) == pytest.approx(0.4), "no dot is outside"
    assert measure([np.array([2000.0]), places[:, 1:], scores[:, 1:]], expected) == np.inf


def test_low_scores_are_compared_where_there_are_no_others_and_empty_lists_are_equal() -> None:
    measure = DetectionDifference(score=0.3, per_object=3)
    assert measure(detections((0, 0.2, 1)), detections((0, 0.1, 1))) == pytest.approx(0.1)
    assert DetectionDifference(score=0.3, per_object=3)(detections(), detections()) == 0.0


def test_each_detection_has_a_partner_of_its_own() -> None:
    pair = detections((0, 0.9, 1), (0, 0.9, 1))
    assert DetectionDifference(score=0.3, per_object=3)(detections((0, 0.9, 1)), pair) == np.inf


def test_a_keypoint_may_be_at_another_place_of_the_same_height() -> None:
    expected = np.zeros((2, 10, 3))
    expected[..., :2], expected[..., 2] = 50.0, 4.0
    found = expected.copy()
    found[0, 0] = (80, 20, 4.001)
    assert keypoint_difference(found, expected) < 1e-3
    found[0, 1] = (80, 20, 5.0)
    assert keypoint_difference(found, expected) == pytest.approx(0.25)
    found = expected + np.array([5.0, 0.0, 0.0])
    assert keypoint_difference(found, expected) == pytest.approx(0.1), "all of them moved"
