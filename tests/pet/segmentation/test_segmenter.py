"""What a segmenter learns from and what its logits become."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from pet.losses.pixels.mixed import build_pixel_loss
from pet.models.segmentation.networks import build_network
from pet.models.segmentation.sliding_window import ViewedNetwork
from pet.segmentation import build_model
from pet.segmentation.config import SEGMENTATION_SCHEMA, infer_cfg
from pet.segmentation.model import Segmenter, build_test_model
from petlib.config import CfgNode, ConfigError


class Pointwise(nn.Module):
    """The logits of a pixel are a linear function of the pixel, of all dates together."""

    encoder_name = ""

    def __init__(self, channels: int, num_images: int = 1, num_outputs: int = 1) -> None:
        super().__init__()
        self.num_images, self.num_outputs = num_images, num_outputs
        self.convs = nn.ModuleList([nn.Conv2d(3 * num_images, channels, 1) for _ in range(num_outputs)])

    def forward(self, images, images2=None):
        joined = images if images2 is None else torch.cat([images, images2], dim=1)
        return [conv(joined) for conv in self.convs[: self.num_outputs if self.training else 1]]


def segmenter(network, losses=("cross_entropy",), **settings):
    return Segmenter(
        network=network,
        loss=build_pixel_loss(list(losses), place="MODEL.LOSSES", channels=2),
        **{"output_weights": [1.0] * network.num_outputs, **settings},
    )


def test_every_output_is_learned_from_with_its_weight() -> None:
    torch.manual_seed(0)
    model = segmenter(Pointwise(3, num_outputs=2), output_weights=[1.0, 0.4])
    images, labels = torch.randn(2, 3, 8, 6), torch.randint(0, 3, (2, 8, 6))
    labels[0, :2] = 255
    found = model({"image": images, "semseg": labels})
    expected = [functional.cross_entropy(conv(images), labels, ignore_index=255).item() for conv in model.network.convs]
    assert found["losses"]["loss_cross_entropy"].item() == pytest.approx(expected[0], rel=1e-5)
    assert found["losses"]["loss_cross_entropy_1"].item() == pytest.approx(0.4 * expected[1], rel=1e-5)
    counted = labels != 255
    right = (model.network.convs[0](images).argmax(1) == labels)[counted].float().mean()
    assert found["metrics"]["accuracy"].item() == pytest.approx(right.item())


def test_labels_of_a_padded_batch_are_padded_with_ignored_pixels() -> None:
    model = segmenter(Pointwise(2))
    images = torch.randn(2, 3, 8, 8)
    labels = [torch.zeros(8, 8, dtype=torch.uint8), torch.ones(5, 6, dtype=torch.uint8)]
    full = torch.full((2, 8, 8), 255)
    full[0], full[1, :5, :6] = 0, 1
    padded = model({"image": images, "semseg": labels})["losses"]["loss_cross_entropy"]
    assert torch.allclose(padded, model({"image": images, "semseg": full})["losses"]["loss_cross_entropy"])


def test_predictions_have_the_size_of_the_file() -> None:
    model = segmenter(Pointwise(2)).eval()
    images = torch.randn(2, 3, 8, 8)
    meta = [{"size": (16, 12), "matrix": np.diag([0.5, 0.5, 1.0])}, {"size": (8, 8)}]
    found = model({"image": images, "image_sizes": [(8, 6), (8, 8)], "meta": meta})
    assert [tuple(one["semseg"].shape) for one in found] == [(16, 12), (8, 8)]
    assert all(one["semseg"].dtype == torch.uint8 for one in found)
    assert torch.equal(found[1]["semseg"], model.network.convs[0](images)[1].argmax(0).to(torch.uint8))


@pytest.mark.parametrize(("threshold", "foreground"), [(0.3, [0, 1, 1]), (0.5, [0, 0, 1]), (0.9, [0, 0, 0])])
def test_one_channel_is_foreground_from_the_threshold_on(threshold, foreground) -> None:
    model = segmenter(Pointwise(1), losses=["bce"], threshold=threshold)
    probabilities = torch.tensor([0.2, 0.4, 0.8])
    logits = torch.log(probabilities / (1 - probabilities)).view(1, 1, 1, 3)
    assert model.labels(logits).flatten().tolist() == foreground


def test_a_pair_goes_into_the_network_in_its_order() -> None:
    model = segmenter(Pointwise(2, num_images=2)).eval()
    first, second = torch.randn(1, 3, 4, 4), torch.randn(1, 3, 4, 4)
    found = model({"image": first, "image2": second})[0]["semseg"]
    assert torch.equal(found, model.network.convs[0](torch.cat([first, second], dim=1))[0].argmax(0).to(torch.uint8))


@pytest.mark.parametrize("num_images", [1, 2])
def test_windows_give_what_the_whole_image_gives(num_images) -> None:
    torch.manual_seed(1)
    network = Pointwise(3, num_images=num_images)
    batch = {"image": torch.randn(2, 3, 37, 50), "image2": torch.randn(2, 3, 37, 50)}
    whole, windows = segmenter(network).eval()(batch), segmenter(network, window=16, overlap=0.5).eval()(batch)
    assert [(one["semseg"] == other["semseg"]).float().mean() for one, other in zip(whole, windows, strict=True)] == [1.0, 1.0]


@torch.no_grad()
@pytest.mark.parametrize("channels", [1, 3])
def test_views_give_the_labels_of_the_mean_probabilities(channels) -> None:
    torch.manual_seed(1)
    network = build_network("unet", channels=channels, args={"encoder": "timm/test_resnet"}).eval()
    images = torch.randn(2, 3, 64, 96)
    (viewed,) = ViewedNetwork(network, scales=[1.0, 0.5], flip=True)(images)
    total = torch.zeros(2, channels, 64, 96)
    for size in ((64, 96), (32, 48)):
        small = functional.interpolate(images, size, mode="bilinear", align_corners=False) if size != (64, 96) else images
        for mirrored in (False, True):
            logits = network(small.flip(-1) if mirrored else small)[0]
            probabilities = logits.sigmoid() if channels == 1 else logits.softmax(dim=1)
            probabilities = probabilities.flip(-1) if mirrored else probabilities
            total += functional.interpolate(probabilities, (64, 96), mode="bilinear", align_corners=False)
    found = viewed.sigmoid() if channels == 1 else viewed.softmax(dim=1)
    torch.testing.assert_close(found, total / 4, rtol=1e-5, atol=1e-6)


def test_a_model_is_tested_with_the_views_of_the_config_and_through_windows() -> None:
    settings = {"MODEL.NETWORK_ARGS": {"encoder": "timm/test_resnet"}, "TEST.VIEWS.FLIP": True, "TEST.SLIDING.SIZE": 64}
    cfg = config(**settings)
    model = build_model(cfg).eval()
    viewed = build_test_model(model, cfg).eval()
    batch = {"image": torch.randn(1, 3, 80, 96)}
    mirrored = {"image": batch["image"].flip(-1)}
    assert torch.equal(viewed(batch)[0]["semseg"], viewed(mirrored)[0]["semseg"].flip(-1))
    assert not torch.equal(model(batch)[0]["semseg"], model(mirrored)[0]["semseg"].flip(-1))
    cfg = config(**{**settings, "TEST.VIEWS.FLIP": False})
    assert build_test_model(model, cfg) is model


def config(**settings) -> CfgNode:
    cfg = CfgNode(SEGMENTATION_SCHEMA)
    for key, value in {"MODEL.NETWORK": "unet", "MODEL.NUM_CLASSES": 3, **settings}.items():
        cfg.set(key, value)
    infer_cfg(cfg)
    return cfg


def test_a_model_is_built_from_its_section() -> None:
    cfg = config(
        **{"MODEL.NETWORK_ARGS": {"encoder": "timm/test_resnet"}, "MODEL.LOSSES": ["cross_entropy", {"name": "dice", "weight": 0.5}]}
    )
    found = build_model(cfg)({"image": torch.randn(2, 3, 64, 64), "semseg": torch.randint(0, 3, (2, 64, 64))})
    assert set(found["losses"]) == {"loss_cross_entropy", "loss_dice"}
    assert all(math.isfinite(value.item()) for value in found["losses"].values())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"MODEL.NETWORK": "unett"}, r"MODEL.NETWORK: .*unett.*did you mean.*unet"),
        ({"MODEL.NETWORK_ARGS": {"encodr": "resnet18"}}, r"MODEL.NETWORK: unet has no argument 'encodr'.*encoder"),
        ({"MODEL.LOSSES": ["dyce"]}, r"MODEL.LOSSES: .*dyce.*dice"),
        ({"MODEL.OUTPUT_WEIGHTS": [1.0, 0.4]}, r"MODEL.OUTPUT_WEIGHTS: \[1.0, 0.4\] given, but unet has 1 output in training"),
        ({"DATA.NUM_IMAGES": 2}, r"unet looks at one image, but DATA.NUM_IMAGES is 2"),
    ],
)
def test_what_does_not_go_together_is_reported(settings, message) -> None:
    with pytest.raises(ConfigError, match=message):
        build_model(config(**{"MODEL.NETWORK_ARGS": {"encoder": "timm/test_resnet"}, **settings}))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"MODEL.NETWORK": ""}, "MODEL.NETWORK: nothing given"),
        ({"MODEL.NUM_CLASSES": 0}, "MODEL.NUM_CLASSES: 0 classes"),
        ({"DATA.CLASSES": ["a", "b"]}, "MODEL.NUM_CLASSES: 3 given, but DATA.CLASSES names 2"),
        ({"MODEL.BINARY": True}, "MODEL.BINARY: True separates foreground from background; there are 3 classes"),
        ({"MODEL.THRESHOLD": 1.0}, "MODEL.THRESHOLD: 1 given"),
        ({"MODEL.LOSSES": []}, "MODEL.LOSSES: nothing given"),
        ({"DATA.NUM_IMAGES": 3}, "DATA.NUM_IMAGES: 3 given"),
        ({"EXPORT.SIZE": [512]}, r"EXPORT.SIZE: \[512\] given"),
        ({"TEST.SLIDING.OVERLAP": 1.0}, "TEST.SLIDING.OVERLAP: 1 given"),
        ({"TEST.VIEWS.SCALES": [0.0]}, r"TEST.VIEWS.SCALES: \[0.0\] given, factors from 0.1 to 10 expected"),
        ({"ANALYSER.SIZE": [512]}, r"ANALYSER.SIZE: \[512\] given, \[height, width\] expected"),
    ],
)
def test_settings_that_contradict_each_other_are_reported(settings, message) -> None:
    with pytest.raises(ConfigError, match=message):
        config(**settings)


def test_classes_and_best_metric_are_derived() -> None:
    cfg = config(**{"MODEL.NUM_CLASSES": 0, "DATA.CLASSES": ["background", "building"]})
    assert (cfg.MODEL.NUM_CLASSES, cfg.EVAL.BEST_METRIC) == (2, "semseg/foreground_IoU")
    assert config().EVAL.BEST_METRIC == "semseg/mIoU"
