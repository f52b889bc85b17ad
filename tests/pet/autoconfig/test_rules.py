"""The rules that turn what the data are into numbers."""

from pathlib import Path

import numpy as np
import pytest

from pet.autoconfig import pretrained, time_budget
from pet.autoconfig.drawn_sets import DRAWN_SETS, drawn_recipe
from pet.autoconfig.facts import DataFacts, look_at
from pet.autoconfig.recipes import Task, change, classification, detection, segmentation
from pet.autoconfig.settings import Machine, batch_size, image_edge, scaled_rate, set_length, training_length
from pet.data.loading.open_entry import open_entry
from petlib.errors import ConfigError
from tests.pet.autoconfig.folders import coco


def facts(*, count: int = 1000, size: tuple[int, int] = (480, 640), objects: tuple[float, ...] = ()) -> DataFacts:
    return DataFacts(frozenset({"boxes"}), ["a"], count, size, np.array(objects), 0.0, 0, [])


@pytest.mark.parametrize(("size", "edge"), [((480, 640), 224), ((100, 90), 96), ((8, 8), 64), ((2000, 225), 224)])
def test_the_edge_of_images_is_a_multiple_of_32_within_bounds(size: tuple[int, int], edge: int) -> None:
    assert image_edge(facts(size=size), 224) == edge


@pytest.mark.parametrize(
    ("count", "gpus", "batch"), [(1000, 0, 32), (40, 0, 8), (16, 0, 4), (3, 0, 2), (1000, 2, 64), (40, 2, 8), (2, 4, 4), (10_000, 8, 256)]
)
def test_a_batch_divides_among_devices_and_leaves_four_to_an_epoch(count: int, gpus: int, batch: int) -> None:
    assert batch_size(facts(count=count), Machine(gpus), 32) == batch


@pytest.mark.parametrize(
    ("gpus", "precision", "parts"), [(0, None, None), (1, {"ENABLED": "auto"}, "auto"), (2, {"ENABLED": "auto"}, None)]
)
def test_a_gpu_gets_mixed_precision_and_one_alone_parts_that_fit(gpus: int, precision: object, parts: object) -> None:
    task = Task("own", "data", {"train": {}, "val": {}}, facts(objects=(0.1, 0.2)), Machine(gpus, 8))
    settings = detection(task).settings
    assert (settings["SOLVER"].get("AMP"), settings["TRAIN"].get("MICRO_BATCH")) == (precision, parts)


@pytest.mark.parametrize("gpus", [0, 1, 2])
def test_a_gpu_compiles_where_images_are_of_one_size(gpus: int) -> None:
    machine, entries = Machine(gpus, 8), {"train": {}, "val": {}}
    small = facts(objects=(0.1, 0.2))
    model = {classification: "torchvision/resnet18", segmentation: "torchvision/resnet18", detection: "torchvision/resnet18"}
    found = {
        recipe.__name__: recipe(Task("own", "data", entries, small, machine, model=model.get(recipe, ""))).settings["MISC"].get("COMPILE")
        for recipe in (classification, segmentation, change, detection)
    }
    value = "auto" if gpus else None
    assert found == {"classification": value, "segmentation": value, "change": value, "detection": None}


@pytest.mark.parametrize(("count", "epochs"), [(1000, 32), (64, 100), (10_000, 10)])
def test_the_length_is_about_so_many_iterations(count: int, epochs: int) -> None:
    assert training_length(facts(count=count), 32, 1000) == epochs


def test_the_rate_goes_by_the_square_root_of_the_batch() -> None:
    assert scaled_rate(1e-3, 8, 32) == 5e-4
    assert scaled_rate(1e-3, 32, 8) == 2e-3


def test_workers_are_a_few_of_the_cores() -> None:
    assert [Machine(gpus, cores).loader_workers for gpus, cores in ((0, 1), (0, 2), (0, 64), (4, 32), (1, 8))] == [0, 1, 8, 4, 4]


def test_a_length_replaces_another_one() -> None:
    settings = {"SOLVER": {"SCHEDULER": {"TOTAL_EPOCHS": 5, "WARM_UP_EPOCHS": 1}, "SNAPSHOT_EPOCH": 2}, "EVAL": {"PERIOD_EPOCH": 1}}
    set_length(settings, iterations=1000)
    assert settings["SOLVER"] == {"SCHEDULER": {"TOTAL_ITERS": 1000, "WARM_UP_ITERS": 50}, "SNAPSHOT_ITER": 200}
    assert settings["EVAL"] == {"PERIOD_ITER": 200}


