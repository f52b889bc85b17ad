"""Whole runs on the digits: baseline, figures, resume, hand-over and warnings."""

import json
import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pet.data.files.images import read_image
from pet.data.transforms.build import build_transforms
from pet.prediction import find_inputs, predict_files
from pet.tasks import contrast
from pet.visual import build_draw_settings
from petlib import distributed, engine, solver
from petlib.config import CfgNode, load_cfg
from petlib.engine.hook import Hook
from petlib.errors import ConfigError, DataError
from tests.integration.conftest import ROOT

DIGITS = ROOT / "cfgs" / "tasks" / "contrast" / "digits" / "simclr_resnet20.yaml"
SMALL = [
    *("MODEL.BACKBONE=timm/test_resnet", "TRAIN.BATCH_SIZE=32", "SOLVER.SCHEDULER.TOTAL_EPOCHS=0", "SOLVER.SCHEDULER.TOTAL_ITERS=6"),
    *("MISC.TENSORBOARD=False", "MISC.DISPLAY_ITER=1", "EVAL.PERIOD_EPOCH=0", "ANALYSER.ENABLED=False", "SOLVER.SNAPSHOT_ITER=2"),
    *("DATA.CATALOG={some: {type: digits, split: train, share: [0.0, 0.1]}, few: {type: digits, split: test, share: [0.0, 0.2]}}",),
    *("TRAIN.DATASETS=[some]", "TEST.DATASETS=[few]", "CONTRAST.PROJECTOR.HIDDEN=32", "CONTRAST.PROJECTOR.DIM=16", "DATA.CHECK_SAMPLES=4"),
]
LOCAL_VIEWS = (
    "TRAIN.TRANSFORMS=[{name: Views, first: [{name: RandomResizedCrop, size: 16, scale: [0.4, 1.0]}], local_count: 3, "
    "local: [{name: RandomResizedCrop, size: 8, scale: [0.1, 0.4]}]}, {name: Normalize, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}]"
)
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
METHODS = {
    "simclr": [],
    "moco": ["CONTRAST.METHOD=moco", "CONTRAST.QUEUE=80", "CONTRAST.MOMENTUM=[0.9,1.0]", "CONTRAST.BATCH_NORM_GROUPS=4"],
    "dino": [
        *("CONTRAST.METHOD=dino", "CONTRAST.DINO.PROTOTYPES=24", "CONTRAST.DINO.WARM_UP_EPOCHS=1", "CONTRAST.TEMPERATURE=0.1"),
        *("CONTRAST.WEIGHT_DECAY_END=0.1", LOCAL_VIEWS),
    ],
}


class StopHook(Hook):
    order, key = 80, "stop"

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def after_step(self, state: engine.TrainState) -> None:
        if state.iteration == self.iteration:
            state.stop_reason = "the test has seen enough"


def load(folder: Path, *overrides: str) -> CfgNode:
    return load_cfg(contrast.config, DIGITS, [*SMALL, f"MISC.CKPT={folder}", *overrides])


def train(cfg: CfgNode, *, stop_at: int = 0) -> engine.TrainState:
    task = contrast.TASK
    with engine.open_run(cfg) as device:
        model: Any = task.build_model(cfg)
        contrast.load_backbone(model, cfg)
        model = engine.prepare_model(model, cfg, device)
        optimizer = solver.build_optimizer(distributed.unwrap(model), cfg)
        loader = task.build_training_data(cfg, device)
        evaluation = task.build_evaluation(cfg, device) if cfg.TEST.DATASETS else None
        step = contrast.build_step(cfg, device)
        state = engine.build_state(cfg, model=model, optimizer=optimizer, step=step, iterations_per_epoch=loader.iterations_per_epoch)
        hooks = engine.build_train_hooks(cfg, state, batches=loader.batches, evaluate=evaluation)
        hooks += contrast.build_hooks(cfg, state, evaluation)
        if stop_at:
            hooks.append(StopHook(stop_at))
        engine.resume(state, hooks, cfg)
        engine.train(state, loader, step, hooks)
        return state


@pytest.mark.parametrize("method", METHODS)
def test_a_run_continues_exactly(tmp_path: Path, method: str) -> None:
    """Weights, teacher, queue and centre are equal bit for bit, and so is the baseline that is compared with."""
    whole = train(load(tmp_path / "whole", *METHODS[method]))
    train(load(tmp_path / "parts", *METHODS[method]), stop_at=3)
    parts = train(load(tmp_path / "parts", *METHODS[method]))
    assert parts.iteration == whole.iteration == 6
    expected = whole.network.state_dict()
    for name, value in parts.network.state_dict().items():
        assert torch.equal(value, expected[name]), name
    lines = {name: figures(tmp_path / name) for name in ("whole", "parts")}
    assert [line["iteration"] for line in lines["whole"] if "knn/acc20" in line] == [0, 6]
    assert lines["whole"][-1] == lines["parts"][-1]
    handed = load_file(tmp_path / "parts" / "backbone.safetensors")
    backbone = "teacher.backbone." if method == "dino" else "backbone."
    assert all(torch.equal(value, expected[f"{backbone}{name}"]) for name, value in handed.items())


