"""Convolutions with batch norm, the brick of the networks that Pet writes itself."""

from torch import nn


def conv_norm(
    in_channels: int, out_channels: int, kernel: int = 3, *, stride: int = 1, groups: int = 1, activation: bool = True
) -> nn.Sequential:
    """Return a convolution without bias that keeps the size (at ``stride`` 1), batch norm, and ReLU where ``activation``.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel: odd width of the convolution.
        stride: of the convolution.
        groups: of the convolution; as many as ``in_channels``: depthwise.
        activation: end with ReLU.
    """
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    layers: list[nn.Module] = [conv, nn.BatchNorm2d(out_channels)]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if activation else nn.Sequential(*layers)


def classifier(in_channels: int, channels: int, kernel: int = 1) -> nn.Conv2d:
    """Return the convolution that makes ``channels`` maps of logits, with weights that suit a first step: Xavier, bias 0."""
    conv = nn.Conv2d(in_channels, channels, kernel, padding=kernel // 2)
    nn.init.xavier_uniform_(conv.weight)
    assert conv.bias is not None, "a convolution has a bias unless it is told otherwise"
    nn.init.zeros_(conv.bias)
    return conv
