"""The operations of the policies compared with torchvision's."""

import math
from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import InterpolationMode, functional

from pet.data.transforms import operations
from pet.data.transforms.operations import Canvas

GRAY = Canvas(fill=128)


def picture() -> np.ndarray:
    """Return an image without the darkest and brightest values, with channels of different ranges."""
    noise = np.random.default_rng(0).integers(0, 256, (45, 60, 3), dtype=np.uint8)
    image = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 20, 230, cv2.NORM_MINMAX)
    image[..., 1] //= 2
    image[..., 2] = np.minimum(image[..., 2] * 1.5, 255)
    image.flags.writeable = False
    return image


def as_tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image.copy()).permute(2, 0, 1)


def greatest_difference(image: np.ndarray, reference: torch.Tensor) -> int:
    assert image.dtype == np.uint8
    return int(np.abs(image.astype(int) - reference.permute(1, 2, 0).numpy().astype(int)).max())


def sheared(image: torch.Tensor, slopes: tuple[float, float], canvas: Canvas) -> torch.Tensor:
    angles = [math.degrees(math.atan(slope)) for slope in slopes]
    return functional.affine(image, 0.0, [0, 0], 1.0, angles, InterpolationMode.NEAREST, [canvas.fill] * 3, center=[0, 0])


def moved(image: torch.Tensor, pixels: list[int], canvas: Canvas) -> torch.Tensor:
    return functional.affine(image, 0.0, pixels, 1.0, [0.0, 0.0], InterpolationMode.NEAREST, [canvas.fill] * 3)


EXACT: dict[str, tuple[Callable[[np.ndarray], np.ndarray], Callable[[torch.Tensor], torch.Tensor]]] = {
    "equalize": (operations.equalize, functional.equalize),
    "invert": (operations.invert, functional.invert),
    **{
        f"posterize {bits}": (lambda i, bits=bits: operations.posterize(i, bits), lambda t, bits=bits: functional.posterize(t, bits))
        for bits in (0, 1, 4, 7, 8)
    },
    **{
        f"solarize {at}": (lambda i, at=at: operations.solarize(i, at), lambda t, at=at: functional.solarize(t, at))
        for at in (0, 60.5, 128, 255)
    },
    **{
        f"shear {slope}": (lambda i, slope=slope: operations.shear_x(i, slope, GRAY), lambda t, slope=slope: sheared(t, (slope, 0.0), GRAY))
        for slope in (-0.3, 0.0, 0.1)
    },
    "shear_y": (lambda i: operations.shear_y(i, 0.23, GRAY), lambda t: sheared(t, (0.0, 0.23), GRAY)),
    "translate_x": (lambda i: operations.translate_x(i, -13, GRAY), lambda t: moved(t, [-13, 0], GRAY)),
    "translate_y": (lambda i: operations.translate_y(i, 7, GRAY), lambda t: moved(t, [0, 7], GRAY)),
    **{
        f"rotate {angle}": (
            lambda i, angle=angle: operations.rotate(i, angle, GRAY),
            lambda t, angle=angle: functional.rotate(t, angle, InterpolationMode.NEAREST, fill=[128.0] * 3),
        )
        for angle in (-27, 3, 30)
    },
}


@pytest.mark.parametrize("name", EXACT)
def test_tables_and_moves_are_exactly_those_of_torchvision(name: str) -> None:
    ours, theirs = EXACT[name]
    assert greatest_difference(ours(picture()), theirs(as_tensor(picture()))) == 0


@pytest.mark.parametrize("factor", [0.1, 0.5, 1.0, 1.9])
def test_blends_are_those_of_torchvision_up_to_rounding(factor: float) -> None:
    image, tensor = picture(), as_tensor(picture())
    assert greatest_difference(operations.brightness(image, factor), functional.adjust_brightness(tensor, factor)) <= 1
    assert greatest_difference(operations.contrast(image, factor), functional.adjust_contrast(tensor, factor)) <= 1
    assert greatest_difference(operations.color(image, factor), functional.adjust_saturation(tensor, factor)) <= 2
    assert greatest_difference(operations.sharpness(image, factor), functional.adjust_sharpness(tensor, factor)) <= 1
    assert greatest_difference(operations.autocontrast(image), functional.autocontrast(tensor)) <= 1


def test_linear_interpolation_is_that_of_torchvision_inside_the_image() -> None:
    found = operations.rotate(picture(), 12.0, Canvas(cv2.INTER_LINEAR, 0))
    reference = functional.rotate(as_tensor(picture()), 12.0, InterpolationMode.BILINEAR)
    assert greatest_difference(found[12:-12, 12:-12], reference[:, 12:-12, 12:-12]) <= 2


def test_a_quarter_turn_is_exact_and_counter_clockwise() -> None:
    square = np.ascontiguousarray(picture()[:, :45])
    assert np.array_equal(operations.rotate(square, 90.0, GRAY), np.rot90(square))


def test_solarize_add_adds_to_the_values_below_the_threshold() -> None:
    image = np.array([[[0, 100, 127], [128, 200, 255]]], np.uint8)
    assert operations.solarize_add(image, 110).tolist() == [[[110, 210, 237], [128, 200, 255]]]
    assert operations.solarize_add(image, 250, threshold=110).tolist() == [[[250, 255, 127], [128, 200, 255]]]


def test_one_value_is_no_contrast_to_stretch() -> None:
    plain = np.full((5, 6, 3), 77, np.uint8)
    for change in (operations.autocontrast, operations.equalize):
        assert np.array_equal(change(plain), plain)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 2), (3, 1)])
def test_tiny_images_survive_every_operation(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    changes = [ours for ours, _ in EXACT.values()]
    changes += [operations.autocontrast, lambda i: operations.sharpness(i, 0.3), lambda i: operations.color(i, 0.3)]
    changes += [lambda i: operations.brightness(i, 0.3), lambda i: operations.contrast(i, 1.7)]
    for change in changes:
        found = change(image)
        assert (found.shape, found.dtype) == (image.shape, np.uint8)
