"""The table of heads."""

import inspect
from typing import Any

import pytest
import torch

from pet.data.targets.kinds import KINDS
from pet.models.features import Features, HeadOutput, Regions
from pet.vision import GeneralizedCNN, config
from pet.vision.heads import table
from pet.vision.model import add_training_parts
from petlib.config import CfgNode
from petlib.registry import EntryRegistry, import_component


@pytest.mark.parametrize("switch", list(table.HEADS))
def test_every_line_names_what_builds_the_head_and_its_evaluator(switch: str) -> None:
    entry = table.HEADS.get(switch)
    assert list(inspect.signature(import_component(entry.build)).parameters) == ["cfg", "info"]
    assert list(inspect.signature(import_component(entry.build_evaluator)).parameters) == ["cfg", "dataset", "keep_predictions"]
    if entry.trace:
        expected = ["head", "features"] if entry.outputs else ["head", "features", "boxes", "labels"]
        assert list(inspect.signature(import_component(entry.trace)).parameters) == expected


def test_every_kind_of_target_has_fields() -> None:
    assert {kind for head in table.HEADS.entries() for kind in head.targets} <= set(KINDS.names())


def test_every_switch_is_a_key_that_is_off() -> None:
    cfg = config.get_base_cfg()
    assert [cfg.MODEL[switch] for switch in table.HEADS] == [False] * len(table.HEADS)


def with_head(monkeypatch: pytest.MonkeyPatch, entry: table.HeadEntry) -> None:
    """Register ``HAS_MEAN`` for one test."""
    monkeypatch.setattr(table, "HEADS", EntryRegistry("head", {switch: table.HEADS.get(switch) for switch in table.HEADS}))
    table.HEADS.add("HAS_MEAN", entry)


def test_a_new_head_is_an_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mean(torch.nn.Module):
        def forward(self, features: Features, batch: dict[str, object], regions: Regions | None) -> HeadOutput:
            return HeadOutput(losses={"loss_mean": features.stages[-1].mean()})

    with_head(monkeypatch, table.HeadEntry(lambda cfg, info: Mean(), "not_needed:here", "Means.", ("boxes",)))
    cfg: CfgNode = config.get_base_cfg()
    for name, value in {"MODEL.BACKBONE": "timm/test_resnet", "MODEL.HAS_MEAN": True, "MODEL.NUM_CLASSES": 10}.items():
        cfg.set(name, value)
    assert set(GeneralizedCNN(cfg)({"image": torch.rand(2, 3, 64, 64)})["losses"]) == {"loss_mean"}


def test_a_new_head_brings_its_windows_and_what_only_a_training_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mean(torch.nn.Module):
        def look_through_windows(self, extract: Any, batch: dict[str, Any], *, window: int, overlap: float) -> list[dict[str, Any]]:
            stage = extract({"image": batch["image"][..., :window, :window]}).stages[-1]
            return [{"mean": one.mean(), "overlap": overlap} for one in stage]

    def add_teacher(cfg: CfgNode, head: torch.nn.Module) -> None:
        head.teacher = torch.nn.Linear(cfg.MODEL.NUM_CLASSES, 1)

    entry = table.HeadEntry(lambda cfg, info: Mean(), "not_needed:here", "Means.", ("boxes",), windows=True)
    with_head(monkeypatch, entry._replace(add_training_parts=add_teacher, training_parts=("teacher",)))
    cfg: CfgNode = config.get_base_cfg()
    settings = {"MODEL.BACKBONE": "timm/test_resnet", "MODEL.HAS_MEAN": True, "MODEL.NUM_CLASSES": 10, "TEST.SLIDING.SIZE": 32}
    for name, value in settings.items():
        cfg.set(name, value)
    model = GeneralizedCNN(cfg).eval()
    own = set(model.state_dict())
    images = torch.rand(2, 3, 64, 64)
    found = model({"image": images})
    assert [one["mean"] for one in found] == [one.mean() for one in model.backbone(images[..., :32, :32])[-1]]
    assert {one["overlap"] for one in found} == {cfg.TEST.SLIDING.OVERLAP}
    add_training_parts(cfg, model)
    added = set(model.state_dict()) - own
    assert added == {"heads.mean.teacher.weight", "heads.mean.teacher.bias"}
    assert all(name.startswith(model.training_only) for name in added) and not any(name.startswith(model.training_only) for name in own)
