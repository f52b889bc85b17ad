"""The scripts in tools/benchmark run and end with one JSON object. How fast anything is depends on the machine and is not tested."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import ROOT, Done, environment
from tests.integration.warm_python import warm_python

FOLDER = ROOT / "tools" / "benchmark"
SMALLEST = {
    "checkpoint.py": ["--repeats", "1"],
    "class_centres.py": ["--identities", "50", "--steps", "1", "--repeats", "1"],
    "coco_eval.py": ["--images", "2", "--repeats", "1"],
    "data_pipeline.py": ["--images", "2", "--repeats", "1"],
    "export.py": ["--backbone", "timm/test_resnet", "--size", "64", "--repeats", "1"],
    "guards.py": ["--iterations", "200", "--repeats", "1"],
    "imports.py": ["--repeats", "1"],
    "instance_crops.py": ["--crops", "40", "--repeats", "1"],
    "launch.py": ["--ranks", "1", "--repeats", "1", "--warm_up", "0"],
    "list_file.py": ["--lines", "50", "--repeats", "1"],
    "loop_overhead.py": ["--iterations", "102", "--repeats", "1", "--peers"],
    "scale.py": ["--samples", "100000000", "--repeats", "1"],
    "segmentation_evaluation.py": ["--size", "64", "--repeats", "1"],
    "sliding_window.py": ["--sizes", "64", "--window", "32", "--repeats", "1"],
    "training_step.py": ["classification", "--dry"],
    "video_pipeline.py": ["--frames", "70", "--repeats", "1"],
}
SLOW = {"checkpoint.py", "class_centres.py", "imports.py", "launch.py"}
"""Half a minute and more, however small."""
NUMBERS = {
    "checkpoint.py": {"plain_ms", "pet_ms", "ratio", "pet_written_ms", "megabytes", "iteration_ms", "iteration_while_writing_ms"},
    "class_centres.py": {"dense_seconds", "sampled_seconds", "sampled_seconds_ratio", "sampled_megabytes_ratio"},
    "coco_eval.py": {"ours_s", "pycocotools_s", "ratio"},
    "data_pipeline.py": {"ours", "torchvision_v2", "pil"},
    "export.py": {"pytorch_ms", "onnxruntime_ms", "ratio", "megabytes"},
    "guards.py": {"guards_us", "share_of_5_ms"},
    "imports.py": {"torch", "torch_torchvision_timm", "training_run", "help", "config_error"},
    "instance_crops.py": {"pet", "pet_crops", "plain", "ratio"},
    "launch.py": {"pet_s", "torchrun_s", "ratio"},
    "list_file.py": {f"pet: {name}" for name in ("seconds", "MB at most", "MB held", "MB of a worker")},
    "loop_overhead.py": {"bare_us", "overhead_us"},
    "scale.py": {"shards", "seconds to the first keys", "MB held", "MB at most", "microseconds a key"},
    "segmentation_evaluation.py": {"forward_ms", "argmax_ms", "update_ms", "ratio"},
    "sliding_window.py": {"loaded_mb", "peak_mb", "beyond_mb", "seconds"},
    "training_step.py": {"classification: Pet", "classification: bare step", "classification: Pet's rate / bare"},
    "video_pipeline.py": {f"{pattern}_{way}_fps" for pattern in ("sparse", "dense") for way in ("bare", "read", "pet", "seek")},
}


def execute(name: str, folder: Path, *options: str) -> Done:
    variables = {**environment(), "TMPDIR": str(folder)}
    return Done(*warm_python().run([FOLDER / name, *options], folder=folder, environment=variables, timeout=120))


def test_every_script_is_tested() -> None:
    scripts = {path.name for path in FOLDER.glob("*.py") if 'if __name__ == "__main__"' in path.read_text(encoding="utf-8")}
    # a soak takes minutes: tests/faults/test_long_run.py; eight workers a while: below
    assert scripts - {"soak.py", "shards.py"} == set(SMALLEST) == set(NUMBERS)


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.nightly if name in SLOW else ()) for name in sorted(SMALLEST)])
def test_the_last_line_is_one_json_object(name: str, tmp_path: Path) -> None:
    done = execute(name, tmp_path, *SMALLEST[name])
    figures: dict[str, Any] = json.loads(done.succeeded().output.splitlines()[-1])
    assert figures.keys() >= NUMBERS[name]
    assert all(isinstance(figures[field], int | float) for field in NUMBERS[name])
    if name == "loop_overhead.py":
        assert set(figures["peers"]) <= {"lightning", "mmengine", "accelerate"}
    # the folder of torch.compile's cache and the file .ses are made by torch and onnxruntime when they are imported
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(("torchinductor_", ".ses"))], (
        "a benchmark leaves nothing behind"
    )


@pytest.mark.nightly
def test_shards_are_read_in_the_same_order_and_fetched_once(tmp_path: Path) -> None:
    pytest.importorskip("moto.server")
    done = execute("shards.py", tmp_path, "--samples", "400", "--edge", "64")
    figures = json.loads(done.succeeded().output.splitlines()[-1])
    assert figures["start"]["bytes of shards read before"] == 0
    assert figures["order"] == {"2 workers": True, "8 workers": True, "2 ranks": True}
    assert figures["epoch"]["bytes fetched / bytes of the data"] <= 1.05


def test_the_detection_pipelines_run(tmp_path: Path) -> None:
    done = execute("data_pipeline.py", tmp_path, "--task", "detection", "--images", "2", "--repeats", "1")
    figures = json.loads(done.succeeded().output.splitlines()[-1])
    assert figures.keys() >= {"ours", "torchvision", "torchvision_tensors", "ratio"}
    assert "800x1066" in done.output


def test_the_pipelines_of_two_views_run(tmp_path: Path) -> None:
    done = execute("data_pipeline.py", tmp_path, "--task", "views", "--images", "2", "--repeats", "1")
    assert json.loads(done.succeeded().output.splitlines()[-1]).keys() == {"ours", "torchvision_v2", "pil"}
    assert "to two views of 224x224" in done.output


@pytest.mark.parametrize("name", sorted(SMALLEST))
def test_nothing_measured_is_refused(name: str, tmp_path: Path) -> None:
    done = execute(name, tmp_path, "--repeats", "0")
    assert done.code == 2
    assert "argument --repeats: 0 given, at least 1 expected" in done.output


def test_a_loop_too_short_to_time_is_refused(tmp_path: Path) -> None:
    done = execute("loop_overhead.py", tmp_path, "--iterations", "50")
    assert done.code == 2
    assert "--iterations: at least 102 expected" in done.output


def test_the_pipelines_of_decoded_images_run(tmp_path: Path) -> None:
    done = execute("data_pipeline.py", tmp_path, "--task", "cache", "--images", "2", "--repeats", "1")
    assert json.loads(done.succeeded().output.splitlines()[-1]).keys() == {"ours", "ours_disk", "ours_no_cache", "torchvision_v2"}
