"""The configs that come with Pet: each is valid, and everything that it names is there."""

import re
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import torch
import yaml
from torch import nn

from pet.data import build_transforms
from pet.data.catalog.entries import find_entry
from pet.data.loading.build import DATASETS
from pet.models.classifiers import build_classifier
from pet.tasks.cls import config as cls_config
from pet.vision import GeneralizedCNN
from pet.vision import config as vision_config
from pet.vision.heads.table import head_switches
from petlib import solver
from petlib.config import CfgNode, ConfigError, load_cfg

CFGS = Path(__file__).resolve().parents[3] / "cfgs"
BASES = sorted(CFGS.glob("vision/**/base_*.yaml"))
VISION = [path for path in sorted(CFGS.glob("vision/**/*.yaml")) if path not in BASES]
CONFIGS: list[tuple[Path, ModuleType]] = [(path, vision_config) for path in VISION]
CONFIGS += [(path, cls_config) for path in sorted(CFGS.glob("tasks/cls/*.yaml"))]
MSCOCO = ("faster_rcnn", "mask_rcnn", "keypoint_rcnn", "cascade_rcnn", "cascade_mask_rcnn", "retinanet", "fcos")
SHAPES = ("faster_rcnn", "mask_rcnn", "keypoint_rcnn", "cascade_rcnn", "retinanet", "fcos", "parsing_rcnn")


def name_of(path: Path) -> str:
    return str(path.relative_to(CFGS))


@cache
def build_model(path: Path) -> nn.Module:
    """Return the model of a config without memory for its weights."""
    cfg = load_cfg(vision_config, path)
    with torch.device("meta"):
        if cfg.MODEL.HAS_CLS:
            return build_classifier(cfg.MODEL.BACKBONE, num_classes=cfg.MODEL.NUM_CLASSES, args=cfg.MODEL.BACKBONE_ARGS)
        return GeneralizedCNN(cfg)


def check_transforms(cfg: CfgNode) -> None:
    for section in (cfg.TRAIN, cfg.TEST):
        scales = list(section.RESIZE.SCALES)
        _, normalize = build_transforms(section.TRANSFORMS, default_size=scales[0], default_sizes=scales, dataset=None)
        assert normalize is not None, "images are normalised on the device"


