"""Batches on the device: normalising and mixing."""

from typing import Any

import numpy as np
import pytest
import torch

from pet.data.loading.batch_transforms import PAD_DIVISOR, MixupCutmix, NormalizeImages, predict_by_size
from pet.data.transforms.normalize import Normalize
from petlib.errors import ConfigError, DataError

RNG = np.random.default_rng(0)


def pixels() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 6, 8, 3), dtype=np.uint8))


@pytest.mark.parametrize("channels_last", [True, False])
def test_batches_get_the_numbers_that_samples_get(channels_last: bool) -> None:
    normalize = Normalize(mean=[0.1, 0.5, 0.9], std=[0.2, 0.3, 1.0])
    batch = {"image": pixels(), "label": torch.arange(4)}
    found = NormalizeImages.from_transform(normalize, channels_last=channels_last)(batch, RNG)
    samples = np.stack([normalize({"image": image.numpy()}, RNG)["image"] for image in pixels()])
    assert found["image"].shape == (4, 3, 6, 8)
    assert found["image"].dtype == torch.float32
    assert found["image"].is_contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    torch.testing.assert_close(found["image"], torch.from_numpy(samples).permute(0, 3, 1, 2), atol=1e-6, rtol=0)
    assert torch.equal(batch["image"], pixels())


@pytest.mark.parametrize("normalize", [None, Normalize()], ids=["without", "with"])
def test_a_picture_is_the_same_in_8_and_in_16_bits(normalize: Normalize | None) -> None:
    shallow, deep = pixels(), torch.from_numpy(pixels().numpy().astype(np.uint16) * 257)
    batches = NormalizeImages.from_transform(normalize, channels_last=False)
    # one object sees both
    found = [batches({"image": images}, RNG)["image"] for images in (shallow, deep, shallow)]
    torch.testing.assert_close(found[1], found[0])
    assert torch.equal(found[0], found[2])
    if normalize is not None:
        samples = [normalize({"image": images.numpy()[0]}, RNG)["image"] for images in (shallow, deep)]
        np.testing.assert_allclose(samples[1], samples[0], atol=1e-6)
        np.testing.assert_allclose(samples[1].transpose(2, 0, 1), found[0][0].numpy(), atol=1e-6)


def test_without_normalize_pixels_go_from_0_to_1() -> None:
    found = NormalizeImages.from_transform(None, channels_last=True)({"image": pixels()}, RNG)["image"]
    torch.testing.assert_close(found, pixels().permute(0, 3, 1, 2).float() / 255)


def test_float_images_are_only_turned() -> None:
    images = torch.rand(2, 5, 6, 3)
    found = NormalizeImages(mean=[0.5] * 3, std=[0.5] * 3, channels_last=False)({"image": images}, RNG)["image"]
    assert torch.equal(found, images.permute(0, 3, 1, 2))


def test_images_of_different_sizes_are_reported() -> None:
    images = [torch.zeros(4, 5, 3, dtype=torch.uint8), torch.zeros(6, 5, 3, dtype=torch.uint8)]
    with pytest.raises(DataError, match=r"different sizes: \[\(4, 5\), \(6, 5\)\]; resize or crop"):
        NormalizeImages.from_transform(None, channels_last=True)({"image": images}, RNG)


def constant_batch() -> dict[str, torch.Tensor]:
    """Return images whose every pixel is the number of the sample."""
    return {"image": torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 16, 20).clone(), "label": torch.tensor([2, 0, 1, 2])}


def shares(weights: torch.Tensor) -> torch.Tensor:
    """Return the share of the own sample from the label weights of a constant batch."""
    return weights[torch.arange(4), constant_batch()["label"]]


def test_mixup_mixes_pixels_and_labels_in_the_same_share() -> None:
    mix = MixupCutmix(num_classes=3, mixup_alpha=0.8, cutmix_alpha=0.0)
    given = constant_batch()
    found = mix(given, np.random.default_rng(1))
    share = found["label_weights"][1, 0].item()
    assert 0 < share < 1
    torch.testing.assert_close(found["image"][:, 0, 0, 0], torch.arange(4.0) * share + torch.arange(3.0, -1, -1) * (1 - share))
    torch.testing.assert_close(found["label_weights"].sum(dim=1), torch.ones(4))
    assert found["label_weights"][0].tolist() == pytest.approx([0, 0, 1])
    assert found["label_weights"][1].tolist() == pytest.approx([share, 1 - share, 0])
    assert torch.equal(given["image"], constant_batch()["image"])
    assert torch.equal(found["label"], given["label"])


