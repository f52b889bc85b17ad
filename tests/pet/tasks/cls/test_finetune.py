"""Freezing, rates and numbers of classes of a fine-tuning."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from pet.models import build_classifier
from pet.tasks.cls import FineTunedClassifier, FreezeHook, build_freeze_hooks, build_model, build_optimizer, config
from pet.tasks.cls.model import classifier_names
from petlib.config import CfgNode
from petlib.engine import TrainState


def make_cfg(**values: Any) -> CfgNode:
    cfg = config.get_base_cfg()
    settings = {"MODEL.BACKBONE": "timm/resnet10t", "MODEL.NUM_CLASSES": 4} | values
    for name, value in settings.items():
        cfg.set(name, value)
    config.infer_cfg(cfg)
    return cfg


def make_batch() -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    return {"image": torch.rand(4, 3, 32, 32, generator=generator), "label": torch.arange(4)}


def make_state(model: FineTunedClassifier, iteration: int = 0) -> TrainState:
    """Return what the hook looks at, at three iterations an epoch."""
    return cast(TrainState, SimpleNamespace(network=model, iteration=iteration, epoch=iteration // 3))


def backward(model: FineTunedClassifier) -> None:
    model(make_batch())["losses"]["loss_cls"].backward()


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
def test_the_classifier_is_found(name: str, expected: list[str]) -> None:
    with torch.device("meta"):
        network = build_classifier(name, num_classes=4)
    assert classifier_names(network) == expected


def test_rates_reach_the_network() -> None:
    model = build_model(make_cfg(**{"FINETUNE.DROP_RATE": 0.3}))
    assert model.backbone.drop_rate == 0.3


def test_a_body_frozen_for_good_has_no_gradients_and_keeps_its_statistics() -> None:
    model = build_model(make_cfg(**{"FINETUNE.FREEZE_EPOCHS": -1})).train()
    statistics = model.backbone.bn1.running_mean.clone()
    backward(model)
    assert all(parameter.grad is None for parameter in model.body_parameters())
    assert model.backbone.fc.weight.grad is not None
    assert torch.equal(model.backbone.bn1.running_mean, statistics)
    assert model.training
    assert model.backbone.fc.training


def test_a_body_frozen_for_the_first_epochs_learns_afterwards() -> None:
    model = build_model(make_cfg(**{"FINETUNE.FREEZE_EPOCHS": 2}))
    (hook,) = build_freeze_hooks(make_cfg(**{"FINETUNE.FREEZE_EPOCHS": 2}))
    assert isinstance(hook, FreezeHook)
    learns = []
    for iteration in (0, 5, 6):
        state = make_state(model, iteration)
        hook.before_epoch(state)
        model.zero_grad()
        backward(model)
        hook.after_backward(state)
        assert model.backbone.fc.weight.grad is not None
        learns.append((model.backbone.conv1[0].weight.grad is not None, model.backbone.bn1.training))
    assert learns == [(False, False), (False, False), (True, True)]


def test_a_frozen_body_stays_in_evaluation_mode_after_an_evaluation() -> None:
    model = build_model(make_cfg())
    FreezeHook(epochs=1).before_epoch(make_state(model))
    model.eval()
    model.train()
    assert not model.backbone.bn1.training


@pytest.mark.parametrize("epochs", [0, -1])
def test_no_hook_where_nothing_changes_in_training(epochs: int) -> None:
    assert build_freeze_hooks(make_cfg(**{"FINETUNE.FREEZE_EPOCHS": epochs})) == []


def test_the_classifier_has_a_rate_of_its_own() -> None:
    cfg = make_cfg(**{"FINETUNE.HEAD_LR_MULT": 10.0, "SOLVER.OPTIMIZER.BASE_LR": 0.01})
    cfg.freeze()
    model = build_model(cfg)
    optimizer = build_optimizer(model, cfg)
    rates = {id(parameter): group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    assert rates[id(model.backbone.fc.weight)] == rates[id(model.backbone.fc.bias)] == pytest.approx(0.1)
    assert {rates[id(parameter)] for parameter in model.body_parameters()} == {0.01}


def test_only_the_classifier_is_optimized_with_a_frozen_body() -> None:
    cfg = make_cfg(**{"FINETUNE.FREEZE_EPOCHS": -1})
    model = build_model(cfg)
    optimized = [parameter for group in build_optimizer(model, cfg).param_groups for parameter in group["params"]]
    assert {id(parameter) for parameter in optimized} == {id(parameter) for parameter in model.backbone.fc.parameters()}
