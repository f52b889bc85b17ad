"""Bodies of DINOv2, DINOv3 and EVA-02 by their names in timm: made small, they give the configs for few labels a last layer that learns."""

import pytest
import torch

from pet.tasks import cls
from petlib import engine
from petlib.config import load_cfg
from tests.integration.conftest import ROOT

SMALL = "depth: 1, embed_dim: 48, num_heads: 2"


@pytest.mark.parametrize(("name", "args"), [("dinov2", "dynamic_img_size: True, "), ("dinov3", ""), ("eva02", "")])
def test_only_the_last_layer_learns(name: str, args: str) -> None:
    overrides = [f"MODEL.BACKBONE_ARGS={{{args}{SMALL}}}", "MODEL.NUM_CLASSES=3", "TRAIN.AUTO_RESUME=False"]
    cfg = load_cfg(cls.config, ROOT / "cfgs" / "tasks" / "cls" / f"few_labels_{name}_small.yaml", overrides)
    model = cls.TASK.build_model(cfg)
    engine.prepare_model(model, cfg, torch.device("cpu"), cls.TASK.build_rules(cfg, model))
    losses = model.train()({"image": torch.randn(2, 3, 224, 224), "label": torch.tensor([0, 2])})["losses"]
    torch.stack([*losses.values()]).sum().backward()
    learning = {parameter for parameter, value in model.named_parameters() if value.grad is not None}
    assert learning == {"backbone.head.weight", "backbone.head.bias"}
