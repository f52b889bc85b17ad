"""Jobs: what is checked before anything is written, and what a run leaves."""

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from onnxruntime import InferenceSession

from pet.compat.aiearth import aie
from pet.compat.aiearth.datasets import ChangeDetNonGeoCustomDataset, LandcoverNonGeoCustomDataset
from pet.compat.aiearth.job import TrainJob
from pet.compat.aiearth.sampler import SequentialNonGeoDatasetSampler
from pet.compat.aiearth.trainer.mmseg import ChangeDetTrainer, LandcoverTrainer, MMSegTrainer
from petlib.engine.hook import Hook
from petlib.engine.state import TrainState
from petlib.errors import CheckpointError, ConfigError, DataError
from tests.pet.compat.aiearth.image_files import write_pairs

CLASSES = ["background", "change"]
SHAPES: dict[str, Any] = {"img_shape": (64, 64, 3), "ann_shape": (64, 64, 1)}


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Give back the handlers that a run replaced."""
    root = logging.getLogger()
    handlers, level = [*root.handlers], root.level
    yield
    for handler in [*root.handlers]:
        if handler not in handlers:
            root.removeHandler(handler)
            handler.close()
    root.setLevel(level)
    logging.captureWarnings(False)


class ChangeJob(TrainJob):
    """A small siamese network on eight pairs of 64 pixels."""

    parts: Sequence[str] = ("train", "val")

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.work_dir = str(folder / "work")
        self.classes = CLASSES
        self.__dict__.update(settings)

    def set_trainer(self) -> MMSegTrainer:
        trainer = ChangeDetTrainer(work_dir=self.work_dir, config_name="siamese_R-18_cpu")
        trainer.cfg.runner["max_iters"] = 2
        trainer.cfg.lr_config["warmup_iters"] = 0
        trainer.cfg.data.samples_per_gpu = 2
        trainer.cfg.log_config["interval"] = 1
        pet = trainer.cfg.pet
        pet.TRAIN.RESIZE.SCALES, pet.ANALYSER.ENABLED, pet.MISC.TENSORBOARD, pet.MISC.DEVICE = [64], False, False, "cpu"
        return trainer

    def set_datasets(self) -> None:
        folders = {"img_dir": self.folder / "images1", "img2_dir": self.folder / "images2", "ann_dir": self.folder / "annotations"}
        pairs = ChangeDetNonGeoCustomDataset(classes=CLASSES, **SHAPES, **folders)
        for part, dataset in zip(("train", "val"), SequentialNonGeoDatasetSampler.split_by_percent(pairs, 0.75), strict=True):
            if part in self.parts:
                self.datasets[part].append(dataset)


class SingleImages(ChangeJob):
    def set_datasets(self) -> None:
        folders = {"img_dir": self.folder / "images1", "ann_dir": self.folder / "annotations"}
        self.datasets["train"].append(LandcoverNonGeoCustomDataset(classes=CLASSES, **SHAPES, **folders))


class NoTrainer(ChangeJob):
    def set_trainer(self) -> MMSegTrainer:
        return None  # type: ignore[return-value]


class UnknownPreset(ChangeJob):
    def set_trainer(self) -> MMSegTrainer:
        return LandcoverTrainer(work_dir=self.work_dir, config_name="fcn_hr48_1024x1024_16k_landcovr")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_pairs(tmp_path, [f"p{number}" for number in range(8)])
    return tmp_path


@pytest.mark.parametrize(
    ("job", "settings", "error", "message"),
    [
        (
            ChangeJob,
            {"parts": ["val"]},
            DataError,
            r'ChangeJob: there are no training data; append a data set to self\.datasets\["train"\]',
        ),
        (
            ChangeJob,
            {"classes": ["a", "b", "c"]},
            ConfigError,
            r"MODEL\.BINARY: True separates foreground from background; there are 3 classes",
        ),
        (SingleImages, {}, DataError, r'datasets\["train"\]: .* has single images, but ChangeDetTrainer learns from pairs of dates'),
        (NoTrainer, {}, ConfigError, r"NoTrainer\.set_trainer: None returned, a trainer expected"),
        (
            UnknownPreset,
            {},
            ConfigError,
            r"no preset 'fcn_hr48_1024x1024_16k_landcovr' for landcover; did you mean fcn_hr48_1024x1024_16k_l",
        ),
        (
            ChangeJob,
            {"datasets": {"train": ["images1"], "val": []}},
            DataError,
            r"datasets\[\"train\"\]: 'images1' given, a data set of pet\.compat\.",
        ),
        (ChangeJob, {"datasets": {"train": [], "vall": [], "val": []}}, ConfigError, r"unknown part 'vall'; did you mean val\?"),
    ],
)
def test_mistakes_are_reported_before_anything_is_written(
    folder: Path, job: type[ChangeJob], settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        job(folder, **settings).run()
    assert not (folder / "work").exists()


def test_a_run_that_goes_on_its_test_and_its_export(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = ChangeJob(folder)
    job.run()
    work = folder / "work"
    assert {"config.yaml", "metrics.jsonl", "model_iter2.pth", "model_latest.pth", "model_best.pth"} <= {
        path.name for path in work.iterdir()
    }
    lines = [json.loads(line) for line in (work / "metrics.jsonl").read_text().splitlines()]
    assert any("semseg/foreground_IoU" in line for line in lines)

    metrics = job.test()
    assert 0.0 <= metrics["semseg/foreground_IoU"] <= 1.0
    assert json.loads((work / "test" / "metrics.json").read_text())["semseg/foreground_IoU"] == metrics["semseg/foreground_IoU"]
    path = job.export_onnx(shape=(64, 96))
    assert path == work / "model.onnx"
    session = InferenceSession(path)
    assert [(value.name, value.shape) for value in session.get_inputs()] == [("images", [1, 3, 64, 96]), ("images2", [1, 3, 64, 96])]

    stamp = (work / "model_latest.pth").stat().st_mtime_ns
    again = ChangeJob(folder)
    again.run()
    assert (work / "model_latest.pth").stat().st_mtime_ns == stamp
    again.trainer.cfg.runner["max_iters"] = 3
    again.run()
    output = capsys.readouterr().out
    assert "holds a run, which is continued up to iteration 2; a new one needs another work_dir, or trainer.cfg.auto_resume" in output
    assert "continuing from iteration 2 of 3" in output
    assert (work / "model_iter3.pth").exists()


def test_without_validation_data_nothing_is_evaluated(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = ChangeJob(folder, parts=["train"])
    job.train()
    assert "there are no validation data: the model is not evaluated while it is trained" in capsys.readouterr().out
    assert not (folder / "work" / "model_best.pth").exists()
    with pytest.raises(DataError, match="there are no test data"):
        job.test()


def test_a_model_that_is_not_there_is_not_tested(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no best and no latest checkpoint"):
        ChangeJob(folder).test()
    with pytest.raises(CheckpointError, match=r"gone\.pth"):
        ChangeJob(folder).test(checkpoint=folder / "gone.pth")


def test_data_belong_to_a_job(folder: Path) -> None:
    first, second = ChangeJob(folder), ChangeJob(folder)
    first.datasets["train"].append("something")  # type: ignore[arg-type]
    assert second.datasets == {"train": [], "val": [], "test": []}


def test_a_second_try_does_not_take_the_data_twice(folder: Path) -> None:
    calls: list[int] = []

    class Hasty(ChangeJob):
        def set_datasets(self) -> None:
            super().set_datasets()
            calls.append(len(self.datasets["train"]))
            if len(calls) == 1:
                raise DataError("not yet")

    job = Hasty(folder, classes=["a", "b", "c"])
    with pytest.raises(DataError, match="not yet"):
        job.run()
    for _ in range(2):
        with pytest.raises(ConfigError, match="there are 3 classes"):
            job.run()
    assert calls == [1, 1]


def test_several_data_sets_are_joined(folder: Path) -> None:
    class Twice(ChangeJob):
        def set_datasets(self) -> None:
            super().set_datasets()
            super().set_datasets()

    job = Twice(folder, classes=None)
    job.run()
    assert [len(dataset) for dataset in job.datasets["train"]] == [6, 6]
    assert (folder / "work" / "model_best.pth").exists()


def test_a_job_needs_both_methods() -> None:
    class Empty(TrainJob):
        pass

    with pytest.raises(TypeError, match="set_datasets.*set_trainer"):
        Empty()  # type: ignore[abstract]


def test_no_token_is_needed_or_shown(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    with caplog.at_level(logging.INFO):
        aie.Authenticate()
        aie.Authenticate("abc-secret")
        aie.Initialize()
    shown = caplog.text + "".join(capsys.readouterr())
    assert [record.message.partition(":")[0] for record in caplog.records] == ["aie.Authenticate"] * 2 + ["aie.Initialize"]
    assert "a local run needs no token" in shown
    assert "secret" not in shown


class CountingHook(Hook):
    """Counts what it is called for."""

    order = 51
    key = "counting"
    count = 0

    def after_step(self, state: TrainState) -> None:
        self.count += 1


def quick_trainer(folder: Path) -> MMSegTrainer:
    """Return a trainer as the quick start of AI Earth has it, with its data."""
    job = ChangeJob(folder)
    job.set_datasets()
    trainer = job.set_trainer()
    trainer.setup_datasets(job.datasets["train"][0])
    trainer.setup_datasets(job.datasets["val"], data_type="val")
    trainer.setup_datasets(job.datasets["val"][0], data_type="test")
    return trainer


def test_the_quick_start_calls_the_trainer_itself(folder: Path) -> None:
    trainer, hook, work = quick_trainer(folder), CountingHook(), folder / "work"
    trainer.train(validate=False, hooks=[hook])
    assert hook.count == 2
    assert not (work / "model_best.pth").exists()
    assert "semseg/mIoU" not in (work / "metrics.jsonl").read_text()

    checkpoint = str(work / "latest.pth")
    metrics = trainer.test(checkpoint, output_dir=folder / "test_ret")
    assert json.loads((folder / "test_ret" / "metrics.json").read_text())["semseg/mIoU"] == metrics["semseg/mIoU"]
    assert {path.name for path in (folder / "test_ret" / "semseg").iterdir()} == {"p6.png", "p7.png"}
    path = trainer.export_onnx(output_file=checkpoint.replace(".pth", ".onnx"), checkpoint_path=checkpoint, shape=(64, 32))
    assert path == work / "latest.onnx"
    assert InferenceSession(path).get_inputs()[0].shape == [1, 3, 64, 32]


def test_mistakes_with_the_trainer_itself_are_reported(folder: Path) -> None:
    trainer = ChangeJob(folder).set_trainer()
    with pytest.raises(DataError, match="ChangeDetTrainer: neither classes nor data are given; set classes, and call setup_datasets"):
        trainer.train()
    trainer.set_classes(CLASSES)
    with pytest.raises(DataError, match=r'there are no training data; call setup_datasets\(dataset, data_type="train"\) before'):
        trainer.train()
    with pytest.raises(ConfigError, match="data_type: 'vall' given, one of train, val, test expected"):
        trainer.setup_datasets([], data_type="vall")
    with pytest.raises(DataError, match="setup_datasets: 'images' given, a data set of"):
        trainer.setup_datasets(["images"])  # type: ignore[list-item]
    with pytest.raises(ConfigError, match="distributed: True given, but the number of processes is 1"):
        trainer.train(distributed=True)


def test_kinds_of_building_change_are_learned_with_the_preset_of_its_own(folder: Path) -> None:
    classes = ["none", "new", "demolished", "rebuilt"]
    folders = {"img_dir": folder / "images1", "img2_dir": folder / "images2", "ann_dir": folder / "annotations"}
    trainer = ChangeDetTrainer(folder / "work", "hrnet_w18_base_150k_new512_cosine_lr_batch_48_builingchange")
    trainer.setup_datasets(ChangeDetNonGeoCustomDataset(classes=classes, **SHAPES, **folders))
    trainer.cfg.runner["max_iters"], trainer.cfg.data.samples_per_gpu = 1, 2
    pet = trainer.cfg.pet
    pet.TRAIN.RESIZE.SCALES, pet.ANALYSER.ENABLED, pet.MISC.TENSORBOARD, pet.MISC.DEVICE = [64], False, False, "cpu"
    pet.set("MODEL.NETWORK_ARGS", {"encoder": "timm/resnet18", "width": 16})
    trainer.train()
    assert (folder / "work" / "model_latest.pth").exists()
    cfg = trainer.settings(classes)
    assert (cfg.SOLVER.OPTIMIZER.BASE_LR, cfg.SOLVER.SCHEDULER.NAME, cfg.SOLVER.AMP.ENABLED) == (0.01, "cosine", False)
    assert list(cfg.MODEL.LOSSES) == [{"name": "ohem", "threshold": 0.7, "min_kept": 100000}]
