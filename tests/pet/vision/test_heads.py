"""The table of heads."""

import inspect

import pytest
import torch

from pet.data.targets.kinds import KINDS
from pet.models.features import Features, HeadOutput, Regions
from pet.vision import GeneralizedCNN, config
from pet.vision.heads import table
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


def test_a_new_head_is_an_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mean(torch.nn.Module):
        def forward(self, features: Features, batch: dict[str, object], regions: Regions | None) -> HeadOutput:
            return HeadOutput(losses={"loss_mean": features.stages[-1].mean()})

    entries = {switch: table.HEADS.get(switch) for switch in table.HEADS}
    monkeypatch.setattr(table, "HEADS", EntryRegistry("head", entries))
    table.HEADS.add("HAS_MEAN", table.HeadEntry(lambda cfg, info: Mean(), "not_needed:here", "Means.", ("boxes",)))
    cfg: CfgNode = config.get_base_cfg()
    for name, value in {"MODEL.BACKBONE": "timm/test_resnet", "MODEL.HAS_MEAN": True, "MODEL.NUM_CLASSES": 10}.items():
        cfg.set(name, value)
    assert set(GeneralizedCNN(cfg)({"image": torch.rand(2, 3, 64, 64)})["losses"]) == {"loss_mean"}
