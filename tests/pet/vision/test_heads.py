"""The table of heads."""

import sys
from types import ModuleType

import pytest
import torch

from pet.data.targets.kinds import TARGET_FIELDS
from pet.models.features import Features, HeadOutput, Regions
from pet.vision import GeneralizedCNN, config
from pet.vision.heads import protocol, table
from petlib.config import CfgNode


def test_every_line_names_a_module_with_a_head_and_an_evaluator() -> None:
    for switch in table.HEADS:
        module = protocol.head_module(switch)
        assert callable(module.build_head)
        assert callable(module.build_evaluator)


def test_every_kind_of_target_has_fields() -> None:
    assert {kind for head in table.HEADS.values() for kind in head.targets} <= set(TARGET_FIELDS)


def test_every_switch_is_a_key_that_is_off() -> None:
    cfg = config.get_base_cfg()
    assert [cfg.MODEL[switch] for switch in table.HEADS] == [False] * len(table.HEADS)


def test_a_new_head_is_a_module_and_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mean(torch.nn.Module):
        def forward(self, features: Features, batch: dict[str, object], regions: Regions | None) -> HeadOutput:
            return HeadOutput(losses={"loss_mean": features.stages[-1].mean()})

    module = ModuleType("a_new_head")
    module.__dict__["build_head"] = lambda cfg, info: Mean()
    monkeypatch.setitem(sys.modules, "a_new_head", module)
    monkeypatch.setitem(table.HEADS, "HAS_CLS", table.HeadEntry("a_new_head", "Means.", ("label",)))
    cfg: CfgNode = config.get_base_cfg()
    for name, value in {"MODEL.BACKBONE": "resnet20", "MODEL.HAS_CLS": True, "MODEL.NUM_CLASSES": 10}.items():
        cfg.set(name, value)
    assert set(GeneralizedCNN(cfg)({"image": torch.rand(2, 3, 8, 8)})["losses"]) == {"loss_mean"}
