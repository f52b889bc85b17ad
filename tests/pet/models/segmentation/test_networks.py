"""Every network by name: sizes, outputs, gradients, published sizes, messages."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pet.models.pretrained import KEY_PREFIXES
from pet.models.segmentation import networks
from pet.models.segmentation.network import SegmentationNetwork
from pet.models.segmentation.networks import NETWORKS, build_network
from petlib.checkpoint.weights import load_weights
from petlib.errors import ConfigError
from petlib.registry import Registry

OUTPUTS = {"ocrnet_hrnet_w18": 2, "bisenetv2": 5, "semantic_change": 2}
PAIRS = ("siamese", "siamese_efficientnet_b0_bifpn", "siamese_hrnet_w18_bifpn", "siamese_resnet18_unet", "semantic_change")
LARGE = (
    "segformer_b1",
    "segformer_b2",
    "segformer_b3",
    "segformer_b4",
    "segformer_b5",
    "fcn_hrnet_w18",
    "fcn_hrnet_w48",
    "ocrnet_hrnet_w48",
)
SMALL_ARGS: dict[str, dict[str, Any]] = {name: {"encoder": "timm/resnet18"} for name in ("deeplabv3plus", "upernet", "siamese")}
NAMES = [name for name in NETWORKS.names() if name not in LARGE]


def build(name: str, **changes: Any) -> SegmentationNetwork:
    torch.manual_seed(0)
    return build_network(name, **{"channels": 4, "args": SMALL_ARGS.get(name), **changes})


def images_for(network: SegmentationNetwork, height: int = 65, width: int = 47, channels: int = 3) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(2, channels, height, width, generator=generator) for _ in range(network.num_images)]


def count(network: nn.Module) -> float:
    return sum(parameter.numel() for parameter in network.parameters()) / 1e6


@pytest.mark.parametrize("name", NAMES)
def test_logits_have_the_size_of_the_images_and_every_parameter_learns(name: str) -> None:
    network = build(name, in_channels=5)
    images = images_for(network, channels=5)
    assert network.num_images == (2 if name in PAIRS else 1)
    assert network.num_outputs == OUTPUTS.get(name, 1)
    outputs = network.train()(*images)
    assert [tuple(one.shape) for one in outputs] == [(2, 4, 65, 47)] * network.num_outputs
    sum((one * torch.randn_like(one)).mean() for one in outputs).backward()
    assert [key for key, parameter in network.named_parameters() if parameter.grad is None] == []
    with torch.no_grad():
        (evaluated,) = network.eval()(*images)
    assert evaluated.shape == (2, 4, 65, 47)
    assert evaluated.dtype == torch.float32
    assert torch.isfinite(evaluated).all()


@pytest.mark.parametrize("name", ["bisenetv2", "ocrnet_hrnet_w18", "siamese_resnet18_unet"])
def test_one_channel_for_a_sigmoid(name: str) -> None:
    network = build(name, channels=1, in_channels=4)
    outputs = network(*images_for(network, 33, 40, channels=4))
    assert [tuple(one.shape) for one in outputs] == [(2, 1, 33, 40)] * network.num_outputs


@torch.no_grad()
def test_images_grow_by_their_border() -> None:
    network = build("unet").eval()
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    images[:, :, 50:] = images[:, :, 49:50]
    images[:, :, :, 40:] = images[:, :, :, 39:40]
    torch.testing.assert_close(network(images[:, :, :50, :40])[0], network(images)[0][:, :, :50, :40])


@pytest.mark.parametrize(
    ("name", "published"),
    # the first and the third: https://github.com/HRNet/HRNet-Semantic-Segmentation; OCRNet: Open Model Zoo, ocrnet-hrnet-w48-paddle (70.47,
    # with the running statistics of batch norm among the parameters)
    [("fcn_hrnet_w18_small", 3.9), ("fcn_hrnet_w48", 65.8), ("ocrnet_hrnet_w48", 70.47)],
)
def test_sizes_are_the_published_ones_for_19_classes(name: str, published: float) -> None:
    with torch.device("meta"):
        network = build_network(name, channels=19)
    assert count(network) == pytest.approx(published, abs=0.1)


def test_bisenetv2_has_3_4_million_parameters_without_boosters() -> None:
    with torch.device("meta"):
        network = build_network("bisenetv2", channels=19)
    assert count(network) - count(network.get_submodule("boosters")) == pytest.approx(3.4, abs=0.05)


# table 1 of https://arxiv.org/abs/2105.15203, for the 150 classes of ADE20K
@pytest.mark.parametrize(("name", "published"), [("segformer_b0", 3.8), ("segformer_b2", 27.5)])
def test_segformers_have_the_published_sizes(name: str, published: float) -> None:
    assert count(build_network(name, channels=150)) == pytest.approx(published, abs=0.05)


def test_weights_of_a_segformer_are_named_as_in_segmentation_models_pytorch() -> None:
    library = pytest.importorskip("segmentation_models_pytorch")
    whole = library.Segformer("mit_b0", encoder_weights=None, classes=4).eval()
    network = build("segformer_b0").eval()
    network.load_state_dict(whole.state_dict())
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        torch.testing.assert_close(network.predict(images)[0], whole.segmentation_head[0](whole.decoder(whole.encoder(images))))


@pytest.mark.parametrize(
    ("name", "args", "encoder"),
    [
        ("unet", {}, "timm/resnet18"),
        ("unet", {"encoder": "torchvision/resnet18"}, "torchvision/resnet18"),
        ("siamese", {"encoder": "resnet18"}, "timm/resnet18"),
        ("bisenetv2", {}, ""),
    ],
)
def test_the_name_of_the_encoder_is_known(name: str, args: dict[str, Any], encoder: str) -> None:
    assert build(name, args=args).encoder_name == encoder


def test_names_of_encoder_weights_are_those_of_the_library() -> None:
    timm = pytest.importorskip("timm")
    own = {key.removeprefix("backbone.body.") for key in build("fcn_hrnet_w18_small").state_dict() if key.startswith("backbone.body.")}
    with torch.device("meta"):
        theirs = set(timm.create_model("hrnet_w18_small_v2").state_dict())
    assert own <= theirs


class Holder(nn.Module):
    """Wraps a network as a segmenter does."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network


