"""A fine-tuned classifier predicts files."""

import torch

from pet.export.runtime import find_onnx_weights
from pet.models.pretrained import load_test_weights
from pet.prediction.names import find_names
from pet.prediction.predictors.samples import build_model_samples, build_onnx_samples
from pet.prediction.whole_images import WholeImages
from pet.tasks.cls.model import build_model
from petlib.config import CfgNode, ConfigError
from petlib.engine.run import prepare_model

KINDS = ("label",)


def build_predictor(cfg: CfgNode, device: torch.device, *, window: int = 0) -> WholeImages:
    """Return the model with the weights of ``TEST.WEIGHTS``, or the exported file that it names, ready to predict files.

    Args:
        cfg: the config.
        device: where the model runs; an exported file runs on the CPU.
        window: has to be 0: a class belongs to a whole image.

    Raises:
        CheckpointError: the weights are missing or do not fit.
        ConfigError: the network is unknown, or a window is given.
    """
    if window:
        raise ConfigError(f"window: {window} given, but a classifier looks at whole images; leave it out")
    names = find_names(cfg, KINDS)
    exported = find_onnx_weights(cfg)
    if exported is not None:
        return WholeImages(build_onnx_samples(cfg, exported), names)
    model = build_model(cfg)
    load_test_weights(model, cfg)
    # images of one's own have any shape
    return WholeImages(build_model_samples(cfg, prepare_model(model, cfg, device), device, KINDS, batch_size=1), names)
