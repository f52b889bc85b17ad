"""A fine-tuned classifier becomes a file that runs without Pet."""

import argparse
from pathlib import Path

from pet.export.classifier import export_classifier
from pet.export.task import choose_weights, print_report
from pet.models.pretrained import load_test_weights
from pet.tasks.cls.model import build_model
from petlib.config import CfgNode


def run_export(cfg: CfgNode, options: argparse.Namespace) -> int:
    """Export the model of the config with its trained weights, which have to fit in every name and shape, and say what was written.

    Raises:
        CheckpointError: there are no weights, or they belong to another network.
        ConfigError: the network cannot be exported, or the file does not give what PyTorch gives.
    """
    choose_weights(cfg, options.weights)
    model = build_model(cfg)
    load_test_weights(model, cfg)
    print_report(export_classifier(cfg, model.eval().backbone, options.out or Path(cfg.MISC.CKPT) / "model.onnx"))
    return 0
