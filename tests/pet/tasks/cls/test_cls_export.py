"""A fine-tuned classifier as an exported file."""

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch

from pet.export import ProgramModel
from pet.tasks.cls import build_model, config
from pet.tasks.cls.export import run_export


def test_the_exported_file_gives_the_logits_of_pixels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cfg = config.get_base_cfg()
    values = {
        "MODEL.BACKBONE": "timm/test_resnet",
        "MODEL.NUM_CLASSES": 3,
        "TEST.DATASETS": [str(tmp_path / "gone")],
        "TEST.TRANSFORMS": ["Normalize"],
        "EXPORT.SIZE": [64, 64],
        "EXPORT.BATCH": 2,
        "MISC.CKPT": str(tmp_path),
    }
    for key, value in values.items():
        cfg.set(key, value)
    config.infer_cfg(cfg)
    cfg.freeze()
    torch.manual_seed(0)
    model = build_model(cfg).eval()
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    out = tmp_path / "model.pt2"
    assert run_export(cfg, argparse.Namespace(weights=str(tmp_path / "weights.pth"), out=out)) == 0
    printed = capsys.readouterr().out
    assert "images (2, 3, 64, 64) -> logits" in printed
    assert "random images of a fixed seed, because TEST.DATASETS cannot be read: " in printed
    pixels = torch.randint(0, 256, (2, 3, 64, 64)).float()
    mean, std = (torch.tensor(numbers).view(3, 1, 1) for numbers in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.inference_mode():
        expected = model.backbone((pixels / 255 - mean) / std)
    np.testing.assert_allclose(ProgramModel(out)({"images": pixels.numpy()})[0], expected.numpy(), atol=1e-4)
