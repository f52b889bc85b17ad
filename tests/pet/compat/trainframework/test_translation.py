from pathlib import Path
from typing import Any

import pytest

from pet.compat.trainframework.configuration import read_config
from petlib.errors import ConfigError
from tests.pet.compat.trainframework.project import make_config

SAMPLE = Path(__file__).with_name("sample_config.py")


def test_the_sample_config_in_pets_terms() -> None:
    settings = read_config(SAMPLE).translated.settings
    expected = {
        "MISC.CKPT": "/data",
        "MISC.NAME": "my-log",
        "MISC.DEVICE": "auto",
        "TRAIN.NUM_WORKERS": 8,
        "TRAIN.WEIGHTS": "",
        "TRAIN.BATCH_SIZE": 8,
        "TEST.IMS_PER_GPU": 8,
        "SOLVER.ACCUMULATION": 1,
        "SOLVER.SCHEDULER.TOTAL_ITERS": 200000,
        "SOLVER.SNAPSHOT_ITER": 5000,
        "SOLVER.SNAPSHOT_EPOCH": 0,
        "SOLVER.SNAPSHOT_KEEP": 20,
        "EVAL.PERIOD_ITER": 5000,
        "SOLVER.EMA.ENABLED": True,
        "SOLVER.EMA.DECAY": 0.995,
    }
    assert settings.items() >= expected.items()


def test_the_components_of_the_sample_config() -> None:
    components = read_config(SAMPLE).translated.components
    assert {key: part.name for key, part in components.items()} == {
        "trainer": "MyTrainer",
        "model": "MyModel",
        "model.generator": "MyNetwork",
        "data.train": "MyDataset",
        "data.val": "MyDataset",
        "solver.generator.optimizer": "Adam",
        "solver.generator.lr_scheduler": "WarmupMultiStepLR",
        "solver.generator.ema": "ema",
    }
    assert components["solver.generator.optimizer"].arguments == {"lr": 0.01, "weight_decay": 1e-6}
    course = components["solver.generator.lr_scheduler"].arguments
    assert course["warmup_iter"] == 500
    assert course["steps"] == [40000, 120000, 180000, 240000]


def test_a_step_beyond_the_end_and_a_second_length_are_noted() -> None:
    (late,) = read_config(SAMPLE).translated.notes
    assert late.endswith("lr_scheduler_param.steps: [240000] never reached: the training ends after 200000")
    length, _ = read_config(SAMPLE, ["solver.max_iter=100"]).translated.notes
    assert length.endswith("200000 given; the training ends after solver.max_iter, 100, and that counts")


@pytest.mark.parametrize(
    ("key", "value", "setting", "expected"),
    [
        ("solver.gradient_accumulation_batch", 4, "SOLVER.ACCUMULATION", 4),
        ("solver.gradient_accumulation_batch", 0, "SOLVER.ACCUMULATION", 1),
        ("trainer.parallel", "FSDP2", "TRAIN.PARALLEL", "fsdp"),
        ("trainer.parallel", "DP", "TRAIN.PARALLEL", "dp"),
        ("trainer.device", "cuda", "MISC.DEVICE", "auto"),
        ("imports", ["codes"], "MISC.IMPORTS", ["codes"]),
        ("solver.eval_period", 7, "EVAL.PERIOD_ITER", 7),
    ],
)
def test_a_setting(tmp_path: Path, key: str, value: Any, setting: str, expected: Any) -> None:
    assert make_config(tmp_path, {key: value}).translated.settings[setting] == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"solver.max_iter": 0}, "solver.max_iter: 0 given, at least 1 iteration expected"),
        ({"solver.max_iter": "long"}, "solver.max_iter: 'long' given, int expected"),
        ({"trainer.parallel": "mpi"}, "trainer.parallel: 'mpi' given, one of 'ddp', 'fsdp', 'dp', 'none' expected"),
        ({"solver.max_keep": -1}, "solver.max_keep: -1 given, at least 0 expected"),
        ({"solver.discriminator": {"optimizer": {"type": "SGD"}}}, "no network trainer.model.discriminator; there are: generator"),
        ({"solver.generator": 3}, "solver: no network has an optimizer; write solver.generator = dict("),
        ({"solver.generator.lr_scheduler": {"type": "StepLR"}}, "'StepLR' given, LRMultiplierScheduler expected"),
        ({"solver.generator.lr_scheduler": {"param": {}}}, "a mapping with enabled, type and params expected, param given"),
        ({"solver.generator.lr_scheduler": {"params": {"warmup_iter": 1}}}, "a mapping with a name expected"),
    ],
)
def test_a_wrong_setting_is_reported_with_its_place(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_config(tmp_path, changes)
    assert message in str(caught.value)


def test_a_schedule_that_is_switched_off_is_none(tmp_path: Path) -> None:
    cfg = make_config(tmp_path, {"solver.generator.lr_scheduler": {"enabled": False, "params": {"lr_scheduler_param": {"name": "X"}}}})
    assert "solver.generator.lr_scheduler" not in cfg.translated.components
