"""``paddle.nn.functional``: torch's functions have other arguments, so a script reads which one to take."""

from pet.compat.shared.absent import refuse_absent

NAMES = {
    **{name: name for name in ("relu", "gelu", "silu", "sigmoid", "softmax", "log_softmax", "dropout", "interpolate", "pad", "unfold")},
    **{name: name for name in ("avg_pool2d", "max_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d", "normalize", "one_hot")},
    **{name: name for name in ("cross_entropy", "binary_cross_entropy", "binary_cross_entropy_with_logits", "nll_loss", "mse_loss")},
    **{name: name for name in ("conv2d", "linear", "layer_norm", "grid_sample", "affine_grid", "pixel_shuffle", "kl_div", "relu6")},
    "upsample": "interpolate",
    "conv2d_transpose": "conv_transpose2d",
}
"""Function of Paddle -> that of torch."""

ABSENT = {name: f"torch.nn.functional.{other}; axis is called dim there, and other arguments too" for name, other in NAMES.items()}
__getattr__ = refuse_absent(__name__, ABSENT)
