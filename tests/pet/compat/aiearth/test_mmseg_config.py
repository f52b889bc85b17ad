"""Settings under the names of mmseg's configs."""

import copy
from pathlib import Path
from typing import Any

import pytest

from pet.compat.aiearth.trainer.mmseg import LandcoverTrainer, MMSegConfig
from pet.compat.aiearth.trainer.mmseg.translation import TABLE
from pet.compat.shared.translation import value_of
from petlib.config import ConfigError

ROOT = Path(__file__).parents[4]


@pytest.fixture
def cfg() -> MMSegConfig:
    return LandcoverTrainer(config_name="fcn_hr18_1024x1024_16k_landcover").cfg


@pytest.mark.parametrize(
    ("path", "value", "keys"),
    [
        ("runner.max_iters", 7, {"SOLVER.SCHEDULER.TOTAL_ITERS": 7, "SOLVER.SCHEDULER.TOTAL_EPOCHS": 0}),
        ("checkpoint_config.interval", 5, {"SOLVER.SNAPSHOT_ITER": 5}),
        ("checkpoint_config.max_keep_ckpts", -1, {"SOLVER.SNAPSHOT_KEEP": 0}),
        ("evaluation.interval", 4, {"EVAL.PERIOD_ITER": 4}),
        ("log_config.interval", 3, {"MISC.DISPLAY_ITER": 3}),
        ("data.samples_per_gpu", 6, {"TRAIN.BATCH_SIZE": 6}),
        ("data.workers_per_gpu", 1, {"TRAIN.NUM_WORKERS": 1, "TEST.NUM_WORKERS": 1}),
        ("optimizer.type", "AdamW", {"SOLVER.OPTIMIZER.NAME": "AdamW"}),
        ("optimizer.lr", 1, {"SOLVER.OPTIMIZER.BASE_LR": 1.0}),
        ("optimizer.betas", [0.8, 0.9], {"SOLVER.OPTIMIZER.BETAS": [0.8, 0.9]}),
        ("optimizer_config.grad_clip", {"max_norm": 2.5}, {"SOLVER.CLIP_GRADIENTS.METHOD": "norm", "SOLVER.CLIP_GRADIENTS.VALUE": 2.5}),
        ("optimizer_config.grad_clip", None, {"SOLVER.CLIP_GRADIENTS.METHOD": "none"}),
        ("fp16", None, {"SOLVER.AMP.ENABLED": False}),
        ("lr_config.policy", "CosineAnnealing", {"SOLVER.SCHEDULER.NAME": "cosine"}),
        ("lr_config.warmup_iters", 10, {"SOLVER.SCHEDULER.WARM_UP_ITERS": 10}),
        ("lr_config.warmup", None, {"SOLVER.SCHEDULER.WARM_UP_ITERS": 0}),
        ("load_from", "weights.pth", {"TRAIN.WEIGHTS": "weights.pth"}),
        ("model.pretrained", None, {"TRAIN.WEIGHTS": ""}),
        ("resume_from", None, {"TRAIN.AUTO_RESUME": False}),
        ("model.decode_head.num_classes", 11, {"MODEL.NUM_CLASSES": 11}),
        ("work_dir", "elsewhere", {"MISC.CKPT": "elsewhere"}),
        ("seed", 5, {"MISC.SEED": 5}),
    ],
)
def test_a_written_key_is_one_of_pet_and_is_read_back(cfg: MMSegConfig, path: str, value: Any, keys: dict[str, Any]) -> None:
    *sections, name = path.split(".")
    section = cfg
    for part in sections:
        section = section[part]
    section[name] = value
    assert {key: value_of(cfg.pet, key) for key in keys} == keys
    assert getattr(section, name) == value


def test_the_preset_is_read_in_both_ways(cfg: MMSegConfig) -> None:
    assert cfg.runner["max_iters"] == cfg.runner.max_iters == cfg["runner"]["max_iters"] == 22500
    assert cfg.data.samples_per_gpu == 2
    assert cfg.lr_config.policy == "poly"
    assert cfg.fp16 == {"loss_scale": "dynamic"}
    assert cfg.model.decode_head.num_classes == 11
    assert cfg.load_from is None
    assert cfg.get("nothing", 3) == 3
    assert "runner" in cfg
    assert "max_iter" not in cfg.runner
    assert set(cfg.to_dict()["optimizer"]) == {"type", "lr", "momentum", "nesterov", "betas", "weight_decay"}
    assert repr(cfg).startswith("{'work_dir': ")


