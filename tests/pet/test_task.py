"""What every task has: it is found by the path of a config, and FINETUNE works in it."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from pet import segmentation, vision
from pet.models.classifiers import build_classifier, last_layer_names
from pet.projects import buildseg, landcover
from pet.report import ReportHook
from pet.task import Task, find_task
from petlib import solver
from petlib.config import CfgNode, ConfigError, TaskConfig, load_cfg
from petlib.engine import FreezeHook, prepare_model

SETTINGS = """
from petlib.config import PETLIB_SCHEMA, CfgNode

def get_base_cfg():
    return CfgNode(PETLIB_SCHEMA)

def infer_cfg(cfg):
    pass
"""
TASK = """
from pet.task import Task

class Own(Task):
    def build_model(self, cfg):
        return "a model"

TASK = Own()
"""


def make_cfg(config: TaskConfig, **values: Any) -> CfgNode:
    cfg = config.get_base_cfg()
    for name, value in values.items():
        cfg.set(name.replace("__", "."), value)
    config.infer_cfg(cfg)
    cfg.freeze()
    return cfg


def classifier_cfg(**values: Any) -> CfgNode:
    return make_cfg(vision.config, MODEL__HAS_CLS=True, MODEL__BACKBONE="timm/resnet10t", MODEL__NUM_CLASSES=4, **values)


@pytest.fixture
def own_root(tmp_path: Path) -> Iterator[Path]:
    """Give a repository of a user's own, with the task ``shop/dots`` in it; nothing of it stays imported."""
    for name, text in {"shop/dots/config.py": SETTINGS, "shop/dots/task.py": TASK, "cfgs/shop/dots/deep/x.yaml": ""}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    path, before = list(sys.path), set(sys.modules)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if name.split(".")[0] == "shop":
            del sys.modules[name]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("cfgs/vision/digits/resnet20_digits.yaml", vision.TASK),
        ("cfgs/tasks/cls/finetune_resnet18.yaml", vision.TASK),
        ("cfgs/projects/buildseg/unet_R-18_cpu.yaml", buildseg.TASK),
        ("cfgs/projects/fairmot/walkers/fairmot_R-18.yaml", vision.TASK),
        ("cfgs/projects/landcover/fcn_hr18_1024x1024_16k_landcover.yaml", landcover.TASK),
    ],
)
def test_a_task_is_found_by_the_path_of_the_config(config: str, expected: Task) -> None:
    assert find_task(Path(config)) is expected


def test_a_task_of_another_repository_is_found(own_root: Path) -> None:
    task = find_task(own_root / "cfgs/shop/dots/deep/x.yaml")
    assert type(task).__name__ == "Own"
    assert type(task).__module__ == "shop.dots.task"


def test_the_type_names_a_task_where_the_path_does_not(own_root: Path) -> None:
    (own_root / "x.yaml").touch()
    assert find_task(own_root / "x.yaml", type_folder="projects/landcover") is landcover.TASK


def test_what_is_tried_for_a_config_without_task_is_listed(own_root: Path) -> None:
    (own_root / "cfgs/other").mkdir()
    (own_root / "cfgs/other/x.yaml").touch()
    with pytest.raises(ConfigError, match="there is no task for this config") as error:
        find_task(own_root / "cfgs/other/x.yaml")
    assert str(own_root / "other/config.py") in str(error.value)
    assert "pet.other.config" in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no module shop.dots.task"),
        ("TASK = None", "task.py: TASK is None; an object of a subclass of pet.task.Task expected"),
        ("", "task.py: it has no TASK; an object of a subclass of pet.task.Task expected"),
        ("class Own: ...\nTASK = Own", "task.py:2: TASK is the class Own; an object of a subclass of pet.task.Task expected"),
        ("from json import JSONDecoder as TASK", "task.py: TASK is <class 'json.decoder.JSONDecoder'>; an object of"),
        ("TASK = make(", r"task.py:1: SyntaxError: '\(' was never closed\n    TASK = make\("),
        ("TASK = make()", r"task.py:1: NameError: name 'make' is not defined\n    TASK = make\(\)"),
    ],
)
def test_a_task_folder_without_task_is_reported(own_root: Path, text: str | None, message: str) -> None:
    (own_root / "shop/dots/task.py").unlink()
    if text is not None:
        (own_root / "shop/dots/task.py").write_text(text)
    with pytest.raises(ConfigError, match=message):
        find_task(own_root / "cfgs/shop/dots/deep/x.yaml")


