"""Every config that comes with Pet can be run, and every setting does something."""

import ast
import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from jsonschema import Draft7Validator
from torch import nn

from pet.data import TRANSFORMS, build_transforms
from pet.data.catalog.entries import find_entry
from pet.task import find_task
from pet.vision.heads.table import HEADS
from petlib import engine
from petlib.config import CfgNode, ConfigError, load_cfg
from petlib.config.key import flat_schema
from petlib.data.samplers import ShuffledSampler
from petlib.data.train_batches import TrainBatches
from petlib.solver import build_optimizer, build_scheduler
from tests.integration.conftest import ROOT, Run

CFGS = ROOT / "cfgs"
# files called base_* hold what others share
CONFIGS = sorted(str(path.relative_to(CFGS)) for path in CFGS.rglob("*.yaml") if not path.name.startswith("base_"))
TASK_SETTINGS = sorted(path for folder in ("tasks", "projects") for path in (ROOT / "pet" / folder).glob("*/config.py"))
FOLDERS = ("vision", *(f"{path.parent.parent.name}/{path.parent.name}" for path in TASK_SETTINGS))
TASKS = {folder: importlib.import_module(f"pet.{folder.replace('/', '.')}.config") for folder in FOLDERS}
TRAINING_IMAGES = {"cifar10_train": 50_000, "imagenet_train": 1_281_167, "digits_train": 1_437}
# for transforms that take others of the training data
NO_SAMPLES: Any = []
# what the comments of the configs say
PARAMETERS = {
    "vision/cifar/fast94.yaml": 6.573e6,
    "vision/cifar/resnet20_cifar10.yaml": 0.27e6,
    "vision/cifar/resnet110_cifar10.yaml": 1.7e6,
    "vision/cifar/resnext29-8x64d_cifar10.yaml": 34.4e6,
    "vision/imagenet/resnet50.yaml": 25.6e6,
    "tasks/face/ms1mv3_iresnet50.yaml": 43.6e6,
    "tasks/face/ms1mv3_mobilefacenet.yaml": 2.06e6,
    "tasks/face/glint360k_iresnet100.yaml": 65.2e6,
    # the networks that the configs name, with projectors and, of some, predictors and teachers
    "tasks/contrast/cifar/simclr_resnet18.yaml": 11.17e6 + 1.57e6,
    "tasks/tddet/kitti/pointpillars.yaml": 4_834_888,
    "tasks/instance/mscoco/pose_resnet50_256x192.yaml": 34.0e6,
    "tasks/instance/mscoco/pose_hrnet_w32_256x192.yaml": 28.5e6,
    "tasks/instance/mscoco/pose_hrnet_w48_384x288.yaml": 63.6e6,
    "tasks/instance/mscoco/vitpose_small_256x192.yaml": 24.3e6,
}


def load(name: str) -> CfgNode:
    # the data of a user are not here: their classes are given instead
    given = {"tasks/cls": ["DATA.CLASSES=[cat, dog]"], "tasks/face": ["MODEL.NUM_CLASSES=20"]}
    given |= {"tasks/action": ["DATA.CLASSES=[cat, dog]"]} if "finetune" in name else {}
    overrides = given.get(task_of(name), [])
    return load_cfg(TASKS[task_of(name)], CFGS / name, overrides)


def task_of(name: str) -> str:
    return next(task for task in TASKS if name.startswith(f"{task}/"))


def model_without_memory(name: str, cfg: CfgNode) -> nn.Module:
    # networks of segmentation look at a small image when they are built
    with torch.device("cpu" if "NETWORK" in cfg.MODEL and name.startswith("projects") else "meta"):
        return find_task(CFGS / name).build_model(cfg)


def iterations_per_epoch(cfg: CfgNode) -> int:
    sampler = ShuffledSampler(TRAINING_IMAGES[cfg.TRAIN.DATASETS[0]], seed=0)
    return TrainBatches(sampler, batch_size=cfg.TRAIN.BATCH_SIZE, rank=0, world_size=1, accumulation=1, epochwise=True).iterations_per_epoch


def test_there_are_configs_of_every_task() -> None:
    assert {task_of(name) for name in CONFIGS} == set(TASKS)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_is_complete(name: str) -> None:
    cfg = load(name)
    assert str(Path("ckpts", name).with_suffix("")) == cfg.MISC.CKPT
    for purpose in (cfg.TRAIN, cfg.TEST):
        scales = purpose.RESIZE.SCALES
        transforms, normalize = build_transforms(purpose.TRANSFORMS, default_size=scales[0], default_sizes=scales, dataset=NO_SAMPLES)
        takes_points = normalize is None and find_task(CFGS / name).expected_data(cfg).inputs == ("points",)
        assert normalize is not None or takes_points, "images would go to the network as they are"
        assert transforms is not None
        assert all(find_entry(cfg, data).type for data in purpose.DATASETS)
    assert cfg.TRAIN.DATASETS
    assert cfg.TEST.DATASETS
    model = model_without_memory(name, cfg)
    if name in PARAMETERS:
        assert sum(parameter.numel() for parameter in model.parameters()) == pytest.approx(PARAMETERS[name], rel=0.02)
    optimizer = build_optimizer(model, cfg)
    assert type(optimizer).__name__ == cfg.SOLVER.OPTIMIZER.NAME
    build_run(cfg, model, optimizer)
    assert not read_though_unused(cfg), "a switch says that these are not used, and would refuse them on the command line"


