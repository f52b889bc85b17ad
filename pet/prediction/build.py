"""A task's model, or an exported file in its place, that looks at whole files."""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from pet.data.targets.kinds import are_whole_image
from pet.export.runtime import find_onnx_weights
from pet.models.pretrained import load_test_weights
from pet.prediction.names import find_names
from pet.prediction.predictors.samples import build_model_samples, build_onnx_samples
from pet.prediction.whole_images import WholeImages
from pet.visual.names import TargetNames
from petlib.config import CfgNode, ConfigError
from petlib.engine.model import prepare_model


def build_whole_images(
    cfg: CfgNode,
    device: torch.device,
    build_model: Callable[[], nn.Module],
    kinds: Sequence[str],
    *,
    window: int = 0,
    names: TargetNames | None = None,
    finish: Callable[[nn.Module], nn.Module] = lambda model: model,
) -> WholeImages:
    """Return a model with the weights of ``TEST.WEIGHTS``, or the exported file that it names, ready to predict files.

    Args:
        cfg: the config.
        device: where the model runs; an exported file runs on the CPU.
        build_model: gives the model with random weights.
        kinds: the kinds of targets that it predicts.
        window: has to be 0: the model looks at whole images.
        names: what the numbers of the model mean; None: what the config and the data say.
        finish: makes of the model with its weights what is tested.

    Raises:
        CheckpointError: the weights are missing or do not fit.
        ConfigError: the network is unknown, or a window is given.
    """
    if window:
        raise ConfigError(f"build_predictor.window: {window} given, but this model looks at whole images; leave it out")
    names = find_names(cfg, kinds) if names is None else names
    exported = find_onnx_weights(cfg)
    if exported is not None:
        return WholeImages(build_onnx_samples(cfg, exported), names)
    model = build_model()
    load_test_weights(model, cfg)
    model = finish(prepare_model(model, cfg, device))
    # images of classifiers are not padded, and those of one's own have any shape
    batch_size = 1 if are_whole_image(kinds) else None
    return WholeImages(build_model_samples(cfg, model, device, kinds, batch_size=batch_size), names)