def test_settings_without_their_functions_are_reported(own_root: Path) -> None:
    (own_root / "shop/dots/config.py").write_text(SETTINGS.replace("infer_cfg", "infer"))
    with pytest.raises(
        ConfigError, match=r"there is no task for this config\n(.*\n)*.*shop/dots/config.py: it has no infer_cfg; the settings"
    ):
        find_task(own_root / "cfgs/shop/dots/deep/x.yaml")


@pytest.mark.parametrize("ability", ["expected_data", "build_training_data", "build_evaluation", "build_predictor", "export"])
def test_what_a_task_does_not_have_is_reported(own_root: Path, ability: str) -> None:
    task, cfg = find_task(own_root / "cfgs/shop/dots/deep/x.yaml"), vision.config.get_base_cfg()
    arguments: dict[str, tuple[Any, ...]] = {"expected_data": (cfg,), "export": (cfg, None, Path("x.onnx"))}
    with pytest.raises(ConfigError, match=r"shop\.dots\.task\.Own has no "):
        getattr(task, ability)(*arguments.get(ability, (cfg, torch.device("cpu"))))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("timm/resnet18", ["fc"]),
        ("timm/vit_tiny_patch16_224", ["head"]),
        ("timm/deit_tiny_distilled_patch16_224", ["head", "head_dist"]),
        ("torchvision/vgg11", ["classifier.6"]),
        ("resnet20", ["fc"]),
    ],
)
def test_the_last_layer_of_a_classifier_is_found(name: str, expected: list[str]) -> None:
    with torch.device("meta"):
        network = build_classifier(name, num_classes=4)
    assert last_layer_names(network) == expected


def test_rates_of_dropout_reach_the_network() -> None:
    assert vision.TASK.build_model(classifier_cfg(FINETUNE__DROP_RATE=0.3)).backbone.drop_rate == 0.3


def head_names(task: Task, cfg: CfgNode) -> tuple[set[str], set[str]]:
    """Return the names of the parameters that get the rate of the head, and of the others."""
    model = task.build_model(cfg)
    optimizer = solver.build_optimizer(model, cfg, task.build_rules(cfg, model))
    rates = {id(parameter): group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    fast = {name for name, parameter in model.named_parameters() if rates[id(parameter)] == pytest.approx(0.1)}
    slow = {name for name, parameter in model.named_parameters() if rates[id(parameter)] == pytest.approx(0.01)}
    assert len(fast) + len(slow) == len(rates)
    return fast, slow


RATES = {"FINETUNE__HEAD_LR_MULT": 10.0, "SOLVER__OPTIMIZER__BASE_LR": 0.01}


def test_the_last_layer_of_a_classifier_has_a_rate_of_its_own() -> None:
    fast, slow = head_names(vision.TASK, classifier_cfg(**RATES))
    assert fast == {"backbone.fc.weight", "backbone.fc.bias"}
    assert "backbone.conv1.0.weight" in slow


def test_all_outside_of_the_backbone_of_a_detector_has_a_rate_of_its_own() -> None:
    network = {"MODEL__BACKBONE": "timm/test_resnet", "MODEL__NECK": "fpn", "MODEL__HAS_BOX": True, "MODEL__NUM_CLASSES": 2}
    fast, slow = head_names(vision.TASK, make_cfg(vision.config, **network, **RATES))
    assert {name.split(".")[0] for name in fast} == {"neck", "heads"}
    assert {name.split(".")[0] for name in slow} == {"backbone"}


def test_all_outside_of_the_encoder_of_a_segmenter_has_a_rate_of_its_own() -> None:
    network = {"MODEL__NETWORK": "unet", "MODEL__NETWORK_ARGS": {"encoder": "timm/test_resnet"}, "DATA__CLASSES": ["a", "b"]}
    fast, slow = head_names(segmentation.TASK, make_cfg(segmentation.config, **network, **RATES))
    assert all(".encoder." in name or ".backbone." in name for name in slow)
    assert fast
    assert not any(".encoder." in name or ".backbone." in name for name in fast)


def test_a_pattern_of_the_user_says_what_the_head_is() -> None:
    fast, _ = head_names(vision.TASK, classifier_cfg(FINETUNE__HEAD="layer4|fc", **RATES))
    assert {name.split(".")[1] for name in fast} == {"layer4", "fc"}


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("clasifier", "'clasifier' matches no parameter"), ("", "matches every parameter"), ("(", "is no regular expression")],
)
def test_a_head_that_is_not_there_is_reported(pattern: str, message: str) -> None:
    cfg = classifier_cfg(FINETUNE__HEAD=pattern or ".", FINETUNE__FREEZE_EPOCHS=1)
    with pytest.raises(ConfigError, match=f"FINETUNE.HEAD: .*{message}"):
        vision.TASK.build_hooks(cfg, vision.TASK.build_model(cfg))


