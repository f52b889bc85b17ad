"""The configs that come with Pet: each is valid, and everything that it names is there."""

from pathlib import Path
from types import ModuleType

import pytest
import torch

from pet.data import build_transforms
from pet.models import build_classifier
from pet.tasks.cls import config as cls_config
from pet.vision import config as vision_config
from petlib import solver
from petlib.config import load_cfg

CFGS = Path(__file__).parents[3] / "cfgs"
CONFIGS = [(path, vision_config) for path in sorted(CFGS.glob("vision/**/*.yaml"))]
CONFIGS += [(path, cls_config) for path in sorted(CFGS.glob("tasks/cls/*.yaml"))]


@pytest.mark.parametrize(("path", "task"), CONFIGS, ids=[str(path.relative_to(CFGS)) for path, _ in CONFIGS])
def test_config_names_what_exists(path: Path, task: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("cat", "dog", "emu"):
        (tmp_path / "data" / "my_images" / "train" / name).mkdir(parents=True)
    cfg = load_cfg(task, path)
    for section in (cfg.TRAIN, cfg.TEST):
        _, normalize = build_transforms(section.TRANSFORMS, default_size=section.RESIZE.SCALES[0])
        assert normalize is not None, "images are normalised on the device"
    with torch.device("meta"):
        network = build_classifier(cfg.MODEL.BACKBONE, num_classes=cfg.MODEL.NUM_CLASSES, args=cfg.MODEL.BACKBONE_ARGS)
    scheduler = solver.build_scheduler(solver.build_optimizer(network, cfg), cfg, max_iter=1_000_000, iterations_per_epoch=1000)
    assert scheduler.get_last_lr()[0] > 0


def test_there_are_the_configs_that_the_documents_name() -> None:
    names = {str(path.relative_to(CFGS)) for path, _ in CONFIGS}
    cifar = {f"vision/cifar/{name}_cifar10.yaml" for name in ("resnet20", "resnet110", "resnext29-8x64d")}
    assert names >= cifar | {"vision/digits/resnet20_digits.yaml", "vision/imagenet/resnet50.yaml", "tasks/cls/finetune_resnet18.yaml"}


def test_resnet110_runs_the_published_iterations() -> None:
    cfg = load_cfg(vision_config, CFGS / "vision/cifar/resnet110_cifar10.yaml")
    assert cfg.SOLVER.SCHEDULER.TOTAL_EPOCHS * (50_000 // cfg.TRAIN.BATCH_SIZE) == 63_960
