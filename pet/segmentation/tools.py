"""What the export tools of the segmentation projects do."""

import argparse
from collections.abc import Callable

from pet.export.task import add_export_options as add_export_options
from pet.export.task import choose_weights, print_report
from pet.models.pretrained import load_test_weights
from pet.segmentation.export import export
from pet.segmentation.model import Segmenter, build_model
from petlib.config import CfgNode


def run_export(cfg: CfgNode, options: argparse.Namespace, *, build: Callable[[CfgNode], Segmenter] = build_model) -> int:
    """Export the model that ``build`` makes of the config, with its trained weights, and say what was written."""
    choose_weights(cfg, options.weights)
    model = build(cfg)
    load_test_weights(model, cfg)
    print_report(export(cfg, model, options.out))
    return 0