def test_a_body_frozen_for_good_needs_no_gradients() -> None:
    cfg = classifier_cfg(FINETUNE__FREEZE_EPOCHS=-1)
    model = vision.TASK.build_model(cfg)
    rules = vision.TASK.build_rules(cfg, model)
    prepare_model(model, cfg, torch.device("cpu"), rules)
    learning = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert learning == ["backbone.fc.weight", "backbone.fc.bias"]
    optimized = [parameter for group in solver.build_optimizer(model, cfg, rules).param_groups for parameter in group["params"]]
    assert {id(parameter) for parameter in optimized} == {id(parameter) for parameter in model.backbone.fc.parameters()}


def test_few_labels_teach_the_last_layer_of_a_vision_transformer() -> None:
    """The config of DINOv2 with a tiny transformer in its place, for images of another size than its positions'."""
    path = Path(__file__).parents[2] / "cfgs/tasks/cls/few_labels_dinov2_small.yaml"
    cfg = load_cfg(vision.config, path, ["MODEL.HAS_CLS=True", "MODEL.NUM_CLASSES=3", "MODEL.BACKBONE=timm/test_vit"])
    model = vision.TASK.build_model(cfg)
    prepare_model(model, cfg, torch.device("cpu"), vision.TASK.build_rules(cfg, model))
    learning = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert learning == ["backbone.head.weight", "backbone.head.bias"]
    with torch.no_grad():
        (found,) = model.eval()({"image": torch.zeros(1, 3, 224, 224)})
    assert found["logits"].shape == (3,)


@pytest.mark.parametrize(("epochs", "count"), [(0, 0), (2, 1), (-1, 1)])
def test_a_frozen_body_has_a_hook(epochs: int, count: int, caplog: pytest.LogCaptureFixture) -> None:
    cfg = classifier_cfg(FINETUNE__FREEZE_EPOCHS=epochs)
    hooks = vision.TASK.build_hooks(cfg, vision.TASK.build_model(cfg))
    assert [type(hook) for hook in hooks] == [ReportHook, *[FreezeHook] * count]
    reported = "the body that it freezes has random weights: name trained ones with TRAIN.WEIGHTS" in caplog.text
    assert reported == (epochs != 0)
    caplog.clear()
    cfg = classifier_cfg(FINETUNE__FREEZE_EPOCHS=epochs, TRAIN__WEIGHTS="body.pth")
    vision.TASK.build_hooks(cfg, vision.TASK.build_model(cfg))
    assert not caplog.messages