def test_cutmix_pastes_a_box_and_counts_its_pixels() -> None:
    mix = MixupCutmix(num_classes=3, mixup_alpha=0.0, cutmix_alpha=1.0)
    for seed in range(30):
        found = mix(constant_batch(), np.random.default_rng(seed))
        own = found["image"][1, 0] == 1
        assert set(found["image"][1].unique().tolist()) <= {1.0, 2.0}
        assert found["label_weights"][1, 0].item() == pytest.approx(own.float().mean().item(), abs=1e-6)
        pasted = ~own
        rows, columns = pasted.any(dim=1).sum(), pasted.any(dim=0).sum()
        assert pasted.sum() == rows * columns
        torch.testing.assert_close(found["label_weights"].sum(dim=1), torch.ones(4))


def test_probabilities_decide_what_is_done() -> None:
    mix = MixupCutmix(num_classes=3, mixup_alpha=0.5, cutmix_alpha=1.0, probability=0.6, switch_probability=0.25)
    counts = {"none": 0, "mixup": 0, "cutmix": 0}
    rng = np.random.default_rng(0)
    for _ in range(600):
        values = mix(constant_batch(), rng)["image"][1].unique()
        counts["mixup" if len(values) == 1 and values[0] not in (1, 2) else "none" if values.tolist() == [1.0] else "cutmix"] += 1
    assert 200 < counts["none"] < 300
    assert 215 < counts["mixup"] < 325
    assert 55 < counts["cutmix"] < 125


def test_the_generator_decides() -> None:
    mix = MixupCutmix(num_classes=3, mixup_alpha=0.5, cutmix_alpha=1.0)
    first, second, other = (mix(constant_batch(), np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert torch.equal(first["image"], second["image"])
    assert torch.equal(first["label_weights"], second["label_weights"])
    assert not torch.equal(first["label_weights"], other["label_weights"])


def test_labels_that_are_not_mixed_have_weight_one() -> None:
    mix = MixupCutmix(num_classes=3, mixup_alpha=0.5, cutmix_alpha=0.0, probability=0.0)
    found = mix(constant_batch(), np.random.default_rng(0))
    assert torch.equal(found["label_weights"], torch.nn.functional.one_hot(found["label"], 3).float())
    assert torch.equal(found["image"], constant_batch()["image"])


@pytest.mark.parametrize("name", ["probability", "switch_probability"])
def test_wrong_probabilities_are_reported(name: str) -> None:
    with pytest.raises(ConfigError, match=f"MixupCutmix.{name}: 1.5 given"):
        MixupCutmix(num_classes=3, mixup_alpha=0.5, cutmix_alpha=0.0, **{name: 1.5})


def test_what_a_test_image_gets_does_not_depend_on_the_others_of_its_batch() -> None:
    generator = np.random.default_rng(3)
    sizes = [(40, 60), (90, 30), (33, 64), (40, 60)]
    images = [torch.from_numpy(generator.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes]
    pad = NormalizeImages.from_transform(None, channels_last=False, pad_divisor=PAD_DIVISOR)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.AdaptiveAvgPool2d(1)).eval()
    calls = []

    def model(batch: dict[str, Any]) -> list[Any]:
        calls.append(list(batch["image_sizes"]))
        return [(row.flatten(), meta) for row, meta in zip(network(batch["image"]), batch["meta"], strict=True)]

    with torch.no_grad():
        together = predict_by_size(model, pad({"image": images, "meta": list("abcd")}, RNG))
        assert calls == [[(40, 60), (33, 64), (40, 60)], [(90, 30)]]
        alone = [model(pad({"image": [image], "meta": [name]}, RNG))[0] for image, name in zip(images, "abcd", strict=True)]
    assert [name for _, name in together] == list("abcd")
    for (found, _), (expected, _) in zip(together, alone, strict=True):
        torch.testing.assert_close(found, expected)
