"""Tests a trained model of ``pet.vision``; the last line is the result."""

from pathlib import Path

from pet import models, vision
from petlib import engine
from petlib.config import CfgNode
from petlib.launch import run_script


def test(cfg: CfgNode) -> None:
    """Measure the model of ``MISC.CKPT`` or ``TEST.WEIGHTS`` on ``TEST.DATASETS``; results go to ``MISC.CKPT/test``."""
    with engine.open_run(cfg, record="test/config.yaml") as device:
        model = vision.GeneralizedCNN(cfg)
        models.load_test_weights(model, cfg)
        model = vision.build_test_model(engine.prepare_model(model, cfg, device), cfg)
        evaluation = vision.build_evaluation(cfg, device)
        evaluation.test(model, Path(cfg.MISC.CKPT) / "test")


if __name__ == "__main__":
    run_script(test, task=vision.config)