def test_anchors_have_the_sizes_of_objects() -> None:
    objects = tuple(np.linspace(0.05, 0.5, 101))
    task = Task("a", "/data", {"train": {}, "val": {}}, facts(objects=objects), Machine(0), model="torchvision/resnet18")
    sizes = detection(task).settings["MODEL"]["BOX"]["ANCHOR_SIZES"]
    # quantiles of 0.05 to 0.5 of an edge of 320 pixels
    assert sizes == [[30], [59], [88], [117], [146]]
    same = task._replace(facts=facts(objects=(0.01,) * 9))
    assert detection(same).settings["MODEL"]["BOX"]["ANCHOR_SIZES"] == [[8], [10], [12], [15], [19]]


def test_an_outline_that_is_a_box_is_none(tmp_path: Path) -> None:
    coco(tmp_path, 10)
    entry = {"type": "coco", "path": "images", "annotations": "annotations.json"}
    # the outlines run through the middles of pixels and are smaller than the boxes
    assert look_at(open_entry(entry, tmp_path)[0]).outlines == 1.0
    text = (tmp_path / "annotations.json").read_text()
    rectangle = '"segmentation": [[10, 10, 30, 10, 30, 30, 10, 30]], "bbox": [10, 10, 20, 20], "was": '
    (tmp_path / "annotations.json").write_text(text.replace('"segmentation": ', rectangle))
    found = look_at(open_entry(entry, tmp_path)[0])
    assert found.outlines == 0.0
    np.testing.assert_allclose(found.object_sizes, 20 / 64)
    assert (found.size, found.num_images, list(found.classes)) == ((64, 64), 10, ["disc", "square"])


@pytest.mark.parametrize("name", DRAWN_SETS)
def test_each_drawn_set_has_a_config(name: str) -> None:
    recipe = drawn_recipe(name)
    assert recipe.settings["TRAIN"]["DATASETS"][0].startswith(name)
    assert DRAWN_SETS[name].startswith(f"{recipe.type_folder}/")


def test_iterations_fill_the_time_that_start_and_evaluations_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 120.0, 100.0, 120.0])
    monkeypatch.setattr(time_budget.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(time_budget, "_measure", lambda folder, settings, type_folder, options: time_budget.Speed(0.5, 2.0))
    # 20 s of measuring, of which 6 s are 12 iterations and 14 s start, end and one evaluation; four more follow: 0.95 x 600 - 20 - 14 - 8 s
    count, text = time_budget.iterations_within(600, {}, "vision", ())
    assert (count, text) == (1056, "1056 iterations of 0.5 s fit into 600 s")
    with pytest.raises(ConfigError, match=r"--time: 50 s given; measuring, start and evaluations take 42 s and an iteration 0.5 s"):
        time_budget.iterations_within(50, {}, "vision", ())


def test_the_time_of_an_evaluation_is_that_between_two_lines() -> None:
    lines = [(1.0, "|-[a.yaml]-[iter: 11/12]-[lr: 0.1]"), (2.0, "|-[a.yaml]-[iter: 12/12]-[lr: 0.1]"), (2.1, "   |-[memory: 1M]")]
    evaluation = (5.0, "|-[a.yaml]-[iter: 12]-[evaluation]-[test_acc1: 0.5]")
    assert time_budget.seconds_of_evaluation([*lines, evaluation, (9.0, "best")]) == 3.0
    assert time_budget.seconds_of_evaluation(lines) == 0.0


def test_weights_come_from_the_store_or_the_network_or_are_random(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PET_MODELS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "timm" / "resnet18.a1_in1k").mkdir(parents=True)
    (tmp_path / "timm" / "resnet18.a1_in1k" / "model.safetensors").touch()
    assert pretrained.choose_weights("timm/resnet18")[:2] == ("timm", "weights of timm (apache-2.0), on this machine")
    assert pretrained.choose_weights("timm/resnet152")[0] == ""
    assert "HF_HUB_OFFLINE is set" in pretrained.choose_weights("timm/resnet152")[1]
    assert pretrained.choose_weights("torchvision/resnet18")[:2] == ("", "random weights; TRAIN.WEIGHTS names a file with others")
    assert pretrained.choose_weights("timm/resnet200")[:2] == ("", "random weights: timm publishes none")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    weights, reason, _ = pretrained.choose_weights("timm/resnet152")
    assert weights == ""
    assert "weights of timm cannot be had ([Errno 111] Connection refused)" in reason