class KilledError(Exception):
    """What ends a run in the middle of an iteration."""


class KillHook(StopHook):
    def before_step(self, state: engine.TrainState) -> None:
        if state.iteration == self.iteration:
            raise KilledError

    def after_step(self, state: engine.TrainState) -> None:
        pass


def test_every_checkpoint_has_its_backbone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is killed after iteration 5 has saved iteration 4, and the backbone of it."""
    monkeypatch.setitem(globals(), "StopHook", KillHook)
    with pytest.raises(KilledError):
        train(load(tmp_path), stop_at=5)
    saved = torch.load(tmp_path / "model_latest.pth", weights_only=True)
    assert saved["iteration"] == 4
    handed = load_file(tmp_path / "backbone.safetensors")
    assert handed
    assert all(torch.equal(value, saved["model"][f"backbone.{name}"]) for name, value in handed.items())


def figures(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [
        {name: value for name, value in line.items() if "time" not in name and name not in ("eta_seconds", "memory_mb")} for line in lines
    ]


def test_lines_have_the_measures_of_collapse_and_evaluations_the_baseline(tmp_path: Path) -> None:
    train(load(tmp_path, "SOLVER.SCHEDULER.TOTAL_ITERS=2"))
    lines = figures(tmp_path)
    training = [line for line in lines if "loss" in line]
    assert training
    assert all({"spread", "effective_rank"} <= set(line) for line in training)
    first, last = (line for line in lines if "knn/acc20" in line)
    assert {"knn/pixels", "features/spread", "linear/acc"} <= set(first)
    assert last["knn/above_untrained"] == pytest.approx(last["knn/acc20"] - first["knn/acc20"], abs=1e-6)


def test_collapse_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A teacher that is its student, without a predictor's norm: everything becomes one point."""
    settings = [
        *("CONTRAST.METHOD=byol", "CONTRAST.MOMENTUM=[0.0,0.0]", "CONTRAST.PREDICTOR.LAYERS=1", "CONTRAST.PROJECTOR.NORM=none"),
        *("TEST.DATASETS=[]", "SOLVER.OPTIMIZER.BASE_LR=0.5", "SOLVER.SCHEDULER.TOTAL_ITERS=12"),
    ]
    with caplog.at_level(logging.WARNING):
        train(load(tmp_path, *settings))
    warnings = [record.getMessage() for record in caplog.records if "nearly collapsed" in record.getMessage()]
    assert len(warnings) == 1
    assert "A falling loss then says nothing. What usually helps: a lower learning rate" in warnings[0]


def test_an_encoded_batch_of_parts_trains(tmp_path: Path) -> None:
    vit = ["MODEL.BACKBONE=timm/test_vit", "MODEL.BACKBONE_ARGS={img_size: 16, patch_size: 4}", "CONTRAST.PROJECTOR.NORM=layer"]
    short = [*vit, "TEST.DATASETS=[]", "SOLVER.SCHEDULER.TOTAL_ITERS=2"]
    whole = train(load(tmp_path / "whole", *short))
    parts = train(load(tmp_path / "parts", *short, "SOLVER.ACCUMULATION=4", "CONTRAST.GRADIENT_CACHE=True"))
    expected = whole.network.state_dict()
    for name, value in parts.network.state_dict().items():
        torch.testing.assert_close(value, expected[name], atol=1e-5, rtol=1e-4)


def test_images_without_labels_are_learned_from_and_not_measured_on(tmp_path: Path) -> None:
    folder = tmp_path / "photos" / "deep"
    folder.mkdir(parents=True)
    for number in range(40):
        cv2.imwrite(str(folder / f"{number}.png"), np.random.default_rng(number).integers(0, 256, (20, 20, 3), dtype=np.uint8))
    mine = [
        f"DATA.CATALOG={{mine: {{type: images, path: {tmp_path / 'photos'}}}, few: {{type: digits, split: test}}}}",
        "TRAIN.DATASETS=[mine]",
    ]
    short = [*mine, "SOLVER.SCHEDULER.TOTAL_ITERS=1"]
    assert train(load(tmp_path / "run", *short, "TEST.DATASETS=[]")).iteration == 1
    assert (tmp_path / "run" / "backbone.safetensors").is_file()
    with pytest.raises(DataError, match="TRAIN.DATASETS: .*name these as PROBE.DATASETS, or leave TEST.DATASETS empty"):
        train(load(tmp_path / "other", *short))


