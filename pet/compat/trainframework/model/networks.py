"""Small networks for a first try."""

from torch import Tensor, nn


class ResidualDenoiser(nn.Module):
    """Estimates the noise of an image and takes it away: DnCNN (https://arxiv.org/abs/1608.03981) without batch norm.

    Args:
        channels: of the images.
        width: channels between the convolutions.
        depth: number of 3x3 convolutions, at least 2.
    """

    def __init__(self, channels: int = 3, width: int = 32, depth: int = 5) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
        for _ in range(depth - 2):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU(inplace=True)]
        self.noise = nn.Sequential(*layers, nn.Conv2d(width, channels, 3, padding=1))

    def forward(self, images: Tensor) -> Tensor:
        """Return images without noise, float (B, C, H, W) as the input."""
        return images - self.noise(images)  # type: ignore[no-any-return]


class PatchDiscriminator(nn.Module):
    """Judges the patches of an image: the discriminator of pix2pix (https://arxiv.org/abs/1611.07004), with instance norm.

    Args:
        channels: of the images.
        width: channels of the first convolution; they double at every further one.
        layers: number of convolutions that halve the image, at least 1.
    """

    def __init__(self, channels: int = 3, width: int = 32, layers: int = 2) -> None:
        super().__init__()
        parts: list[nn.Module] = [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for _ in range(layers - 1):
            parts += [nn.Conv2d(width, 2 * width, 4, stride=2, padding=1), nn.InstanceNorm2d(2 * width), nn.LeakyReLU(0.2)]
            width *= 2
        self.judge = nn.Sequential(*parts, nn.Conv2d(width, 1, 3, padding=1))

    def forward(self, images: Tensor) -> Tensor:
        """Return a logit for each patch, float (B, 1, H / 2**layers, W / 2**layers); images are (B, C, H, W)."""
        return self.judge(images)  # type: ignore[no-any-return]
