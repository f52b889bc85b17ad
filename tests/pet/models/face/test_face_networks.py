import pytest
import torch

from pet.exporting.rewriting import HalfPrecision
from pet.models.classifiers import build_classifier
from pet.models.face import iresnet
from petlib.errors import ConfigError

PARAMETERS = {
    "iresnet18": 24_025_600,
    "iresnet34": 34_139_328,
    "iresnet50": 43_590_848,
    "iresnet100": 65_156_160,
    "iresnet200": 118_833_920,
    "mobilefacenet": 2_059_520,
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_networks_have_the_published_parameters(name):
    with torch.device("meta"):
        network = build_classifier(name, num_classes=512)
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS[name]


def test_embeddings_have_the_length_that_is_asked_for():
    assert build_classifier("mobilefacenet", num_classes=64).eval()(torch.rand(2, 3, 112, 112)).shape == (2, 64)
    assert iresnet.iresnet18(num_classes=8, width=4, size=48).eval()(torch.rand(2, 3, 48, 48)).shape == (2, 8)


def test_weights_have_insightfaces_names():
    with torch.device("meta"):
        own, mobile = iresnet.iresnet18().state_dict(), build_classifier("mobilefacenet", num_classes=512).state_dict()
    assert {"conv1.weight", "bn1.running_var", "prelu.weight", "bn2.weight", "fc.weight", "fc.bias", "features.weight"} <= own.keys()
    block = {
        "bn1.weight",
        "conv1.weight",
        "bn2.bias",
        "prelu.weight",
        "conv2.weight",
        "bn3.weight",
        "downsample.0.weight",
        "downsample.1.bias",
    }
    assert {f"layer1.0.{name}" for name in block} <= own.keys()
    assert "layer1.1.downsample.0.weight" not in own
    assert mobile["layers.1.layers.0.weight"].shape == (128, 2, 3, 3)
    assert mobile["layers.3.layers.2.layers.1.layers.0.weight"].shape == (128, 1, 3, 3)
    assert mobile["layers.2.layers.2.layers.1.running_mean"].shape == (128,)
    assert mobile["conv_sep.layers.2.weight"].shape == (512,)
    assert mobile["features.layers.0.layers.0.weight"].shape == (512, 1, 7, 7)
    assert mobile["features.layers.2.weight"].shape == (512, 512)
    assert mobile["features.layers.3.running_var"].shape == (512,)


def test_the_scale_of_the_embedding_is_fixed():
    network = iresnet.iresnet18(num_classes=8, width=4, size=32)
    assert [name for name, parameter in network.named_parameters() if not parameter.requires_grad] == ["features.weight"]
    assert torch.equal(network.features.weight, torch.ones(8))


def test_the_embedding_is_computed_in_float32_in_mixed_precision():
    network = iresnet.iresnet18(num_classes=8, width=4, size=32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert network(torch.rand(2, 3, 32, 32)).dtype == torch.float32


@pytest.mark.parametrize(
    ("name", "message"), [("iresnet18", "IResNet.size: 112 given, images of 112 x 96"), ("mobilefacenet", "112 x 96 came, 112 x 112")]
)
def test_images_of_another_size_are_refused(name, message):
    with torch.device("meta"):
        network = build_classifier(name, num_classes=8)
    with pytest.raises(ConfigError, match=message):
        network(torch.empty(1, 3, 112, 96, device="meta"))


def test_a_size_that_the_stages_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="size: 100 given, a multiple of 16 expected"):
        iresnet.iresnet18(size=100)


@pytest.mark.parametrize(("name", "options"), [("iresnet18", {"width": 4, "size": 32}), ("mobilefacenet", {})])
def test_the_last_layers_take_half_precision_where_their_weights_have_it(name, options):
    """Trained with mixed precision they compute in float32; exported with ``EXPORT.HALF`` all weights are halved."""
    torch.manual_seed(0)
    network = build_classifier(name, num_classes=8, args=options)
    images = torch.rand(8, 3, *(options.get("size", 112),) * 2)
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            # the statistics of these images, as after a training: before it embeddings are smaller than half precision holds
            module.momentum = None
    with torch.no_grad():
        network.train()(images)
        network.eval()
        found, expected = HalfPrecision(network)(images), network(images)
    assert found.dtype == torch.float32
    assert torch.cosine_similarity(found, expected).min() > 0.999
