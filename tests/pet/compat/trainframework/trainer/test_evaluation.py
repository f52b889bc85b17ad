import json
from pathlib import Path
from typing import Any

import pytest
import torch

from pet.compat.trainframework.trainer.trainer import FiguresEvaluator
from petlib.errors import ConfigError


def batch(size: int) -> dict[str, Any]:
    return {"meta": [{}] * size}


def test_figures_are_weighted_with_the_samples_of_their_batch(tmp_path: Path) -> None:
    evaluator = FiguresEvaluator(model="M")
    evaluator.update(batch(3), {"psnr": torch.tensor(20.0), "ssim": 0.5})
    evaluator.update(batch(1), {"psnr": torch.tensor(28.0), "ssim": 0.9})
    assert evaluator.compute() == pytest.approx({"val/psnr": 22.0, "val/ssim": 0.6})
    assert evaluator.summary() == "val/psnr: 22.0000 | val/ssim: 0.6000"
    evaluator.write(tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))["val/psnr"] == 22.0


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        (None, "M.evaluate_step returned None; names and numbers expected"),
        ([1.0], r"M.evaluate_step returned \[1.0\]; names and numbers expected"),
        ({"psnr": torch.ones(2)}, r"M.evaluate_step: psnr has the shape \(2,\); one number expected"),
        ({"ssim": 1.0}, "M.evaluate_step returned ssim, and before psnr"),
    ],
)
def test_what_are_no_figures(figures: Any, message: str) -> None:
    evaluator = FiguresEvaluator(model="M")
    evaluator.update(batch(1), {"psnr": 1.0})
    with pytest.raises(ConfigError, match=message):
        evaluator.update(batch(1), figures)
