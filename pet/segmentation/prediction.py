"""A trained segmenter predicts files."""

from collections.abc import Callable

import torch

from pet.exporting.runtime import find_onnx_weights
from pet.models.pretrained import load_test_weights
from pet.models.segmentation.sliding_window import view_network
from pet.prediction.predictors.pixels import NetworkPixels, OnnxPixels, PixelPredictor
from pet.prediction.windows import LabelledWindows, WindowSettings
from pet.segmentation.model import WINDOW, Segmenter, build_model, describe_model
from pet.typed import SegmentationConfig
from petlib.solver.precision import build_mixed_precision


def build_predictor(
    cfg: SegmentationConfig, device: torch.device, *, window: int = 0, build: Callable[[SegmentationConfig], Segmenter] = build_model
) -> LabelledWindows:
    """Return the model with the weights of ``TEST.WEIGHTS``, or the exported file that it names, ready to predict files.

    Args:
        cfg: the config.
        device: where the network runs; an exported file runs on the CPU.
        window: edge of the windows that images are looked at through, pixels; 0: ``TEST.SLIDING.SIZE``, else 1024.
        build: gives the model with random weights.

    Raises:
        CheckpointError: there are no weights, or they do not fit.
        ConfigError: ``TEST.TRANSFORMS`` does not end with ``Normalize``.
    """
    windows = WindowSettings(size=window or cfg.TEST.SLIDING.SIZE or WINDOW, overlap=cfg.TEST.SLIDING.OVERLAP)
    exported = find_onnx_weights(cfg)
    predictor = OnnxPixels(exported) if exported is not None else _build_network(cfg, device, build)
    return LabelledWindows(predictor, windows, predictor.description.target_names())


def _build_network(cfg: SegmentationConfig, device: torch.device, build: Callable[[SegmentationConfig], Segmenter]) -> PixelPredictor:
    model = build(cfg)
    names = load_test_weights(model, cfg)
    return NetworkPixels(
        network=view_network(model.network, cfg),
        description=describe_model(cfg).with_names(names),
        num_images=cfg.DATA.NUM_IMAGES,
        num_channels=cfg.MODEL.IN_CHANNELS,
        device=device,
        autocast=build_mixed_precision(cfg, device).autocast,
    )
