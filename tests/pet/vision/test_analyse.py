"""The line about size and cost of a model."""

import logging

import pytest
import torch

from pet.models import analyse
from pet.vision import GeneralizedCNN, config
from petlib.config import CfgNode


def make_cfg(backbone: str, size: int, enabled: bool) -> CfgNode:
    cfg = config.get_base_cfg()
    values = {"MODEL.BACKBONE": backbone, "MODEL.HAS_CLS": True, "MODEL.NUM_CLASSES": 1000}
    values |= {"TRAIN.RESIZE.SCALES": [size], "ANALYSER.ENABLED": enabled}
    for name, value in values.items():
        cfg.set(name, value)
    return cfg


def test_resnet18_at_224_as_in_the_literature(caplog: pytest.LogCaptureFixture) -> None:
    cfg = make_cfg("timm/resnet18", 224, enabled=True)
    model = GeneralizedCNN(cfg)
    with caplog.at_level(logging.INFO):
        analyse(model, cfg)
    assert "for an image of 224 x 224: Params: 11.6895M | FLOPs: 18" in caplog.text
    flops = float(caplog.text.partition("FLOPs: ")[2].partition("M")[0])
    assert flops == pytest.approx(1820, rel=0.03)


def test_the_run_is_the_same_with_and_without(caplog: pytest.LogCaptureFixture) -> None:
    drawn = []
    for enabled in (True, False):
        torch.manual_seed(0)
        cfg = make_cfg("resnet20", 16, enabled=enabled)
        model = GeneralizedCNN(cfg)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        analyse(model, cfg)
        assert set(model.state_dict()) == set(before)
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
        drawn.append(torch.rand(3))
    assert torch.equal(*drawn)