def test_files_become_embeddings(tmp_path: Path) -> None:
    """Those of the backbone, of the model's own transforms, from a checkpoint and from an exported file; a broken file is left out."""
    cfg = load(tmp_path / "run", "SOLVER.SCHEDULER.TOTAL_ITERS=1", "EXPORT.SAMPLES=2", "EXPORT.SIZE=[16, 16]")
    state = train(cfg)
    images = tmp_path / "images"
    images.mkdir()
    for number in range(3):
        size = (20, 20 + 9 * number, 3)
        cv2.imwrite(str(images / f"{number}.png"), np.random.default_rng(number).integers(0, 256, size, dtype=np.uint8))
    (images / "9_broken.png").write_bytes(b"no image")
    task, device = contrast.TASK, torch.device("cpu")
    task.export(cfg, state.network.eval(), tmp_path / "model.onnx")
    found = []
    for name, weights in (("torch", ""), ("onnx", str(tmp_path / "model.onnx"))):
        own = load(tmp_path / "run", f"TEST.WEIGHTS={weights}")
        summary = predict_files(
            task.build_predictor(own, device), find_inputs(str(images)), tmp_path / name, drawing=build_draw_settings(own)
        )
        assert summary.images == 3
        with np.load(tmp_path / name / "embeddings.npz") as file:
            assert [Path(path).name for path in file["files"]] == ["0.png", "1.png", "2.png"]
            found.append(file["embeddings"])
    np.testing.assert_allclose(found[0], found[1], atol=1e-4)
    transforms, normalize = build_transforms(cfg.TEST.TRANSFORMS, default_size=16)
    assert normalize is not None
    sample = transforms({"image": read_image(images / "1.png"), "meta": {}}, np.random.default_rng(0))
    batch = torch.from_numpy((sample["image"] / 255.0 - 0.5) / 0.5).float().permute(2, 0, 1)[None]
    with torch.no_grad():
        expected = state.network.embed(batch)[0].numpy()
    np.testing.assert_allclose(found[0][1], expected, atol=1e-4)
    with pytest.raises(ConfigError, match="looks at whole images; leave it out"):
        task.build_predictor(cfg, device, window=8)


def test_an_exported_file_of_a_fixed_size_refuses_what_it_would_distort(tmp_path: Path) -> None:
    """The test sees images of any shape as they are; a file that squeezed them would give other embeddings than it."""
    folder = tmp_path / "photos" / "one"
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / "wide.png"), np.random.default_rng(0).integers(0, 256, (20, 40, 3), dtype=np.uint8))
    wide = f"DATA.CATALOG={{few: {{type: digits, split: test}}, wide: {{type: image_folder, path: {folder.parent}, classes: [one]}}}}"
    shapes = "TEST.TRANSFORMS=[Resize, {name: Normalize, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}]"
    task, device = contrast.TASK, torch.device("cpu")
    cfg = load(tmp_path / "run", wide, shapes, "EXPORT.SIZE=[16, 16]", "TRAIN.DATASETS=[few]")
    with pytest.raises(ConfigError, match=r"take 16 x 16, but test images .* e.g. 16 x 32 .* CenterCrop, or set EXPORT.DYNAMIC"):
        task.export(load(tmp_path / "run", wide, shapes, "TEST.DATASETS=[wide]"), task.build_model(cfg).eval(), tmp_path / "no.onnx")
    task.export(cfg, task.build_model(cfg).eval(), tmp_path / "model.onnx")
    predictor = task.build_predictor(load(tmp_path / "run", wide, shapes, f"TEST.WEIGHTS={tmp_path / 'model.onnx'}"), device)
    with pytest.raises(DataError, match=r"wide.png: 16 x 32 .* takes 16 x 16, .* CenterCrop, or export a network that takes any size"):
        predict_files(predictor, find_inputs(str(folder)), tmp_path / "out", drawing=build_draw_settings(cfg))


@pytest.mark.parametrize("method", METHODS)
def test_precise_batch_norm_is_that_of_the_backbone_that_is_measured(tmp_path: Path, method: str) -> None:
    """Only its statistics are computed anew, and neither queue nor centre moves on."""
    settings = [*METHODS[method], "SOLVER.SCHEDULER.TOTAL_ITERS=2", "EVAL.PERIOD_ITER=2"]
    plain = train(load(tmp_path / "plain", *settings)).network.state_dict()
    state = train(load(tmp_path / "precise", *settings, "TEST.PRECISE_BN.ENABLED=True", "TEST.PRECISE_BN.NUM_ITERS=2"))
    changed = {name for name, value in state.network.state_dict().items() if not torch.equal(value, plain[name])}
    measured = "teacher.backbone." if method == "dino" else "backbone."
    assert changed == {name for name in plain if name.startswith(measured) and name.endswith(STATISTICS)}
