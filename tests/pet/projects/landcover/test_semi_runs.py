"""Trainings with unlabelled images, from data on a disk to a tested model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pet.projects import landcover
from pet.projects.landcover import config
from pet.segmentation import TASK
from petlib.config import CfgNode, keys_in_errors
from petlib.errors import ConfigError, DataError
from tests.integration.conftest import Run
from tests.integration.conftest import run as run

SIZE = 40


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write five labelled and four unlabelled images; the classes differ in colour."""
    rng = np.random.default_rng(0)
    root = tmp_path / "data"
    for kind, count in (("images", 5), ("annotations", 5), ("more", 4)):
        (root / kind).mkdir(parents=True)
        for number in range(count):
            labels = np.random.default_rng(number).integers(0, 3, (SIZE // 8, SIZE // 8)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
            pixels = np.stack([labels * 80, labels * 40, rng.integers(0, 60, labels.shape)], axis=-1).astype(np.uint8)
            Image.fromarray(labels if kind == "annotations" else pixels).save(root / kind / f"{number}.png")
    return root


def settings(data: Path) -> dict[str, Any]:
    entry = {"type": "semseg_folder", "path": "images", "annotations": "annotations"}
    return {
        "DATA.CLASSES": ["field", "forest", "lake"],
        "DATA.CATALOG": {"mine": entry},
        "MISC.DATA_ROOT": str(data),
        "MISC.CKPT": str(data.parent / "run"),
        "MISC.DEVICE": "cpu",
        "MISC.TENSORBOARD": False,
        "ANALYSER.ENABLED": False,
        "MODEL.NETWORK": "unet",
        "MODEL.NETWORK_ARGS": {"encoder": "timm/test_resnet"},
        "SOLVER.SCHEDULER.NAME": "constant",
        "SOLVER.SCHEDULER.TOTAL_ITERS": 3,
        "SOLVER.OPTIMIZER.BASE_LR": 0.01,
        "TRAIN.DATASETS": ["mine"],
        "TRAIN.BATCH_SIZE": 2,
        "TRAIN.NUM_WORKERS": 0,
        "TRAIN.RESIZE.SCALES": [32],
        "TRAIN.TRANSFORMS": ["RandomCrop", "RandomHorizontalFlip", "Normalize"],
        "TEST.DATASETS": ["mine"],
        "TEST.NUM_WORKERS": 0,
        "TEST.RESIZE.SCALES": [32],
        "TEST.TRANSFORMS": ["Normalize"],
        "SEMI.ENABLED": True,
        "SEMI.DATASETS": ["more"],
    }


def make_cfg(data: Path, **changes: Any) -> CfgNode:
    cfg = config.get_base_cfg()
    for name, value in (settings(data) | changes).items():
        cfg.set(name, value)
    config.infer_cfg(cfg)
    return cfg


def weights(folder: Path) -> dict[str, torch.Tensor]:
    checkpoint: dict[str, Any] = torch.load(folder / "model_latest.pth", weights_only=True)
    return checkpoint["model"]  # type: ignore[no-any-return]


def assert_same(ours: Mapping[str, torch.Tensor], theirs: Mapping[str, torch.Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    assert [name for name, tensor in theirs.items() if not torch.equal(ours[name], tensor)] == []


def test_a_continued_training_ends_with_the_very_same_weights(data: Path, tmp_path: Path) -> None:
    plain: dict[str, Any] = {"TEST.DATASETS": []}
    landcover.train(make_cfg(data, **plain, **{"SOLVER.SCHEDULER.TOTAL_ITERS": 6, "MISC.CKPT": str(tmp_path / "six")}))
    for iterations in (3, 6):
        landcover.train(make_cfg(data, **plain, **{"SOLVER.SCHEDULER.TOTAL_ITERS": iterations, "MISC.CKPT": str(tmp_path / "twice")}))
    six = weights(tmp_path / "six")
    assert_same(weights(tmp_path / "twice"), six)
    teachers = {name.removeprefix("teachers.0.") for name in six if name.startswith("teachers.0.")}
    assert teachers == {name.removeprefix("network.") for name in six if name.startswith("network.")}
    assert any(not torch.equal(six[f"teachers.0.{name}"], six[f"network.{name}"]) for name in teachers)


def test_a_trained_model_is_tested_and_exported(data: Path, tmp_path: Path) -> None:
    cfg = make_cfg(data, **{"SOLVER.SCHEDULER.TOTAL_ITERS": 1})
    landcover.train(cfg)
    metrics = landcover.test(cfg)
    assert 0.0 <= metrics["semseg/mIoU"] <= 1.0
    model = landcover.build_model(cfg)
    model.load_state_dict(weights(tmp_path / "run"))
    pytest.importorskip("onnxruntime")
    assert TASK.export(cfg, model, tmp_path / "model.onnx").path.exists()


def test_data_sets_may_come_from_a_program(data: Path, tmp_path: Path) -> None:
    class Unlabelled:
        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> dict[str, Any]:
            return {"image": np.full((SIZE, SIZE, 3), 7, np.uint8)}

    cfg = make_cfg(data, **{"SEMI.DATASETS": [], "SOLVER.SCHEDULER.TOTAL_ITERS": 1, "TEST.DATASETS": []})
    landcover.train(cfg, unlabelled_dataset=Unlabelled())
    assert (tmp_path / "run" / "model_latest.pth").exists()
    with pytest.raises(ConfigError, match="SEMI.ENABLED: False, but unlabelled data are given"):
        landcover.train(make_cfg(data, **{"SEMI.ENABLED": False}), unlabelled_dataset=Unlabelled())


def batches_of(cfg: CfgNode, start: int, stop: int) -> list[dict[str, Any]]:
    with keys_in_errors(cfg):
        return list(landcover.build_training_data(cfg, torch.device("cpu")).batches(start, stop))


def test_batches_follow_from_the_seed_and_the_iteration(data: Path) -> None:
    cfg = make_cfg(data)
    batches = batches_of(cfg, 0, 4)
    (later,) = batches_of(cfg, 3, 4)
    for field in ("image", "semseg", "unlabelled", "unlabelled_strong", "unlabelled_own", "unlabelled_outside"):
        assert torch.equal(batches[3][field], later[field]), field
    assert not torch.equal(batches[0]["unlabelled_own"], batches[1]["unlabelled_own"])
    assert later["unlabelled"].shape == later["unlabelled_strong"].shape == later["image"].shape == (2, 3, 32, 32)


def test_unlabelled_images_may_be_those_of_the_catalogue(data: Path) -> None:
    assert len(landcover.build_unlabelled(make_cfg(data, **{"SEMI.DATASETS": ["mine", "more"]}))) == 9


def test_what_a_share_of_unlabelled_images_picks_is_written_down(data: Path, tmp_path: Path) -> None:
    cfg = make_cfg(data, **{"SEMI.DATASETS": ["mine", "part"], "MISC.CKPT": str(tmp_path / "run")})
    cfg.set("DATA.CATALOG", {**cfg.DATA.CATALOG, "part": {**cfg.DATA.CATALOG["mine"], "share": [0.0, 0.5]}})
    count = len(landcover.build_unlabelled(cfg)) - len(landcover.build_unlabelled(make_cfg(data, **{"SEMI.DATASETS": ["mine"]})))
    assert not (tmp_path / "run" / "unlabelled_part_share.txt").exists(), "nothing is written before a training begins"
    batches_of(cfg, 0, 1)
    heading, *files = (tmp_path / "run" / "unlabelled_part_share.txt").read_text().splitlines()
    assert heading.startswith("# part: share [0, 0.5], seed 0:") and len(files) == count > 0
    assert [path.name for path in (tmp_path / "run").glob("*share*")] == ["unlabelled_part_share.txt"]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"SEMI.DATASETS": []}, ConfigError, "SEMI.DATASETS: nothing given, but SEMI.ENABLED is True"),
        ({"SEMI.DATASETS": ["moore"]}, ConfigError, "unknown data set 'moore'"),
        ({"SEMI.DATASETS": ["no/such"]}, DataError, "SEMI.DATASETS: .*no/such: there is no such folder"),
        ({"SEMI.TRANSFORMS": []}, ConfigError, "SEMI.TRANSFORMS: unlabelled images are 40x40 .*, labelled ones 32x32"),
        ({"TRAIN.BATCH_SIZE": 1}, ConfigError, "SEMI.CUTMIX.BOXES: 3 given, but a device has one image in a batch"),
    ],
)
def test_wrong_data_are_reported(data: Path, changes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        batches_of(make_cfg(data, **changes), 0, 1)


def test_a_batch_of_one_is_trained_without_cutmix(data: Path) -> None:
    (batch,) = batches_of(make_cfg(data, **{"TRAIN.BATCH_SIZE": 1, "SEMI.CUTMIX.BOXES": 0}), 0, 1)
    assert "unlabelled_own" not in batch
    assert batch["unlabelled_strong"].shape == (1, 3, 32, 32)


@pytest.mark.nightly
def test_two_processes_train_and_the_first_student_does_the_rest_by_the_command_lines(data: Path, tmp_path: Path, run: Run) -> None:
    given = settings(data) | {"SOLVER.SCHEDULER.TOTAL_ITERS": 2, "TRAIN.BATCH_SIZE": 4, "MISC.DISPLAY_ITER": 1}
    given["TRAIN.TRANSFORMS"] = [*given["TRAIN.TRANSFORMS"][:1], "PhotometricDistortion", "Normalize"]
    (tmp_path / "semi.yaml").write_text("{}")
    options = [f"{name}={value!r}" if isinstance(value, dict | list) else f"{name}={value}" for name, value in given.items()]
    typed = ["--cfg", tmp_path / "semi.yaml", "--type", "projects/landcover"]
    output = run("train_net_all.py", *typed, "--nproc", "2", *options, timeout=300).succeeded().output
    assert "2 processes on cpu" in output
    assert "loss_mutual_1" in output
    tested = run("test_net.py", *typed, *options, timeout=300).succeeded().output
    assert "[EVAL] #Images: 5 mIoU:" in tested
    pytest.importorskip("onnxruntime")
    assert "onnxruntime and PyTorch differ by at most" in run("export_net.py", *typed, *options, "EXPORT.SIZE=[32, 32]").succeeded().output
    predict = ["inference.py", *typed, "--images", data / "images", "--window", "32", *options]
    run(*predict, "--out", "by_network").succeeded()
    run(*predict, "--out", "by_file", "--weights", tmp_path / "run" / "model.onnx").succeeded()
    for number in range(5):
        one, other = (np.asarray(Image.open(tmp_path / folder / f"{number}.png")) for folder in ("by_network", "by_file"))
        assert one.shape == (SIZE, SIZE)
        assert (one == other).mean() > 0.99
