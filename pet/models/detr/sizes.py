"""The published sizes of D-FINE and RF-DETR: their networks in the words of transformers. Imports no torch."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class PublishedSize(NamedTuple):
    """A network as its authors published it.

    Attributes:
        config: fields of its config in transformers that differ from the defaults there.
        resolution: height and width of the images that it was trained on, pixels.
    """

    config: Mapping[str, Any]
    resolution: int


def _hgnet(
    *,
    stem: tuple[int, int, int],
    stages: tuple[tuple[int, int, int, int], tuple[int, int, int, int], tuple[int, int, int, int]],
    blocks: tuple[int, int, int, int],
    layers: int,
    affine: bool,
    out: tuple[int, ...] = (2, 3, 4),
) -> dict[str, Any]:
    """Return an HGNetV2; ``stages``: channels that go into, are inside of and come out of its four stages."""
    inputs, middle, outputs = stages
    return {
        "model_type": "hgnet_v2",
        "stem_channels": list(stem),
        "stage_in_channels": list(inputs),
        "stage_mid_channels": list(middle),
        "stage_out_channels": list(outputs),
        "hidden_sizes": list(outputs),
        "stage_num_blocks": list(blocks),
        "stage_numb_of_layers": [layers] * 4,
        "stage_downsample": [False, True, True, True],
        "stage_light_block": [False, False, True, True],
        "stage_kernel_size": [3, 3, 5, 5],
        "use_learnable_affine_block": affine,
        "out_indices": list(out),
    }


_B0 = ((16, 64, 256, 512), (16, 32, 64, 128), (64, 256, 512, 1024))
_B2 = ((32, 96, 384, 768), (32, 64, 128, 256), (96, 384, 768, 1536))
_B4 = ((48, 128, 512, 1024), (48, 96, 192, 384), (128, 512, 1024, 2048))
_B5 = ((64, 128, 512, 1024), (64, 128, 256, 512), (128, 512, 1024, 2048))

DFINE_SIZES: Mapping[str, PublishedSize] = {
    "n": PublishedSize(
        {
            "backbone_config": _hgnet(stem=(3, 16, 16), stages=_B0, blocks=(1, 1, 2, 1), layers=3, affine=True, out=(3, 4)),
            "num_feature_levels": 2,
            "feat_strides": [16, 32],
            "encoder_in_channels": [512, 1024],
            "encoder_hidden_dim": 128,
            "encoder_ffn_dim": 512,
            "encode_proj_layers": [1],
            "d_model": 128,
            "decoder_in_channels": [128, 128],
            "decoder_ffn_dim": 512,
            "decoder_n_points": [6, 6],
            "decoder_layers": 3,
            "depth_mult": 0.5,
            "hidden_expansion": 0.34,
        },
        640,
    ),
    "s": PublishedSize(
        {
            "backbone_config": _hgnet(stem=(3, 16, 16), stages=_B0, blocks=(1, 1, 2, 1), layers=3, affine=True),
            "encoder_in_channels": [256, 512, 1024],
            "decoder_n_points": [3, 6, 3],
            "decoder_layers": 3,
            "depth_mult": 0.34,
            "hidden_expansion": 0.5,
        },
        640,
    ),
    "m": PublishedSize(
        {
            "backbone_config": _hgnet(stem=(3, 24, 32), stages=_B2, blocks=(1, 1, 3, 1), layers=4, affine=True),
            "encoder_in_channels": [384, 768, 1536],
            "decoder_n_points": [3, 6, 3],
            "decoder_layers": 4,
            "depth_mult": 0.67,
        },
        640,
    ),
    "l": PublishedSize(
        {
            "backbone_config": _hgnet(stem=(3, 32, 48), stages=_B4, blocks=(1, 1, 3, 1), layers=6, affine=False),
            "decoder_n_points": [3, 6, 3],
            "decoder_layers": 6,
        },
        640,
    ),
    "x": PublishedSize(
        {
            "backbone_config": _hgnet(stem=(3, 32, 64), stages=_B5, blocks=(1, 2, 5, 2), layers=6, affine=False),
            "encoder_hidden_dim": 384,
            "encoder_ffn_dim": 2048,
            "decoder_in_channels": [384, 384, 384],
            "decoder_n_points": [3, 6, 3],
            "decoder_layers": 6,
            "reg_scale": 8.0,
        },
        640,
    ),
}
"""``MODEL.BOX.DFINE.SIZE`` -> network (https://github.com/Peterande/D-FINE/tree/master/configs/dfine, and the conversion of its weights in
transformers, ``convert_d_fine_original_pytorch_checkpoint_to_hf.py``)."""


def _rfdetr(
    resolution: int, *, patch: int = 16, windows: int = 2, layers: int, stages: tuple[int, ...] = (3, 6, 9, 12), queries: int = 300
) -> PublishedSize:
    """Return an RF-DETR on a DINOv2 of small width, whose maps of some stages are joined; later blocks than the last stage are left out."""
    backbone = {
        "model_type": "rf_detr_dinov2",
        "hidden_size": 384,
        "num_attention_heads": 6,
        "num_hidden_layers": stages[-1],
        "image_size": resolution,
        "patch_size": patch,
        "num_windows": windows,
        "out_features": [f"stage{stage}" for stage in stages],
        "use_mask_token": False,
    }
    decoder = {"decoder_layers": layers, "decoder_n_points": 2, "dropout": 0.0, "num_queries": queries}
    return PublishedSize({"backbone_config": backbone, **decoder}, resolution)


RFDETR_SIZES: Mapping[str, PublishedSize] = {
    "nano": _rfdetr(384, layers=2),
    "small": _rfdetr(512, layers=3),
    "medium": _rfdetr(576, layers=4),
    "base": _rfdetr(560, patch=14, windows=4, layers=3, stages=(2, 5, 8, 11)),
    "large": _rfdetr(704, layers=4),
    "seg_nano": _rfdetr(312, patch=12, windows=1, layers=4, queries=100),
    "seg_small": _rfdetr(384, patch=12, layers=4, queries=100),
    "seg_medium": _rfdetr(432, patch=12, layers=5, queries=200),
    "seg_large": _rfdetr(504, patch=12, layers=5, queries=200),
    "seg_xlarge": _rfdetr(624, patch=12, layers=6),
    "seg_2xlarge": _rfdetr(768, patch=12, layers=6),
}
"""``MODEL.BOX.RFDETR.SIZE`` -> network (https://github.com/roboflow/rf-detr, ``config.py``, and the conversion of its weights,
``convert_rf_detr_to_hf.py``); those that begin with ``seg_`` are published with masks. Extra large detectors without masks are not
among them: their weights are under another licence than Apache-2.0."""

SIZES: Mapping[str, Mapping[str, PublishedSize]] = {"dfine": DFINE_SIZES, "rfdetr": RFDETR_SIZES}
"""``MODEL.BOX.DETECTOR`` -> its sizes, of which ``MODEL.BOX.<DETECTOR>.SIZE`` chooses one."""
