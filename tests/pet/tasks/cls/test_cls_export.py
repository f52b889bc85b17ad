"""A fine-tuned classifier as an exported file, with the weights of a run of an earlier version."""

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch

from pet.commands.export_net import export_model
from pet.exporting import ProgramModel
from pet.models.classifiers import build_classifier
from pet.tasks.cls import TASK, config
from petlib.config import load_cfg

CONFIG = """
MODEL: {BACKBONE: timm/test_resnet, NUM_CLASSES: 3}
SOLVER: {SCHEDULER: {TOTAL_ITERS: 1}}
TEST: {TRANSFORMS: [Normalize]}
EXPORT: {SIZE: [64, 64], BATCH: 2}
"""


def test_the_exported_file_gives_the_logits_of_pixels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cfgs" / "tasks" / "cls" / "small.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(CONFIG)
    cfg = load_cfg(config, path, [f"MISC.CKPT={tmp_path}", f"TEST.DATASETS=[{tmp_path / 'gone'}]"])
    torch.manual_seed(0)
    network = build_classifier("timm/test_resnet", num_classes=3).eval()
    # the names that fine-tuned classifiers have had in all versions
    torch.save({f"backbone.{name}": value for name, value in network.state_dict().items()}, tmp_path / "weights.pth")
    assert set(torch.load(tmp_path / "weights.pth")) == set(TASK.build_model(cfg).state_dict())
    out = tmp_path / "model.pt2"
    options = argparse.Namespace(cfg=str(path), type=None, weights=str(tmp_path / "weights.pth"), out=out)
    assert export_model(cfg, options) == 0
    printed = capsys.readouterr().out
    assert "images (2, 3, 64, 64) -> logits" in printed
    assert "random images of a fixed seed, because TEST.DATASETS cannot be read: " in printed
    pixels = torch.randint(0, 256, (2, 3, 64, 64)).float()
    mean, std = (torch.tensor(numbers).view(3, 1, 1) for numbers in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.inference_mode():
        expected = network((pixels / 255 - mean) / std)
    np.testing.assert_allclose(ProgramModel(out)({"images": pixels.numpy()})[0], expected.numpy(), atol=1e-4)
