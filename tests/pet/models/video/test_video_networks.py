"""Networks of clips against published sizes, and what they do with the frames."""

from typing import Any

import pytest
import torch
from torch import nn

from pet.models.video.build import build_video_network
from pet.models.video.segments import SegmentNetwork, TemporalShift
from petlib.analyser import Analyser
from petlib.errors import ConfigError


def build(name: str, *, backbone: str = "", num_classes: int = 5, frames: int = 8, **args: Any) -> nn.Module:
    return build_video_network(name, backbone=backbone, num_classes=num_classes, frames=frames, args=args)


@pytest.mark.parametrize(
    ("name", "options", "parameters"),
    [
        # MMAction2's table has 24.33 M, 23.86 M (174 classes) and 23.71 M (101 classes)
        ("tsn", {"backbone": "timm/resnet50", "num_classes": 400}, 24_327_632),
        ("tsm", {"backbone": "timm/resnet50", "num_classes": 174}, 23_864_558),
        ("tsm", {"backbone": "timm/resnet50", "num_classes": 101}, 23_714_981),
        # SlowFast's and PyTorchVideo's tables: 34.48 M (4x16), 34.57 M (8x8) and 32.45 M
        ("slowfast_r50", {"num_classes": 400, "frames": 32}, 34_480_216),
        ("slowfast_r50", {"num_classes": 400, "frames": 32, "alpha": 4, "fusion_kernel": 7}, 34_566_488),
        ("slowonly_r50", {"num_classes": 400, "frames": 4}, 32_454_096),
        # torchvision's Weights.meta
        ("torchvision/r3d_18", {"num_classes": 400, "frames": 16}, 33_371_472),
        ("torchvision/mvit_v2_s", {"num_classes": 400, "frames": 16}, 34_537_744),
    ],
)
def test_parameters_are_those_that_were_published(name: str, options: dict[str, Any], parameters: int) -> None:
    with torch.device("meta"):
        network = build(name, **options)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def _let_residuals_count(network: nn.Module) -> None:
    """Set the scales of batch norms, which begin with 0 at the end of residual branches."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            nn.init.ones_(module.weight)


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("name", "options", "shape", "giga"),
    [
        # MMAction2: 32.88 for TSM; PyTorchVideo: 36.69 for SlowFast 4x16 and 27.55 for SlowOnly, at 256 pixels
        ("tsm", {"backbone": "timm/resnet50", "num_classes": 400}, (8, 224, 224), 32.88),
        ("slowfast_r50", {"num_classes": 400, "frames": 32}, (32, 256, 256), 36.69),
        ("slowonly_r50", {"num_classes": 400, "frames": 4}, (4, 256, 256), 27.55),
    ],
)
def test_operations_are_those_that_were_published(name: str, options: dict[str, Any], shape: tuple[int, int, int], giga: float) -> None:
    analyser = Analyser(build(name, **options), (torch.zeros(1, 3, *shape),))
    # theirs are without batch norm and pooling, less than 1 %
    assert analyser.get_flops_activs("flops").total / 1000 == pytest.approx(giga, rel=0.015)


def test_features_are_shifted_by_hand() -> None:
    shift = TemporalShift(frames=3, divisor=4)
    # channel c of frame t of clip b is 100 b + 10 c + t
    features = torch.tensor([[100.0 * b + 10 * c + t for c in range(4)] for b in range(2) for t in range(3)])[:, :, None, None]
    shifted = shift(features)[:, :, 0, 0].tolist()
    assert shifted[:3] == [[1, 0, 20, 30], [2, 10, 21, 31], [0, 11, 22, 32]]
    assert shifted[3:] == [[101, 0, 120, 130], [102, 110, 121, 131], [0, 111, 122, 132]]


def test_tsn_is_the_mean_over_frames_and_knows_no_order() -> None:
    torch.manual_seed(0)
    network = build("tsn", backbone="timm/test_resnet", frames=4).eval()
    assert isinstance(network, SegmentNetwork)
    clips = torch.rand(2, 3, 4, 32, 32)
    with torch.inference_mode():
        logits = network(clips)
        expected = torch.stack([network.backbone(clips[:, :, frame]) for frame in range(4)]).mean(dim=0)
        assert torch.allclose(logits, expected, atol=1e-6)
        assert torch.allclose(network(clips.flip(2)), logits, atol=1e-6)


@pytest.mark.parametrize("backbone", ["timm/test_resnet", "resnet20", "timm/test_efficientnet", "torchvision/resnet18"])
def test_tsm_shifts_in_every_block_and_has_the_weights_of_its_classifier(backbone: str) -> None:
    torch.manual_seed(0)
    network = build("tsm", backbone=backbone, frames=4).eval()
    _let_residuals_count(network)
    plain = build("tsn", backbone=backbone).eval()
    assert network.state_dict().keys() == plain.state_dict().keys()
    plain.load_state_dict(network.state_dict())
    clips = torch.rand(1, 3, 4, 32, 32)
    with torch.inference_mode():
        assert not torch.allclose(network(clips), network(clips.flip(2)), atol=1e-5)
        assert not torch.allclose(network(clips), plain(clips), atol=1e-5)


def test_what_has_no_blocks_is_refused() -> None:
    with pytest.raises(ConfigError, match="no residual blocks"):
        build("tsm", backbone="timm/test_convnext")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("tsx", {}, "tsx"),
        ("torchvision/r3d_19", {}, "did you mean.*r3d_18"),
        ("slowfast_r50", {"frames": 12}, "SlowFast.frames: 12 given, a multiple of alpha, 8"),
        ("slowfast_r50", {"frames": 16, "gamma": 1}, "cannot be built with"),
        ("tsn", {"backbone": "timm/resnet999"}, "there is no network"),
    ],
)
def test_mistakes_are_reported(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message), torch.device("meta"):
        build(name, **options)


@pytest.mark.parametrize(
    ("name", "options"),
    [("slowfast_r50", {"frames": 8, "alpha": 4}), ("slowonly_r50", {"frames": 2}), ("torchvision/r2plus1d_18", {"frames": 4})],
)
def test_networks_in_space_and_time_see_the_order(name: str, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    network = build(name, **options).eval()
    _let_residuals_count(network)
    clips = torch.rand(1, 3, options["frames"], 32, 32)
    with torch.inference_mode():
        assert network(clips).shape == (1, 5)
        assert not torch.allclose(network(clips), network(clips.flip(2)), atol=1e-6)
