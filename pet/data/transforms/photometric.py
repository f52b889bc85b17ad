"""Random light, blur and fog, as recipes for aerial images, scenes and contrastive learning have them."""

from collections.abc import Sequence

import cv2
import numpy as np

from pet.data.transforms import operations
from pet.data.transforms.base import ImageTransform, check_gray, check_probability, check_range
from pet.structures.moves import in_groups
from petlib.errors import ConfigError

LEVELS = np.arange(256)
HUES = 180
"""Number of hues of OpenCV's 8-bit HSV: one is two degrees."""

FOG_GRID = 4
"""Rows and columns of the random densities that the fog is drawn through."""


class PhotometricDistortion(ImageTransform):
    """Brightness, contrast, saturation and hue are changed, each in half of the images.

    The contrast changes before saturation and hue or after them, which is drawn too. Sources: Liu et al., SSD, 2015
    (https://arxiv.org/abs/1512.02325), and PhotoMetricDistortion of MMSegmentation (https://github.com/open-mmlab/mmsegmentation),
    from which this differs in that values are rounded, not cut off.

    Args:
        brightness: greatest number of gray values that are added or taken away.
        contrast: least and greatest factor of all values.
        saturation: least and greatest factor of the saturation.
        hue: greatest turn of the hue to either side, in steps of two degrees.
        probability: share of the images, for each of the four changes.
    """

    def __init__(
        self,
        *,
        brightness: float = 32.0,
        contrast: Sequence[float] = (0.5, 1.5),
        saturation: Sequence[float] = (0.5, 1.5),
        hue: int = 18,
        probability: float = 0.5,
    ) -> None:
        self.brightness = check_gray("PhotometricDistortion: brightness", brightness)
        self.contrast = check_range("PhotometricDistortion: contrast", contrast)
        self.saturation = check_range("PhotometricDistortion: saturation", saturation)
        if not 0 <= hue <= HUES // 2:
            raise ConfigError(f"PhotometricDistortion: hue: {hue} given, 0 to {HUES // 2} steps of two degrees expected")
        self.hue = hue
        self.probability = check_probability("PhotometricDistortion: probability", probability)

    def apply(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the image in another light."""
        brightens, contrasts, saturates, turns = rng.random(4) < self.probability
        addition = rng.uniform(-self.brightness, self.brightness) if brightens else 0.0
        contrast = rng.uniform(*self.contrast) if contrasts else 1.0
        saturation = rng.uniform(*self.saturation) if saturates else 1.0
        hue = int(rng.integers(-self.hue, self.hue + 1)) if turns else 0
        contrast_first = rng.random() < 0.5
        image = change_levels(image, 1.0, addition)
        if contrast_first:
            return change_hue(change_levels(image, contrast, 0.0), saturation, hue)
        return change_levels(change_hue(image, saturation, hue), contrast, 0.0)


class RandomBlur(ImageTransform):
    """A share of the images is blurred by a Gaussian.

    Source: the transform of this name of PaddleSeg (https://github.com/PaddlePaddle/PaddleSeg), whose kernels have 3 to 9 pixels.
    The standard deviation follows from the kernel, as OpenCV has it: 0.3 * ((size - 1) / 2 - 1) + 0.8 pixels.

    Args:
        probability: share of the images.
        kernel: least and greatest edge of the kernel in pixels, odd numbers; those between are drawn evenly.
    """

    takes_any_image = True

    def __init__(self, *, probability: float = 0.1, kernel: Sequence[int] = (3, 9)) -> None:
        self.probability = check_probability("RandomBlur: probability", probability)
        if len(kernel) != 2 or not 1 <= kernel[0] <= kernel[1] or any(size % 2 == 0 for size in kernel):
            raise ConfigError(f"RandomBlur: kernel: {list(kernel)} given, two ascending odd numbers expected")
        self._sizes = range(kernel[0], kernel[1] + 1, 2)

    def apply(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the image (H, W, C), blurred or as it is."""
        if rng.random() >= self.probability:
            return image
        size = self._sizes[rng.integers(len(self._sizes))]
        return in_groups(image, lambda part: cv2.GaussianBlur(part, (size, size), 0))


class GaussianBlur(ImageTransform):
    """A share of the images is blurred by a Gaussian whose width is drawn, as contrastive learning has it (SimCLR, MoCo v2, BYOL).

    Args:
        sigma: least and greatest standard deviation in pixels, drawn evenly.
        probability: share of the images.
        kernel: edge of the kernel in pixels, an odd number; 0: as wide as the drawn standard deviation needs, 6 of them. SimCLR takes a
            tenth of the image, 23 of 224 pixels.
    """

    takes_any_image = True

    def __init__(self, *, sigma: Sequence[float] = (0.1, 2.0), probability: float = 0.5, kernel: int = 0) -> None:
        self.sigma = check_range("GaussianBlur: sigma", sigma)
        self.probability = check_probability("GaussianBlur: probability", probability)
        if self.sigma[0] <= 0.0:
            raise ConfigError(f"GaussianBlur: sigma: {list(sigma)} given, numbers above 0 expected")
        if kernel != 0 and (kernel < 1 or kernel % 2 == 0):
            raise ConfigError(f"GaussianBlur: kernel: {kernel} given, an odd number of pixels or 0 expected")
        self.kernel = kernel

    def apply(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the image (H, W, C), blurred or as it is."""
        if self.probability < 1.0 and rng.random() >= self.probability:
            return image
        sigma = rng.uniform(*self.sigma)
        return in_groups(image, lambda part: cv2.GaussianBlur(part, (self.kernel, self.kernel), sigma))


class Solarize(ImageTransform):
    """Values are inverted from a threshold on, in a share of the images.

    Args:
        threshold: from 0 to 256.
        probability: share of the images.
    """

    def __init__(self, *, threshold: int = 128, probability: float = 1.0) -> None:
        if not 0 <= threshold <= 256:
            raise ConfigError(f"Solarize: threshold: {threshold} given, a number from 0 to 256 expected")
        self.threshold = threshold
        self.probability = check_probability("Solarize: probability", probability)

    def apply(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the image, inverted above the threshold or as it is."""
        if self.probability < 1.0 and rng.random() >= self.probability:
            return image
        return operations.solarize(image, self.threshold)


class Equalize(ImageTransform):
    """Each channel gets values that are spread evenly."""

    def apply(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the changed image."""
        return operations.equalize(image)


class RandomFog(ImageTransform):
    """A share of the images lies under fog that is denser here and thinner there.

    A pixel becomes ``(1 - d) * pixel + d * light``, the model of Koschmieder (1924) for the light that comes through haze, with a
    density d that is a smooth random field.

    Args:
        probability: share of the images.
        density: least and greatest d where the fog is densest; where it is thinnest it is half of that.
        light: gray value from 0 to 255 of the fog.
    """

    def __init__(self, *, probability: float = 0.05, density: Sequence[float] = (0.2, 0.6), light: int = 235) -> None:
        self.probability = check_probability("RandomFog: probability", probability)
        self.density = check_range("RandomFog: density", density, high=1.0)
        self.light = check_gray("RandomFog: light", light)

    def apply(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the image, under fog or as it is."""
        if rng.random() >= self.probability:
            return image
        grid = (0.5 + 0.5 * rng.random((FOG_GRID, FOG_GRID), np.float32)) * np.float32(rng.uniform(*self.density))
        density = cv2.resize(grid, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)[:, :, None]
        foggy: np.ndarray = np.rint(image + density * (np.float32(self.light) - image)).astype(np.uint8)
        return foggy


class RandomChannelSwap(ImageTransform):
    """Red and blue change places in a share of the images.

    Args:
        probability: the share, from 0 to 1.
    """

    def __init__(self, *, probability: float = 0.3) -> None:
        self.probability = check_probability("RandomChannelSwap: probability", probability)

    def apply(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the image, as BGR or as it is."""
        return cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if rng.random() < self.probability else image


def change_levels(image: np.ndarray, factor: float, addition: float) -> np.ndarray:
    """Return ``factor * image + addition``, rounded, from 0 to 255."""
    if factor == 1.0 and addition == 0.0:
        return image
    return cv2.LUT(image, np.clip(np.rint(LEVELS * factor + addition), 0, 255).astype(np.uint8))


def change_hue(image: np.ndarray, saturation: float, steps: int) -> np.ndarray:
    """Return an RGB image whose saturation is multiplied and whose hue is turned by ``steps`` of two degrees."""
    if saturation == 1.0 and steps == 0:
        return image
    hues = (LEVELS + steps) % HUES
    saturations = np.clip(np.rint(LEVELS * saturation), 0, 255)
    table = np.stack([hues, saturations, LEVELS], axis=1).astype(np.uint8)
    return cv2.cvtColor(cv2.LUT(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), table[None]), cv2.COLOR_HSV2RGB)