def test_warm_up_and_half_precision_have_names_of_mmseg(cfg: MMSegConfig) -> None:
    cfg.lr_config = {"warmup": "exp", "warmup_iters": 5, "warmup_ratio": 0.01}
    cfg.fp16 = {}
    assert cfg.pet.SOLVER.SCHEDULER.WARM_UP_METHOD == "exponential"
    assert cfg.lr_config.warmup == "exp"
    assert cfg.pet.SOLVER.AMP.ENABLED


def test_a_dictionary_changes_the_keys_of_a_section_that_it_names(cfg: MMSegConfig) -> None:
    cfg.optimizer = {"type": "AdamW", "lr": 0.001}
    assert (cfg.optimizer["type"], cfg.optimizer["lr"], cfg.optimizer["weight_decay"]) == ("AdamW", 0.001, 0.0005)


def test_a_batch_is_that_of_each_process(cfg: MMSegConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    own = LandcoverTrainer().cfg
    assert (own.data.samples_per_gpu, own.pet.TRAIN.BATCH_SIZE) == (2, 8)
    own.data.samples_per_gpu = 3
    assert own.pet.TRAIN.BATCH_SIZE == 12


def test_a_run_is_resumed_from_its_own_folder_only(cfg: MMSegConfig, tmp_path: Path) -> None:
    cfg.work_dir = str(tmp_path)
    assert cfg.resume_from is None
    (tmp_path / "model_latest.pth").touch()
    cfg.resume_from = str(tmp_path / "model_latest.pth")
    assert cfg.resume_from == str(tmp_path / "model_latest.pth")
    with pytest.raises(ConfigError, match=r"trainer\.cfg\.resume_from: 'other/latest\.pth' given, a checkpoint in work_dir"):
        cfg.resume_from = "other/latest.pth"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("runner.max_iter", 2, r"trainer\.cfg\.runner\.max_iter: nothing reads this key; did you mean runner\.max_iters\?"),
        ("runnr", {}, r"trainer\.cfg\.runnr: nothing reads this key; did you mean runner\?"),
        ("data.train", {}, r"data has samples_per_gpu, workers_per_gpu\. All else has Pet's names, e\.g\. trainer\.cfg\.pet\.TRAIN"),
        ("runner", 3, r"trainer\.cfg\.runner: 3 given, a dictionary with max_iters expected"),
        (
            "runner.max_iters",
            "many",
            r"trainer\.cfg\.runner\.max_iters: SOLVER\.SCHEDULER\.TOTAL_ITERS: 'many' \(str\) given, int expected",
        ),
        ("data.samples_per_gpu", 0, r"trainer\.cfg\.data\.samples_per_gpu: 0 given, a whole number from 1 on expected"),
        ("lr_config.policy", "Cosine", r"'Cosine' given, one of poly, CosineAnnealing, step, exp, fixed expected"),
        ("optimizer_config.grad_clip", {"norm": 1}, r"dict\(max_norm=\.\.\., norm_type=2\) expected"),
    ],
)
def test_what_means_nothing_is_refused(cfg: MMSegConfig, path: str, value: Any, message: str) -> None:
    section, _, name = path.rpartition(".")
    with pytest.raises(ConfigError, match=message):
        (cfg[section] if section else cfg)[name] = value


def test_a_key_that_nothing_reads_is_not_read_either(cfg: MMSegConfig) -> None:
    with pytest.raises(ConfigError, match="did you mean runner"):
        cfg.runnr  # noqa: B018
    assert not hasattr(cfg, "runnr")


def test_a_copy_is_independent(cfg: MMSegConfig) -> None:
    other = copy.deepcopy(cfg)
    other.runner.max_iters = 3
    assert cfg.runner.max_iters == 22500


def test_the_page_has_the_whole_table() -> None:
    page = (ROOT / "docs" / "train_job.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("| `")]
    documented = {row[0].strip("`"): row[1] for row in rows if row[0].strip("`") in TABLE}
    assert documented == {path: ", ".join(f"`{key}`" for key in entry.keys) for path, entry in TABLE.items()}