@pytest.mark.parametrize(("name", "own", "their"), [("segformer_b0", "encoder.", ""), ("unet", "backbone.body.", "backbone.body.")])
def test_weights_of_the_encoder_alone_load(name: str, own: str, their: str, tmp_path: Path) -> None:
    source, model = build(name), Holder(build_network(name, channels=4))
    weights = {their + key.removeprefix(own): value for key, value in source.state_dict().items() if key.startswith(own)}
    torch.save(weights, tmp_path / "encoder.pth")
    report = load_weights(model, tmp_path / "encoder.pth", key_prefixes=KEY_PREFIXES)
    assert len(report.matched) == len(weights)
    loaded = model.network.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in source.state_dict().items() if key.startswith(own))


def test_torchvision_encoders_take_other_channels() -> None:
    network = build("unet", in_channels=4, args={"encoder": "torchvision/resnet18"})
    assert network(torch.randn(2, 4, 40, 40))[0].shape == (2, 4, 40, 40)


def test_deeplab_ends_at_stride_16_with_either_library() -> None:
    for encoder in ("timm/resnet18", "torchvision/resnet50"):
        assert build("deeplabv3plus", args={"encoder": encoder}).stride == 16


def test_arguments_reach_the_network() -> None:
    wide, narrow = build("bisenetv2", args={"head_width": 64}), build("bisenetv2", args={"head_width": 32})
    assert count(wide) > count(narrow)
    assert build("unet", args={"decoder_args": {"decoder_channels": [32, 24, 16, 8, 4]}}).get_submodule("classifier").weight.shape[1] == 4


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("segfromer_b2", {}, r"build_network.name: unknown network 'segfromer_b2'; did you mean segformer_b2"),
        (
            "unet",
            {"encodr": "timm/resnet18"},
            r"build_network.name: unet has no argument 'encodr'; did you mean encoder.*it takes encoder, ",
        ),
        ("unet", {"channels": 3}, r"unet has no argument 'channels'"),
        (
            "unet",
            {"encoder": "timm/resnt18"},
            r"build_network.name: encoder: there is no network 'timm/resnt18'; did you mean timm/resnet18",
        ),
        ("unet", {"encoder": "timm/vit_tiny_patch16_224"}, r"encoder: all feature maps of timm/vit_tiny_patch16_224 have a stride of 16"),
        ("unet", {"encoder_args": {"depth": 3}}, r"encoder_args: timm/resnet18 cannot be built"),
        (
            "unet",
            {"decoder_args": {"decoder_chanels": []}},
            r"decoder_args: unet has no argument 'decoder_chanels'; did you mean decoder_ch",
        ),
        ("unet", {"encoder_args": {"output_stride": 8}}, r"decoder: unet: .* leave output_stride out of encoder_args"),
        ("bisenetv2", {"head_width": "wide"}, r"head_width: 'wide' given, int expected"),
    ],
)
def test_what_is_wrong_is_reported(name: str, args: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_network(name, channels=2, args=args)


def test_the_place_of_the_name_is_reported() -> None:
    with pytest.raises(ConfigError, match=r"^model: unknown network 'unnet'; did you mean unet"):
        build_network("unnet", channels=2, where="model")


def test_a_batch_of_one_is_reported_where_batch_norm_needs_two() -> None:
    with pytest.raises(ConfigError, match=r"TrainLoader.batch_size: one image for each device"):
        build("bisenetv2").train()(torch.randn(1, 3, 64, 64))


def test_networks_of_users_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Registry("network", {"unet": "pet.models.segmentation.encoder_decoder:build_unet"})
    monkeypatch.setattr(networks, "NETWORKS", table)

    class Pixelwise(SegmentationNetwork):
        def __init__(self, *, channels: int, in_channels: int, kernel: int = 1) -> None:
            super().__init__(stride=8)
            self.conv = nn.Conv2d(in_channels, channels, kernel, padding=kernel // 2)

        def predict(self, images: Tensor, images2: Tensor | None = None) -> list[Tensor]:
            return [self.conv(images)]

    table.register("pixelwise")(Pixelwise)
    network = build_network("pixelwise", channels=3, in_channels=2, args={"kernel": 3})
    assert network(torch.randn(1, 2, 9, 13))[0].shape == (1, 3, 9, 13)
    with pytest.raises(ConfigError, match="pixelwise has no argument 'kernal'; did you mean kernel"):
        build_network("pixelwise", channels=3, args={"kernal": 3})
