"""Images of different sizes in one batch."""

import numpy as np
import torch

from pet.data.loading.batch_transforms import NormalizeImages

RNG = np.random.default_rng(0)
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def images_of(*sizes: tuple[int, int]) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(0, 256, (*size, 3), dtype=torch.uint8, generator=generator) for size in sizes]


def normalize(divisor: int, channels_last: bool = False) -> NormalizeImages:
    return NormalizeImages(mean=MEAN, std=STD, channels_last=channels_last, pad_divisor=divisor)


def test_smaller_images_get_zeros_after_the_normalisation() -> None:
    images = images_of((20, 50), (33, 40))
    batch = normalize(32)({"image": images}, RNG)
    assert batch["image"].shape == (2, 3, 64, 64)
    assert batch["image_sizes"] == [(20, 50), (33, 40)]
    for padded, image in zip(batch["image"], images, strict=True):
        rows, columns = image.shape[:2]
        expected = (image.permute(2, 0, 1).float() / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
        torch.testing.assert_close(padded[:, :rows, :columns], expected)
        assert not padded[:, rows:].any()
        assert not padded[:, :, columns:].any()


def test_images_of_one_size_are_padded_to_the_divisor_too() -> None:
    batch = normalize(32)({"image": torch.stack(images_of((30, 64), (30, 64)))}, RNG)
    assert batch["image"].shape == (2, 3, 32, 64)
    assert batch["image_sizes"] == [(30, 64)] * 2


def test_memory_order_changes_no_value() -> None:
    images = images_of((20, 50), (33, 40))
    usual, last = (normalize(16, channels_last)({"image": images}, RNG)["image"] for channels_last in (False, True))
    assert torch.equal(usual, last)
    assert last.is_contiguous(memory_format=torch.channels_last)