# read together with what decides about them, and then dropped
DROPPED = {"THRESHOLD", "SIGMA", "MOMENTUM", "NESTEROV", "BETAS", "GAMMA", "POWER", "MIN_LR", "WARM_UP_FACTOR", "WARM_UP_METHOD", "DTYPE"}


def build_run(cfg: CfgNode, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Build what is around the model, up to the loop."""
    # float16 is for GPUs; nothing is computed here
    step = engine.build_step(cfg, torch.device("cuda" if cfg.SOLVER.AMP.ENABLED and cfg.SOLVER.AMP.DTYPE == "fp16" else "cpu"))
    state = engine.build_state(cfg, model=model, optimizer=optimizer, step=step, iterations_per_epoch=100)
    engine.build_train_hooks(cfg, state, batches=lambda start, stop: iter(()), evaluate=lambda network: {})


def read_though_unused(cfg: CfgNode) -> set[str]:
    """Return the settings that were read although one of their switches is off."""
    settings = cfg.flat()
    unused = {path for path, key in flat_schema(cfg.schema).items() if not all(switch.is_on(settings) for switch in key.used_if)}
    return {path for path in unused & cfg.read_keys() if path.rpartition(".")[2] not in DROPPED}


@pytest.mark.parametrize("task", TASKS)
def test_every_switch_is_a_setting_of_the_task(task: str) -> None:
    keys = flat_schema(TASKS[task].get_base_cfg().schema)
    wrong = [path for path, key in keys.items() for switch in key.used_if if not {*switch.decisive_keys()} <= set(keys)]
    assert not wrong


@pytest.mark.parametrize(
    ("name", "override", "reason"),
    [
        ("vision/shapes/faster_rcnn_R-18-FPN.yaml", "MODEL.MASK.POOL=7", "MODEL.HAS_MASK is False"),
        ("vision/cifar/resnet20_cifar10.yaml", "MODEL.FREEZE_AT=1", "MODEL.HAS_CLS is True; it counts with False"),
        ("vision/cifar/resnet20_cifar10.yaml", "MODEL.FPN.CHANNELS=64", "MODEL.NECK is ''; it counts with 'fpn'"),
        ("vision/shapes/fcos_R-18-FPN.yaml", "MODEL.BOX.ASPECT_RATIOS=[1.0]", "MODEL.BOX.DETECTOR is 'fcos'"),
        ("vision/cifar/resnet20_cifar10.yaml", "SOLVER.OPTIMIZER.BETAS=[0.8, 0.9]", "SOLVER.OPTIMIZER.NAME is 'SGD'"),
        ("projects/landcover/LANDCOVER", "SEMI.WINDOW=64", "SEMI.ENABLED is False"),
    ],
)
def test_what_a_run_does_not_use_is_refused_before_anything_is_started(name: str, override: str, reason: str) -> None:
    name = name.replace("LANDCOVER", next(Path(config).name for config in CONFIGS if "landcover" in config and not is_semi(config)))
    with pytest.raises(ConfigError) as refused:
        load_cfg(TASKS[task_of(name)], CFGS / name, [override])
    assert str(refused.value) == f"command line: {override.partition('=')[0]}: not used by this run: {reason}"


def is_semi(config: str) -> bool:
    return bool(load(config).SEMI.ENABLED)


@pytest.mark.parametrize("name", [name for name in CONFIGS if name.startswith("vision/cifar") and "fast94" not in name])
def test_the_recipes_for_cifar_are_those_of_the_papers(name: str) -> None:
    cfg = load(name)
    epoch = iterations_per_epoch(cfg)
    length = cfg.SOLVER.SCHEDULER.TOTAL_EPOCHS * epoch
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=cfg.SOLVER.OPTIMIZER.BASE_LR)
    build_scheduler(optimizer, cfg, max_iter=length, iterations_per_epoch=epoch)
    steps = [step * epoch for step in cfg.SOLVER.SCHEDULER.STEPS]
    if "resnext" in name:
        assert (length, steps) == (300 * 390, [150 * 390, 225 * 390])
    else:
        assert length == 63_960
        assert steps == pytest.approx([32_000, 48_000], abs=390)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01 if "resnet110" in name else 0.1)


def test_the_short_recipe_for_cifar_rises_for_5_epochs_and_falls_to_nothing_in_24() -> None:
    cfg = load("vision/cifar/fast94.yaml")
    assert iterations_per_epoch(cfg) == 97
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=cfg.SOLVER.OPTIMIZER.BASE_LR)
    scheduler = build_scheduler(optimizer, cfg, max_iter=24 * 97, iterations_per_epoch=97)
    rates = []
    for _ in range(24 * 97 + 1):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates == pytest.approx(np.interp(np.arange(24 * 97 + 1) / 97, [0, 5, 24], [0.0, 0.4, 0.0]).tolist())


def test_the_page_of_all_keys_is_what_the_code_says(run: Run) -> None:
    run("docs/write_config_page.py", "--check").succeeded()


def test_editors_find_nothing_wrong_in_any_config() -> None:
    validators = {path: Draft7Validator(json.loads(path.read_text(encoding="utf-8"))) for path in (CFGS / "schemas").rglob("*.json")}
    assert len(validators) == len(TASKS)
    used = set()
    for path in CFGS.rglob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        (named,) = re.findall(r"^# yaml-language-server: \$schema=(.*)$", text, re.MULTILINE)
        schema = (path.parent / named).resolve()
        kind = schema.relative_to(CFGS / "schemas").with_suffix("")
        assert path.relative_to(CFGS).is_relative_to(kind), f"{path} names the schema of {kind}"
        assert [f"{path}: {error.message}" for error in validators[schema].iter_errors(yaml.safe_load(text))] == []
        used.add(schema)
    assert used == set(validators)


def test_the_page_of_transforms_has_each_with_its_arguments() -> None:
    text = (ROOT / "docs" / "transforms.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith(("| `", "| **`"))]
    assert [row.split("`")[1] for row in rows if "**" in row] == TRANSFORMS.names()
    assert "| `scale` | `(0.08, 1.0)` |" in text, "of RandomResizedCrop"
    assert "| `MIXUP_ALPHA` | `0.0` |" in text
    wrong = [row for row in rows if len(re.findall(r"(?<!\\)\|", row)) != 4 or len(row.split(" | ")[-1]) < 10]
    assert not wrong, "\n".join(wrong)


def test_every_row_of_the_page_has_five_cells() -> None:
    rows = [line for line in (ROOT / "docs" / "config.md").read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    keys = [row.split("`")[1] for row in rows]
    assert set(keys) == set(all_keys())
    wrong = [row for row in rows if len(re.findall(r"(?<!\\)\|", row)) != 6]
    assert not wrong, "\n".join(wrong)


# every setting is read somewhere


def all_keys() -> list[str]:
    return sorted({key for task in TASKS.values() for key in defaults(task)})


def defaults(task: ModuleType) -> dict[str, object]:
    flat: dict[str, object] = task.get_base_cfg().flat()
    return flat


def read_paths(source: str) -> Iterator[str]:
    """Yield what is read from a config: ``MISC.SEED`` for ``cfg.MISC.SEED``, and for ``a.SEED`` after ``a = cfg.MISC``."""
    tree = ast.parse(source)
    for scope in ast.walk(tree):
        if isinstance(scope, ast.FunctionDef):
            names = dict(local_names(scope))
            for node in ast.walk(scope):
                if isinstance(node, ast.Attribute):
                    yield dotted(node, names)


def local_names(scope: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign):
            target = node.targets[0]
            pairs = zip(target.elts, node.value.elts, strict=True) if is_pair(target, node.value) else [(target, node.value)]
            yield from ((name.id, dotted(value, {})) for name, value in pairs if isinstance(name, ast.Name))


def is_pair(target: ast.expr, value: ast.expr) -> bool:
    return isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)


def dotted(node: ast.expr, names: dict[str, str]) -> str:
    """Return ``SOLVER.AMP`` for the expression ``cfg.SOLVER.AMP``; an empty string for what is no config."""
    if isinstance(node, ast.Attribute):
        before = dotted(node.value, names)
        return f"{before}.{node.attr}".lstrip(".") if before or is_config(node.value) else ""
    return names.get(node.id, "") if isinstance(node, ast.Name) else ""


def is_config(node: ast.expr) -> bool:
    return (isinstance(node, ast.Name) and node.id == "cfg") or (isinstance(node, ast.Attribute) and node.attr in ("cfg", "_cfg"))


def test_reading_is_recognised() -> None:
    source = (
        "def f(cfg):\n    a, b = cfg.SOLVER.AMP, 1\n    if a.DTYPE:\n        return self.cfg.MISC.SEED\n    return other.TRAIN.SHUFFLE\n"
    )
    assert {path for path in read_paths(source) if path} == {"SOLVER", "SOLVER.AMP", "SOLVER.AMP.DTYPE", "MISC", "MISC.SEED"}


def test_every_setting_is_read() -> None:
    sources = [path for folder in ("lib", "pet", "tools") for path in (ROOT / folder).rglob("*.py") if "docs" not in path.parts]
    read = {path for source in sources for path in read_paths(source.read_text(encoding="utf-8"))}
    # head_switches asks for these by the names of the table
    read |= {f"MODEL.{switch}" for switch in HEADS}
    unread = [key for key in all_keys() if key not in read]
    assert not unread, f"nothing reads {', '.join(unread)}"
