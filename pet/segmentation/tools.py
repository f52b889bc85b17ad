"""What the tools of the segmentation projects do: export and prediction, from the command line."""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch

from pet.data.loading.build import prepare_readers
from pet.export.runtime import OnnxModel
from pet.export.task import add_export_options as add_export_options
from pet.export.task import choose_weights, print_report
from pet.models.pretrained import load_test_weights
from pet.segmentation.export import describe_model, export
from pet.segmentation.model import Segmenter, build_model
from pet.segmentation.prediction.inputs import find_images
from pet.segmentation.prediction.predictors import NetworkPredictor, OnnxPredictor, Predictor
from pet.segmentation.prediction.run import WindowSettings, predict_files
from pet.visual.settings import build_draw_settings
from petlib import engine
from petlib.config import CfgNode, ConfigError
from petlib.errors import DataError
from petlib.solver.precision import build_mixed_precision


def run_export(cfg: CfgNode, options: argparse.Namespace, *, build: Callable[[CfgNode], Segmenter] = build_model) -> int:
    """Export the model that ``build`` makes of the config, with its trained weights, and say what was written."""
    choose_weights(cfg, options.weights)
    model = build(cfg)
    load_test_weights(model, cfg)
    print_report(export(cfg, model, options.out))
    return 0


def add_predict_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a prediction."""
    parser.add_argument("--images", required=True, metavar="PATH", help="a folder, a file or a pattern in quotes; GeoTIFFs too")
    parser.add_argument("--images2", default="", metavar="PATH", help="the later date of each image, for change detection")
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="where the results go")
    parser.add_argument("--weights", default="", metavar="FILE", help="a checkpoint (default: what TEST.WEIGHTS says)")
    parser.add_argument("--onnx", default="", metavar="FILE", help="an exported file instead of a checkpoint")
    parser.add_argument("--window", type=int, default=0, metavar="PIXELS", help="edge of a window (default: TEST.SLIDING.SIZE, else 1024)")
    parser.add_argument("--polygons", action="store_true", help="also write polygons as GeoJSON")


def run_predict(cfg: CfgNode, options: argparse.Namespace, *, build: Callable[[CfgNode], Segmenter] = build_model) -> int:
    """Predict the images with the model that ``build`` makes of the config and say what was written."""
    # slow, and only needed here
    from rich.progress import Progress

    if options.onnx and options.weights:
        raise ConfigError("--onnx and --weights are both given; one of them says what predicts")
    inputs = find_images(options.images, options.images2)
    windows = WindowSettings(size=options.window or cfg.TEST.SLIDING.SIZE or WindowSettings.size, overlap=cfg.TEST.SLIDING.OVERLAP)
    choose_weights(cfg, options.weights)
    with engine.open_run(cfg, record=str(options.out.absolute() / "config.yaml")) as device:
        prepare_readers(cfg)
        predictor = OnnxPredictor(OnnxModel(options.onnx)) if options.onnx else build_predictor(cfg, build(cfg), device)
        with Progress(transient=True) as bar:
            task = bar.add_task("prediction", total=len(inputs))
            summary = predict_files(
                predictor,
                inputs,
                options.out,
                windows=windows,
                drawing=build_draw_settings(cfg),
                polygons=options.polygons,
                progress=lambda share: bar.advance(task, share),
            )
    print(f"{summary.images} image{'' if summary.images == 1 else 's'}; results are in {options.out}")
    if summary.unreadable:
        print(f"{len(summary.unreadable)} left out, not to be read")
    if not summary.images:
        raise DataError(f"--images {options.images}: none of the files can be read; the first: {summary.unreadable[0]}")
    return 0


def build_predictor(cfg: CfgNode, model: Segmenter, device: torch.device) -> Predictor:
    """Return the model with the weights of ``MISC.CKPT`` or ``TEST.WEIGHTS``, ready to predict files.

    Raises:
        CheckpointError: there are no weights, or they do not fit.
        ConfigError: ``TEST.TRANSFORMS`` does not end with ``Normalize``.
    """
    load_test_weights(model, cfg)
    return NetworkPredictor(
        network=model.network,
        description=describe_model(cfg),
        num_images=cfg.DATA.NUM_IMAGES,
        num_channels=cfg.MODEL.IN_CHANNELS,
        device=device,
        autocast=build_mixed_precision(cfg, device).autocast,
    )
