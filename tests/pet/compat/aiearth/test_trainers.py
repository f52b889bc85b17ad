"""Trainers: presets and the configs that become of them."""

from pathlib import Path

import pytest

from pet.compat.aiearth.trainer.mmseg import ChangeDetTrainer, LandcoverTrainer, MMSegTrainer, TargetExtractionTrainer
from petlib.config import ConfigError

ROOT = Path(__file__).parents[4]
SIXTEEN = [f"class{number}" for number in range(16)]


@pytest.mark.parametrize(
    ("trainer", "preset", "network"),
    [
        (LandcoverTrainer, "fcn_hr48_1024x1024_16k_landcover", "fcn_hrnet_w48"),
        (ChangeDetTrainer, "effi-b0_base_50k_new256_cosine_lr_batch_128_adamw", "siamese_efficientnet_b0_bifpn"),
        (ChangeDetTrainer, "hrnet_w18_base_150k_new512_cosine_lr_batch_48_builingchange", "semantic_change"),
        (TargetExtractionTrainer, "fcn_hr18_1024x1024_40k4_bceious1w1.0", "fcn_hrnet_w18_small"),
    ],
)
def test_the_trainers_of_the_document(trainer: type[MMSegTrainer], preset: str, network: str, tmp_path: Path) -> None:
    made = trainer(work_dir=tmp_path / "workspace", config_name=preset)
    assert made.cfg.pet.MODEL.NETWORK == network
    assert made.cfg.work_dir == str(tmp_path / "workspace")
    assert preset in trainer.list_config()
    assert not (tmp_path / "workspace").exists()


@pytest.mark.parametrize("trainer", [LandcoverTrainer, ChangeDetTrainer, TargetExtractionTrainer])
def test_a_preset_and_a_config_file_are_one_thing(trainer: type[MMSegTrainer]) -> None:
    files = ROOT / "cfgs" / "projects" / trainer.project
    assert trainer.list_config() == sorted(path.stem for path in files.glob("*.yaml"))
    assert trainer().cfg.pet.MODEL.NETWORK


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match=r"no preset 'fcn_hr18_1024x1024_16k_landcove' for landcover; did you mean fcn_hr18_1024x1024_16k_lan"
    ):
        LandcoverTrainer(config_name="fcn_hr18_1024x1024_16k_landcove")


def test_the_classes_of_the_job_decide_on_the_head() -> None:
    trainer = LandcoverTrainer(work_dir="somewhere")
    cfg = trainer.settings(SIXTEEN)
    assert (cfg.MODEL.NUM_CLASSES, list(cfg.DATA.CLASSES)) == (16, SIXTEEN)
    assert (cfg.MISC.CKPT, cfg.MISC.NAME) == ("somewhere", "fcn_hr18_1024x1024_16k_landcover.yaml")
    assert (list(cfg.TRAIN.DATASETS), list(cfg.TEST.DATASETS)) == ([], [])
    assert cfg.is_frozen()
    assert trainer.cfg.model.decode_head.num_classes == 11


def test_a_head_that_contradicts_the_classes_is_refused() -> None:
    trainer = LandcoverTrainer()
    trainer.cfg.model.decode_head.num_classes = 12
    with pytest.raises(ConfigError, match=r"MODEL\.NUM_CLASSES: 12 given, but DATA\.CLASSES names 16"):
        trainer.settings(SIXTEEN)


def test_changes_reach_the_run_and_all_else_stays_the_preset() -> None:
    trainer = LandcoverTrainer()
    trainer.cfg.runner["max_iters"] = 2
    trainer.cfg.pet.TRAIN.RESIZE.SCALES = [64]
    trainer.cfg.pet.set("MODEL.NETWORK_ARGS", {"width": "a=b, 'c'"})
    trainer.load_from("dir with space/weights=1.pth")
    cfg = trainer.settings(SIXTEEN)
    assert (cfg.SOLVER.SCHEDULER.TOTAL_ITERS, list(cfg.TRAIN.RESIZE.SCALES)) == (2, [64])
    assert cfg.MODEL.NETWORK_ARGS == {"width": "a=b, 'c'"}
    assert cfg.TRAIN.WEIGHTS == "dir with space/weights=1.pth"
    assert (cfg.SOLVER.OPTIMIZER.BASE_LR, cfg.SOLVER.SCHEDULER.NAME) == (0.01, "poly")
    assert list(cfg.TEST.RESIZE.SCALES) == [1024]


def test_mistakes_in_pets_own_keys_are_reported_together() -> None:
    trainer = LandcoverTrainer()
    trainer.cfg.pet.SOLVER.ACUMULATION = 2
    trainer.cfg.pet.TRAIN.NUM_WORKERS = "x"
    with pytest.raises(ConfigError) as caught:
        trainer.settings(SIXTEEN)
    assert "trainer.cfg.pet: SOLVER.ACUMULATION: unknown key; did you mean SOLVER.ACCUMULATION?" in str(caught.value)
    assert "trainer.cfg.pet: TRAIN.NUM_WORKERS: 'x' (str) given, int expected" in str(caught.value)


def test_half_precision_is_off_on_the_cpu() -> None:
    trainer = LandcoverTrainer()
    trainer.cfg.pet.MISC.DEVICE = "cpu"
    assert trainer.cfg.pet.SOLVER.AMP.ENABLED
    assert not trainer.settings(SIXTEEN).SOLVER.AMP.ENABLED
