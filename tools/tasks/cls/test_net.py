"""Tests a trained model of ``pet.tasks.cls``; the last line is the result."""

from pathlib import Path

from pet import models
from pet.tasks import cls
from petlib import engine
from petlib.config import CfgNode
from petlib.launch import run_script


def test(cfg: CfgNode) -> None:
    """Measure the model of ``MISC.CKPT`` or ``TEST.WEIGHTS`` on ``TEST.DATASETS``; results go to ``MISC.CKPT/test``."""
    with engine.open_run(cfg, record="test/config.yaml") as device:
        model = cls.build_model(cfg)
        models.load_test_weights(model, cfg)
        model = engine.prepare_model(model, cfg, device)
        evaluation = cls.build_evaluation(cfg, device)
        evaluation.test(model, Path(cfg.MISC.CKPT) / "test")


if __name__ == "__main__":
    run_script(test, task=cls.config)
