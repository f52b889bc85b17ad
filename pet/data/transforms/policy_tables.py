"""Strengths of the operations in the augmentation policies, and what AutoAugment found."""

from collections.abc import Callable, Mapping

import numpy as np

from pet.data.transforms.operations import (
    Canvas,
    autocontrast,
    brightness,
    color,
    contrast,
    equalize,
    invert,
    posterize,
    rotate,
    sharpness,
    shear_x,
    shear_y,
    solarize,
    solarize_add,
    translate_x,
    translate_y,
)

Operation = Callable[[np.ndarray, float, Canvas], np.ndarray]
"""Changes an image as strongly as a level says: from 0 to 1, for those of ``SIGNED`` from -1 to 1."""

OPERATIONS: Mapping[str, Operation] = {
    "identity": lambda image, level, canvas: image,
    "autocontrast": lambda image, level, canvas: autocontrast(image),
    "equalize": lambda image, level, canvas: equalize(image),
    "invert": lambda image, level, canvas: invert(image),
    "rotate": lambda image, level, canvas: rotate(image, 30.0 * level, canvas),
    "posterize": lambda image, level, canvas: posterize(image, round(8 - 4 * level)),
    "solarize": lambda image, level, canvas: solarize(image, 256.0 * (1.0 - level)),
    "solarize_add": lambda image, level, canvas: solarize_add(image, 110.0 * level),
    "color": lambda image, level, canvas: color(image, 1.0 + 0.9 * level),
    "contrast": lambda image, level, canvas: contrast(image, 1.0 + 0.9 * level),
    "brightness": lambda image, level, canvas: brightness(image, 1.0 + 0.9 * level),
    "sharpness": lambda image, level, canvas: sharpness(image, 1.0 + 0.9 * level),
    "shear_x": lambda image, level, canvas: shear_x(image, 0.3 * level, canvas),
    "shear_y": lambda image, level, canvas: shear_y(image, 0.3 * level, canvas),
    "translate_x": lambda image, level, canvas: translate_x(image, int(150 / 331 * level * image.shape[1]), canvas),
    "translate_y": lambda image, level, canvas: translate_y(image, int(150 / 331 * level * image.shape[0]), canvas),
}

AUGMIX_OPERATIONS: Mapping[str, Operation] = {
    **{name: OPERATIONS[name] for name in ("autocontrast", "equalize", "rotate", "solarize", "shear_x", "shear_y")},
    "posterize": lambda image, level, canvas: posterize(image, 4 - int(4 * level)),
    "translate_x": lambda image, level, canvas: translate_x(image, int(level * image.shape[1] / 3), canvas),
    "translate_y": lambda image, level, canvas: translate_y(image, int(level * image.shape[0] / 3), canvas),
}

SIGNED = frozenset(
    ("rotate", "color", "contrast", "brightness", "sharpness", "shear_x", "shear_y", "translate_x", "translate_y"),
)
"""Operations that go both ways: the sign of their level is drawn."""

MOVING = frozenset(("rotate", "shear_x", "shear_y", "translate_x", "translate_y"))
"""Operations that move pixels."""

RANDAUGMENT_OPERATIONS = tuple(name for name in OPERATIONS if name not in ("invert", "solarize_add"))

IMAGENET_POLICY = """
posterize 0.4 8, rotate 0.6 9
solarize 0.6 5, autocontrast 0.6 5
equalize 0.8 8, equalize 0.6 3
posterize 0.6 7, posterize 0.6 6
equalize 0.4 7, solarize 0.2 4
equalize 0.4 4, rotate 0.8 8
solarize 0.6 3, equalize 0.6 7
posterize 0.8 5, equalize 1.0 2
rotate 0.2 3, solarize 0.6 8
equalize 0.6 8, posterize 0.4 6
rotate 0.8 8, color 0.4 0
rotate 0.4 9, equalize 0.6 2
equalize 0.0 7, equalize 0.8 8
invert 0.6 4, equalize 1.0 8
color 0.6 4, contrast 1.0 8
rotate 0.8 8, color 1.0 2
color 0.8 8, solarize 0.8 7
sharpness 0.4 7, invert 0.6 8
shear_x 0.6 5, equalize 1.0 9
color 0.4 0, equalize 0.6 3
equalize 0.4 7, solarize 0.2 4
solarize 0.6 5, autocontrast 0.6 5
invert 0.6 4, equalize 1.0 8
color 0.6 4, contrast 1.0 8
equalize 0.8 8, equalize 0.6 3
"""

CIFAR10_POLICY = """
invert 0.1 7, contrast 0.2 6
rotate 0.7 2, translate_x 0.3 9
sharpness 0.8 1, sharpness 0.9 3
shear_y 0.5 8, translate_y 0.7 9
autocontrast 0.5 8, equalize 0.9 2
shear_y 0.2 7, posterize 0.3 7
color 0.4 3, brightness 0.6 7
sharpness 0.3 9, brightness 0.7 9
equalize 0.6 5, equalize 0.5 1
contrast 0.6 7, sharpness 0.6 5
color 0.7 7, translate_x 0.5 8
equalize 0.3 7, autocontrast 0.4 8
translate_y 0.4 3, sharpness 0.2 6
brightness 0.9 6, color 0.2 8
solarize 0.5 2, invert 0.0 3
equalize 0.2 0, autocontrast 0.6 0
equalize 0.2 8, equalize 0.6 4
color 0.9 9, equalize 0.6 6
autocontrast 0.8 4, solarize 0.2 8
brightness 0.1 3, color 0.7 0
solarize 0.4 5, autocontrast 0.9 3
translate_y 0.9 9, translate_y 0.7 9
autocontrast 0.9 2, solarize 0.8 3
equalize 0.8 8, invert 0.1 3
translate_y 0.7 9, autocontrast 0.9 1
"""

POLICIES = {"imagenet": IMAGENET_POLICY, "cifar10": CIFAR10_POLICY}
"""Tables 9 and 7 of https://arxiv.org/abs/1805.09501: in each line two operations, with probability and level from 0 to 9."""
