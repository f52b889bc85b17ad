"""Networks that are small enough to be made and run in a moment."""

from typing import Any

import pytest
import torch

from pet.vision import GeneralizedCNN, config
from petlib.config import CfgNode

pytest.importorskip("transformers")

TINY_DFINE: dict[str, Any] = {
    "backbone_config": {
        "stem_channels": [3, 8, 8],
        "stage_in_channels": [8, 16, 16, 32],
        "stage_mid_channels": [8] * 4,
        "stage_out_channels": [16, 16, 32, 32],
        "hidden_sizes": [16, 16, 32, 32],
        "stage_num_blocks": [1] * 4,
        "stage_numb_of_layers": [1] * 4,
    },
    "encoder_in_channels": [16, 32, 32],
    "encoder_hidden_dim": 32,
    "encoder_ffn_dim": 32,
    "encoder_attention_heads": 2,
    "d_model": 32,
    "decoder_in_channels": [32, 32, 32],
    "decoder_ffn_dim": 32,
    "decoder_attention_heads": 2,
    "decoder_layers": 2,
    "num_queries": 20,
    "num_denoising": 10,
}
TINY_RFDETR: dict[str, Any] = {
    "backbone_config": {
        "hidden_size": 32,
        "num_attention_heads": 2,
        "num_hidden_layers": 2,
        "patch_size": 8,
        "image_size": 96,
        "out_features": ["stage1", "stage2"],
    },
    "d_model": 32,
    "decoder_ffn_dim": 32,
    "decoder_self_attention_heads": 2,
    "decoder_cross_attention_heads": 2,
    "decoder_layers": 2,
    "c2f_num_blocks": 1,
    "num_queries": 10,
    "group_detr": 3,
}
TINY = {"dfine": ("MODEL.BOX.DFINE.ARGS", TINY_DFINE), "rfdetr": ("MODEL.BOX.RFDETR.ARGS", TINY_RFDETR)}
BATCH: dict[str, Any] = {
    "image": torch.randn(4, 3, 64, 96, generator=torch.Generator().manual_seed(0)),
    "boxes": [
        torch.tensor([[4.0, 6, 25, 41], [40, 10, 75, 30]]),
        torch.zeros(0, 4),
        torch.tensor([[50.0, 20, 96, 64]]),
        torch.tensor([[0.0, 0, 30, 30], [20, 20, 60, 60], [70, 5, 90, 60]]),
    ],
    "labels": [torch.tensor([0, 2]), torch.zeros(0, dtype=torch.int64), torch.tensor([1]), torch.tensor([2, 2, 0])],
}


def make_cfg(detector: str, **values: Any) -> CfgNode:
    """Return the config of a tiny network of three classes."""
    key, args = TINY[detector]
    cfg = config.get_base_cfg()
    settings = {"MODEL.HAS_BOX": True, "MODEL.NUM_CLASSES": 3, "MODEL.BOX.DETECTOR": detector, key: args, "TEST.SCORE_THRESHOLD": 0.0}
    for name, value in {**settings, **values}.items():
        cfg.set(name, value)
    config.infer_cfg(cfg)
    return cfg


def make_model(detector: str, **values: Any) -> GeneralizedCNN:
    """Return such a network with the weights of a fixed seed."""
    torch.manual_seed(0)
    return GeneralizedCNN(make_cfg(detector, **values))


def part_of(batch: dict[str, Any], first: int, end: int) -> dict[str, Any]:
    """Return some samples of a batch."""
    return {name: values[first:end] for name, values in batch.items()}
