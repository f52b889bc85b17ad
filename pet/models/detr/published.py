"""Weights of D-FINE and RF-DETR as transformers publishes them: a repository on Hugging Face, or a folder with its files."""

import logging
import re
from pathlib import Path

import torch
from torch import Tensor

from pet.models.detr.networks import MODULES, load_transformers
from pet.models.detr.sizes import SIZES
from pet.models.torchvision_names import COCO_CATEGORY_IDS, TORCHVISION_COCO_OUTPUTS
from pet.typed import AnyConfig
from petlib.errors import CheckpointError, ConfigError

LIBRARY = "huggingface"
PREFIX = f"{LIBRARY}/"
OUR_NETWORK = "heads.box.network."
CONFIG_FILE = "config.json"

logger = logging.getLogger(__name__)


def is_transformers_weights(source: str) -> bool:
    """Return whether ``source`` is ``huggingface/OWNER/NAME`` or a folder with the files of such a repository."""
    return source.startswith(PREFIX) or (Path(source) / CONFIG_FILE).is_file()


def published_source(cfg: AnyConfig) -> str:
    """Return where the weights of COCO lie that are published for the detector of a config, ``huggingface/OWNER/NAME``.

    Raises:
        ConfigError: it is no detector of transformers.
    """
    detector = cfg.MODEL.BOX.DETECTOR if "BOX" in cfg.MODEL else ""
    if detector not in SIZES:
        raise ConfigError(
            f"TRAIN.WEIGHTS: {LIBRARY}: the network is not one of transformers ({' or '.join(SIZES)} as MODEL.BOX.DETECTOR); "
            "take timm, torchvision or a file"
        )
    size = SIZES[detector][cfg.MODEL.BOX[detector.upper()].SIZE]
    logger.info("the weights that are published for this size are %s, licensed under Apache-2.0", size.weights)
    return PREFIX + size.weights


def published_state(source: str, *, num_classes: int) -> dict[str, Tensor]:
    """Return published weights under the names that they have in our models.

    Args:
        source: see :func:`is_transformers_weights`.
        num_classes: of the model; with 80, those are picked of the 91 outputs of networks that were trained on COCO's ids.

    Raises:
        CheckpointError: they are neither in the cache nor to be had over the network, or are of another network.
        ConfigError: transformers is not installed.
    """
    name = source.removeprefix(PREFIX)
    configs = load_transformers("configuration_utils").PreTrainedConfig
    try:
        config, _ = configs.get_config_dict(name)
        model_type = config.get("model_type", "")
        if model_type not in MODULES:
            raise CheckpointError(f"{source}: the weights of a network {model_type or 'without a type'}; {' or '.join(MODULES)} expected")
        modeling = load_transformers(f"models.{model_type}.modeling_{model_type}")
        state = getattr(modeling, f"{MODULES[model_type]}ForObjectDetection").from_pretrained(name, dtype=torch.float32).state_dict()
    except (OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{source}: the published weights cannot be had: {str(error).partition(chr(10))[0]}\n"
            f"  they come over the network from https://huggingface.co/{name}; without one, put its {CONFIG_FILE} and model.safetensors "
            "into a folder and give that folder"
        ) from error
    # our D-FINE is what theirs calls its model, with the heads of its decoder
    beginning = "model." if model_type == "d_fine" else ""
    return {
        OUR_NETWORK + key.removeprefix(beginning): _coco_outputs(key, value, num_classes)
        for key, value in state.items()
        if key.startswith(beginning)
    }


def _coco_outputs(key: str, value: Tensor, num_classes: int) -> Tensor:
    is_classifier = re.search(r"\b(enc_out_)?class_embed\.(\d+\.)?(weight|bias)$", key) is not None
    if not is_classifier or num_classes != len(COCO_CATEGORY_IDS) or len(value) != TORCHVISION_COCO_OUTPUTS:
        return value
    return value[torch.tensor(COCO_CATEGORY_IDS)]
