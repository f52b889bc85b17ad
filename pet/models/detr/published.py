"""Weights of D-FINE and RF-DETR as transformers publishes them: a repository on Hugging Face, or a folder with its files."""

import re
from pathlib import Path

import torch
from torch import Tensor

from pet.models.detr.networks import MODULES, load_transformers
from pet.models.detr.sizes import SIZES
from pet.models.torchvision_names import COCO_CATEGORY_IDS, TORCHVISION_COCO_OUTPUTS
from pet.models.zoo.sources import HUGGINGFACE
from pet.models.zoo.table import sized_models
from pet.typed import AnyConfig
from petlib.errors import CheckpointError, ConfigError

OUR_NETWORK = "heads.box.network."
CONFIG_FILE = "config.json"
WITH_MASKS = "ForInstanceSegmentation"
"""End of the name of the classes whose networks find masks too."""


def is_transformers_folder(folder: Path) -> bool:
    """Return whether a folder has the files of a repository of transformers."""
    return (folder / CONFIG_FILE).is_file()


def repository_of(cfg: AnyConfig) -> str:
    """Return the repository with the weights of COCO that are published for the detector of a config, ``OWNER/NAME``.

    Raises:
        ConfigError: it is no detector of transformers.
    """
    detector = cfg.MODEL.BOX.DETECTOR if "BOX" in cfg.MODEL else ""
    if detector not in SIZES:
        raise ConfigError(
            f"TRAIN.WEIGHTS: huggingface: the network is not one of transformers ({' or '.join(SIZES)} as MODEL.BOX.DETECTOR); "
            "take timm, torchvision or a file"
        )
    return sized_models(detector)[cfg.MODEL.BOX[detector.upper()].SIZE].weights.removeprefix(HUGGINGFACE)


def read_transformers_folder(folder: Path, *, num_classes: int) -> dict[str, Tensor]:
    """Return the weights of a folder under the names that they have in our models.

    Args:
        folder: with ``config.json`` and ``model.safetensors``.
        num_classes: of the model; with 80, those are picked of the 91 outputs of networks that were trained on COCO's ids.

    Raises:
        CheckpointError: they cannot be read, or are of another network.
        ConfigError: transformers is not installed.
    """
    configs = load_transformers("configuration_utils").PreTrainedConfig
    try:
        config, _ = configs.get_config_dict(str(folder))
        model_type = config.get("model_type", "")
        if model_type not in MODULES:
            raise CheckpointError(f"{folder}: the weights of a network {model_type or 'without a type'}; {' or '.join(MODULES)} expected")
        modeling = load_transformers(f"models.{model_type}.modeling_{model_type}")
        kind = next(
            (one for one in config.get("architectures") or [] if one.endswith(WITH_MASKS)), f"{MODULES[model_type]}ForObjectDetection"
        )
        state = getattr(modeling, kind).from_pretrained(str(folder), dtype=torch.float32).state_dict()
    except (OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{folder}: the weights cannot be read: {str(error).partition(chr(10))[0]}\n"
            f"  {CONFIG_FILE} and model.safetensors of one repository belong into that folder"
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
