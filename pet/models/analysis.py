"""Size and cost of a model, printed before a training."""

from typing import Any, cast

import torch
from torch import nn

from pet.typed import AnyConfig
from petlib import engine


def analyse(model: nn.Module, cfg: AnyConfig, *, name: str | None = None, num_images: int = 1, channels: int = 3, frames: int = 0) -> None:
    """Log parameters, FLOPs and activations of ``model`` for one sample with pixels of ``ANALYSER.SIZE``.

    Detectors are counted with as many detections as they may give, whatever their weights find in an empty image, and networks that look
    at images through windows (``TEST.SLIDING``) as looking at the whole image.
    Only the main process does it, and only with ``ANALYSER.ENABLED``. The model, which is on the CPU and not wrapped yet,
    and the random generators stay as they are.

    Args:
        model: takes a batch with an ``image``, or a ``clip``.
        cfg: the config.
        name: what the network is called; None: ``MODEL.BACKBONE``.
        num_images: images of a sample; the second is called ``image2``.
        channels: of an image.
        frames: of the clip that the model takes in place of images; 0: it takes images.
    """
    height, width = cfg.ANALYSER.SIZE or (cfg.TRAIN.RESIZE.SCALES[0],) * 2
    batch = {field: torch.zeros(1, channels, height, width) for field in ("image", "image2")[:num_images]}
    what = f"an image of {height} x {width}"
    if frames:
        batch = {"clip": torch.zeros(1, channels, frames, height, width)}
        what = f"a clip of {frames} x {height} x {width}"
    engine.analyse(model, cfg, batch, name=f"{name or cfg.MODEL.BACKBONE}, for {what}", forward=counted_forward)


def counted_forward(model: nn.Module, batch: dict[str, Any]) -> Any:
    """Return the outputs of ``model``, the analyser's own copy, of which all operations are counted.

    Its second stages keep detections of any score from now on, and it looks at whole images: windows are put together by numpy, where no
    operation is counted.
    """
    if hasattr(model, "window"):
        cast("Any", model).window = 0
    for module in model.modules():
        # torchvision takes long to import, and other networks do without
        if any(base.__name__ == "RoIHeads" for base in type(module).__mro__):
            cast("Any", module).score_thresh = 0.0
    return model(batch)
