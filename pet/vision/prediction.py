"""A trained model of the general CNN predicts files."""

from typing import cast

import torch
from torch import Tensor

from pet.exporting.description import ModelDescription
from pet.exporting.runtime import ONNX_SUFFIX, find_onnx_weights
from pet.exporting.task import find_normalize
from pet.models.pretrained import load_test_weights
from pet.models.segmentation.network import SegmentationNetwork
from pet.models.segmentation.sliding_window import view_network
from pet.prediction.build import build_whole_images, find_names
from pet.prediction.predictors.pixels import NetworkPixels, OnnxPixels
from pet.prediction.run import FilePredictor
from pet.prediction.windows import LabelledWindows, WindowSettings
from pet.typed import VisionConfig
from pet.vision.export import PlainNetwork
from pet.vision.heads.table import cannot_look_through_windows, head_switches
from pet.vision.model import GeneralizedCNN, expected_data
from pet.vision.test_time import build_test_model
from pet.visual.names import TargetNames
from petlib.config import ConfigError
from petlib.engine.model import prepare_model
from petlib.solver.precision import build_mixed_precision

CHANNELS = 3


class PixelHeadNetwork(SegmentationNetwork):
    """A general CNN whose one head gives pixels classes, as a network of images.

    Args:
        model: with the head ``HAS_SEMSEG`` alone.
    """

    def __init__(self, model: GeneralizedCNN) -> None:
        super().__init__(stride=1)
        self.plain = PlainNetwork(model)

    def predict(self, images: Tensor, images2: Tensor | None = None) -> list[Tensor]:
        """Return the logits (B, K, H, W) of normalised images."""
        assert images2 is None, "the general CNN looks at one image"
        return list(self.plain(images))


def build_predictor(cfg: VisionConfig, device: torch.device, *, window: int = 0) -> FilePredictor:
    """Return the model with the weights of ``TEST.WEIGHTS``, or the exported file that it names, ready to predict files.

    Args:
        cfg: the config.
        device: where the model runs; an exported file runs on the CPU.
        window: edge of the windows that images are looked at through, pixels: those of pixels alone at their own resolution, others
            after ``TEST.TRANSFORMS``. 0: as ``TEST.SLIDING.SIZE`` says, of pixels at whole images.

    Raises:
        CheckpointError: the weights are missing or do not fit.
        ConfigError: the network is unknown, or does not look through windows, or ``window`` is no size.
    """
    if window < 0:
        raise ConfigError(f"build_predictor.window: {window} given, a number of pixels expected, or 0 for what the config says")
    if window and cannot_look_through_windows(cfg):
        raise ConfigError(
            f"build_predictor.window: {window} given, but MODEL.{cannot_look_through_windows(cfg)} is True, which does not look through "
            "windows; leave it out"
        )
    if window and head_switches(cfg) == ["HAS_SEMSEG"]:
        return _build_windows(cfg, device, window)
    size = window or cfg.TEST.SLIDING.SIZE
    if size and cfg.MODEL.HAS_BOX and cfg.TEST.WEIGHTS.lower().endswith(ONNX_SUFFIX):
        raise ConfigError(
            f"build_predictor.window: {size} given (or TEST.SLIDING.SIZE), but {cfg.TEST.WEIGHTS} is an exported file, which looks at "
            "whole images; set it to 0, or take the weights that were exported"
        )
    return build_whole_images(
        cfg,
        device,
        lambda: _build_network(cfg, window),
        expected_data(cfg).kinds,
        keypoint_labels=frozenset(cfg.MODEL.KEYPOINTS.LABELS),
        part_labels=frozenset(cfg.MODEL.PARSING.LABELS),
        finish=lambda model: build_test_model(cast("GeneralizedCNN", model), cfg),
    )


def _build_network(cfg: VisionConfig, window: int) -> GeneralizedCNN:
    network = GeneralizedCNN(cfg)
    if window:
        network.window, network.overlap = window, cfg.TEST.SLIDING.OVERLAP
    return network


def _build_windows(cfg: VisionConfig, device: torch.device, window: int) -> LabelledWindows:
    kinds, settings = expected_data(cfg).kinds, WindowSettings(size=window, overlap=cfg.TEST.SLIDING.OVERLAP)
    exported = find_onnx_weights(cfg)
    if exported is not None:
        pixels = OnnxPixels(exported)
        return LabelledWindows(pixels, settings, find_names(cfg, kinds, pixels.description.names))
    network = GeneralizedCNN(cfg)
    names = find_names(cfg, kinds, load_test_weights(network, cfg))
    prepare_model(network, cfg, device)
    return LabelledWindows(_build_pixels(cfg, device, network, names), settings, names)


def _build_pixels(cfg: VisionConfig, device: torch.device, network: GeneralizedCNN, names: TargetNames) -> NetworkPixels:
    normalize = find_normalize(cfg)
    return NetworkPixels(
        network=view_network(PixelHeadNetwork(network), cfg),
        description=ModelDescription(tuple(names.semseg_classes), normalize.mean, normalize.std, normalize.maximum),
        num_images=1,
        num_channels=CHANNELS,
        device=device,
        autocast=build_mixed_precision(cfg, device).autocast,
    )
