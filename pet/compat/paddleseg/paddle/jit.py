"""``paddle.jit``: compilation of networks and functions, by torch."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch
from torch import nn

from pet.compat.shared.absent import refuse_absent

EXPORT = "pet.compat.paddleseg.export(model, 'model.onnx', shape=(3, 512, 512)) writes an ONNX file and checks it"
ABSENT = {
    "save": EXPORT,
    "load": "tools/inference.py reads the ONNX file of export(model, 'model.onnx', shape=(3, 512, 512)); onnxruntime does in a script",
    "TranslatedLayer": EXPORT,
    "not_to_static": "torch.compiler.disable",
}
__getattr__ = refuse_absent(__name__, ABSENT)

Compiled = TypeVar("Compiled", bound=Callable[..., Any])


def to_static(function: Compiled) -> Compiled:
    """Let torch compile a network, which stays the same object, or a function; the first call pays for it.

    Specifications of inputs are not needed: sizes are seen when they come. ``train(to_static_training=True)`` compiles a network with
    its losses.
    """
    if isinstance(function, nn.Module):
        function.compile()
        return function
    return cast("Compiled", torch.compile(function))
