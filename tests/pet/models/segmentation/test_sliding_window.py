"""Images of any size through windows that overlap."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from pet.data.files.windows import Window
from pet.models.segmentation.pixels import labels_of
from pet.models.segmentation.sliding_window import plan_axis, sliding_window


def slide(
    images: Sequence[np.ndarray], predict: object, *, window: tuple[int, int] = (16, 16), overlap: float = 0.25, batch_size: int = 3
) -> np.ndarray:
    """Return the blended values (K, H, W) of images (H, W, C)."""
    asked: list[Window] = []

    def read(window: Window) -> list[np.ndarray]:
        asked.append(window)
        return [image[window.top : window.top + window.height, window.left : window.left + window.width] for image in images]

    size = images[0].shape[0], images[0].shape[1]
    strips = list(
        sliding_window(
            read,
            size,
            predict,  # type: ignore[arg-type]
            window=window,
            overlap=overlap,
            batch_size=batch_size,
            decide=lambda values: values,
        )
    )
    assert [strip.top for strip in strips] == [part.top for part in asked]
    ends = [strip.top + strip.values.shape[1] for strip in strips]
    assert ends == [*(strip.top for strip in strips[1:]), size[0]]
    return np.concatenate([strip.values for strip in strips], axis=1)


def copied(images: Sequence[Tensor]) -> Tensor:
    return torch.cat([image.float() for image in images], dim=1)


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.8])
@pytest.mark.parametrize("size", [(16, 16), (17, 40), (61, 33), (5, 50), (7, 3)])
def test_a_network_that_copies_pixels_gives_the_image(size: tuple[int, int], overlap: float) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    found = slide([image], copied, overlap=overlap)
    np.testing.assert_allclose(found, image.transpose(2, 0, 1), atol=1e-4)
    assert np.array_equal(found.round().astype(np.uint8), image.transpose(2, 0, 1))


def test_windows_need_not_be_square_and_pairs_go_together() -> None:
    generator = np.random.default_rng(0)
    first, second = (generator.integers(0, 2**16, (45, 70, 2), dtype=np.uint16) for _ in range(2))
    found = slide([first, second], copied, window=(8, 32), overlap=0.5)
    np.testing.assert_allclose(found, np.concatenate([first, second], axis=2).transpose(2, 0, 1), rtol=1e-6)


def test_constant_logits_stay_constant() -> None:
    found = slide(
        [np.zeros((50, 37, 3), np.uint8)], lambda images: torch.tensor([0.25, -2.0]).view(1, 2, 1, 1).repeat(len(images[0]), 1, 16, 16)
    )
    np.testing.assert_allclose(found[0], 0.25, rtol=1e-6)
    np.testing.assert_allclose(found[1], -2.0, rtol=1e-6)


def test_neighbours_blend_without_a_seam() -> None:
    count = 0

    def numbered(images: Sequence[Tensor]) -> Tensor:
        nonlocal count
        count += 1
        return torch.full((1, 1, 16, 16), float(count))

    found = slide([np.zeros((16, 28, 1), np.uint8)], numbered, batch_size=1)[0, 0]
    # windows begin at 0 and 12, so 4 pixels are seen twice
    assert (found[:12] == 1).all()
    assert (found[16:] == 2).all()
    weight = np.sin(np.pi / 2 * (np.arange(4) + 0.5) / 4) ** 2
    np.testing.assert_allclose(found[12:16], 1 + weight, rtol=1e-6)


def test_small_images_are_continued_by_their_edge() -> None:
    seen: list[Tensor] = []

    def remember(images: Sequence[Tensor]) -> Tensor:
        seen.append(images[0])
        return images[0][:, :1].float()

    image = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    found = slide([image], remember, window=(4, 5))
    assert seen[0][0, 0].tolist() == [[0, 1, 2, 2, 2], [3, 4, 5, 5, 5], [3, 4, 5, 5, 5], [3, 4, 5, 5, 5]]
    assert found[0].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_windows_lie_at_equal_distances_inside_of_the_image() -> None:
    axis = plan_axis(100, 40, 0.25)
    assert axis.starts == [0, 30, 60]
    assert axis.steps == [30, 30, 40]
    assert min(weights.min() for weights in axis.weights) > 0
    total = np.zeros(100)
    for start, weights in zip(axis.starts, axis.weights, strict=True):
        total[start : start + 40] += weights
    np.testing.assert_allclose(total, 1, rtol=1e-6)
    assert plan_axis(101, 40, 0.25).starts == [0, 20, 41, 61]
    assert plan_axis(30, 40, 0.25).starts == [0]


def test_labels() -> None:
    classes = torch.tensor([[[0.2, 0.5]], [[0.7, 0.1]], [[0.1, 0.4]]])
    assert labels_of(classes, threshold=0.5, class_axis=0).tolist() == [[1, 0]]
    foreground = labels_of(torch.tensor([[[0.29, 0.3, 0.9]]]), threshold=0.3, class_axis=0)
    assert foreground.tolist() == [[0, 1, 1]]
    assert foreground.dtype == torch.uint8