@pytest.mark.parametrize(("path", "task"), CONFIGS, ids=[name_of(path) for path, _ in CONFIGS])
def test_config_names_what_exists(path: Path, task: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("cat", "dog", "emu"):
        (tmp_path / "data" / "my_images" / "train" / name).mkdir(parents=True)
    cfg = load_cfg(task, path)
    check_transforms(cfg)
    assert cfg.TRAIN.DATASETS
    assert cfg.TEST.DATASETS
    for name in (*cfg.TRAIN.DATASETS, *cfg.TEST.DATASETS):
        assert callable(DATASETS.get(find_entry(cfg, name).type))


@pytest.mark.parametrize("path", VISION, ids=name_of)
def test_model_and_optimizer_can_be_built(path: Path) -> None:
    cfg = load_cfg(vision_config, path)
    model = build_model(path)
    optimizer = solver.build_optimizer(model, cfg)
    assert type(optimizer).__name__ == cfg.SOLVER.OPTIMIZER.NAME
    length = cfg.SOLVER.SCHEDULER.TOTAL_ITERS or cfg.SOLVER.SCHEDULER.TOTAL_EPOCHS * 1000
    scheduler = solver.build_scheduler(optimizer, cfg, max_iter=length, iterations_per_epoch=1000)
    assert scheduler.get_last_lr()[0] > 0 or cfg.SOLVER.SCHEDULER.WARM_UP_FACTOR == 0
    assert all(step < (cfg.SOLVER.SCHEDULER.TOTAL_ITERS or cfg.SOLVER.SCHEDULER.TOTAL_EPOCHS) for step in cfg.SOLVER.SCHEDULER.STEPS)
    learning = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    assert learning == {id(parameter) for parameter in model.parameters() if parameter.requires_grad}


@pytest.mark.parametrize("path", [path for path in VISION if "M parameters" in path.read_text(encoding="utf-8")], ids=name_of)
def test_models_have_the_parameters_that_the_comment_says(path: Path) -> None:
    said = re.search(r"([\d.]+)M parameters", path.read_text(encoding="utf-8"))
    assert said is not None
    count = sum(parameter.numel() for parameter in build_model(path).parameters())
    assert count / 1e6 == pytest.approx(float(said.group(1)), abs=0.06)


def test_a_task_has_its_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("cat", "dog", "emu"):
        (tmp_path / "data" / "my_images" / "train" / name).mkdir(parents=True)
    for path in sorted(CFGS.glob("tasks/cls/*.yaml")):
        cfg = load_cfg(cls_config, path)
        with torch.device("meta"):
            network = build_classifier(cfg.MODEL.BACKBONE, num_classes=cfg.MODEL.NUM_CLASSES, args=cfg.MODEL.BACKBONE_ARGS)
        assert solver.build_optimizer(network, cfg).param_groups


@pytest.mark.parametrize("base", BASES, ids=name_of)
def test_a_base_is_there_for_others_and_no_config_itself(base: Path) -> None:
    users = [path for path in VISION if base_of(path) == base]
    assert len(users) > 1
    with pytest.raises(ConfigError, match=r"no head is switched on|MODEL.BACKBONE: nothing given"):
        load_cfg(vision_config, base)


def base_of(path: Path) -> Path | None:
    given = yaml.safe_load(path.read_text(encoding="utf-8")).get("_BASE_")
    return (path.parent / given).resolve() if given else None


def test_what_a_base_says_holds_until_a_config_says_otherwise() -> None:
    voc = load_cfg(vision_config, CFGS / "vision/voc/faster_rcnn_R-50-FPN.yaml")
    coco = load_cfg(vision_config, CFGS / "vision/mscoco/e2e_faster_rcnn_R-50-FPN_1x.yaml")
    assert base_of(CFGS / "vision/voc/faster_rcnn_R-50-FPN.yaml") == CFGS / "vision/mscoco/base_R-50-FPN_1x.yaml"
    assert (voc.MODEL.FREEZE_AT, voc.SOLVER.OPTIMIZER.BASE_LR) == (coco.MODEL.FREEZE_AT, coco.SOLVER.OPTIMIZER.BASE_LR) == (2, 0.02)
    assert (voc.MODEL.NUM_CLASSES, coco.MODEL.NUM_CLASSES) == (20, 80)


def test_there_are_the_configs_that_the_documents_name() -> None:
    names = {name_of(path) for path, _ in CONFIGS}
    cifar = {f"vision/cifar/{name}_cifar10.yaml" for name in ("resnet20", "resnet110", "resnext29-8x64d")}
    assert names >= cifar | {"vision/digits/resnet20_digits.yaml", "vision/imagenet/resnet50.yaml", "tasks/cls/finetune_resnet18.yaml"}
    assert names >= {f"vision/mscoco/e2e_{name}_R-50-FPN_1x.yaml" for name in MSCOCO}
    assert names >= {f"vision/shapes/{name}_R-18-FPN.yaml" for name in SHAPES} | {"vision/shapes/semseg_R-18.yaml"}
    assert names >= {f"vision/voc/faster_rcnn_R-{depth}-FPN_bccd.yaml" for depth in (18, 50)}
    assert {Path(name).parts[1] for name in names if name.startswith("vision/")} >= {"voc", "cihp", "ade20k"}


@pytest.mark.parametrize(
    ("name", "detector", "heads"),
    [
        ("mscoco/e2e_faster_rcnn_R-50-FPN_1x", "faster_rcnn", ["HAS_BOX"]),
        ("mscoco/e2e_mask_rcnn_R-50-FPN_1x", "faster_rcnn", ["HAS_BOX", "HAS_MASK"]),
        ("mscoco/e2e_keypoint_rcnn_R-50-FPN_1x", "faster_rcnn", ["HAS_BOX", "HAS_KEYPOINTS"]),
        ("mscoco/e2e_cascade_rcnn_R-50-FPN_1x", "cascade_rcnn", ["HAS_BOX"]),
        ("mscoco/e2e_cascade_mask_rcnn_R-50-FPN_1x", "cascade_rcnn", ["HAS_BOX", "HAS_MASK"]),
        ("mscoco/e2e_retinanet_R-50-FPN_1x", "retinanet", ["HAS_BOX"]),
        ("mscoco/e2e_fcos_R-50-FPN_1x", "fcos", ["HAS_BOX"]),
        ("cihp/e2e_parsing_rcnn_R-50-FPN_1x", "faster_rcnn", ["HAS_BOX", "HAS_PARSING"]),
    ],
)
def test_the_configs_are_what_their_names_say(name: str, detector: str, heads: list[str]) -> None:
    cfg = load_cfg(vision_config, CFGS / f"vision/{name}.yaml")
    assert cfg.MODEL.BOX.DETECTOR == detector
    assert head_switches(cfg) == heads


@pytest.mark.parametrize("name", MSCOCO)
def test_a_schedule_called_1x_sees_coco_twelve_times(name: str) -> None:
    cfg = load_cfg(vision_config, CFGS / f"vision/mscoco/e2e_{name}_R-50-FPN_1x.yaml")
    assert cfg.SOLVER.SCHEDULER.TOTAL_ITERS * cfg.TRAIN.BATCH_SIZE / 118_287 == pytest.approx(12, abs=0.2)
    assert list(cfg.SOLVER.SCHEDULER.STEPS) == [60_000, 80_000]


def test_resnet110_runs_the_published_iterations() -> None:
    cfg = load_cfg(vision_config, CFGS / "vision/cifar/resnet110_cifar10.yaml")
    assert cfg.SOLVER.SCHEDULER.TOTAL_EPOCHS * (50_000 // cfg.TRAIN.BATCH_SIZE) == 63_960


def test_a_classifier_of_one_class_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train" / "cat").mkdir(parents=True)
    (tmp_path / "train" / "cat" / "a.png").write_bytes(b"")
    (tmp_path / "x.yaml").write_text(f"_BASE_: {CFGS / 'tasks/cls/finetune_resnet18.yaml'}\nMODEL: {{NUM_CLASSES: 0}}\n")
    with pytest.raises(ConfigError, match=r"MODEL.NUM_CLASSES: 1 given, or found in the data \(cat\); a classifier needs at least 2: "):
        load_cfg(cls_config, tmp_path / "x.yaml", ["TRAIN.DATASETS", str([str(tmp_path / "train")]), "TEST.DATASETS", "[]"])
