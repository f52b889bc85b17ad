"""The head of semantic segmentation: loss, metric and label images."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from pet.losses.pixels import DiceLoss
from pet.models.features import FeatureInfo, Features
from pet.models.segmentation.head import SemsegHead, build_semseg_head
from pet.models.segmentation.pixels import over_files
from pet.vision.heads.settings import SEMSEG
from petlib.config import CfgNode, Key, merge_schemas
from petlib.errors import ConfigError

STRIDES = (2, 4, 8, 16, 32)
CHANNELS = (4, 8, 8, 8, 8)
INFO = FeatureInfo(CHANNELS, STRIDES, 0, ())
SMALL = {"pyramid_channels": 8, "segmentation_channels": 32}
SCHEMA = merge_schemas(
    SEMSEG, {"MODEL": {"NUM_CLASSES": Key(3, "Classes."), "SYNC_BN": Key(False, "No.")}, "TRAIN": {"METRICS_ON": Key(True, "Yes.")}}
)


def build(**settings: Any) -> SemsegHead:
    cfg = CfgNode(SCHEMA)
    for name, value in {"DECODER_ARGS": SMALL, **settings}.items():
        cfg.set(f"MODEL.SEMSEG.{name}", value)
    torch.manual_seed(0)
    head = build_semseg_head(cfg, INFO)
    assert isinstance(head, SemsegHead)
    return head


def make_features(height: int = 64, width: int = 96, sizes: list[tuple[int, int]] | None = None) -> Features:
    generator = torch.Generator().manual_seed(1)
    sizes = sizes or [(height, width)] * 2
    stages = [
        torch.randn(len(sizes), count, -(-height // stride), -(-width // stride), generator=generator)
        for count, stride in zip(CHANNELS, STRIDES, strict=True)
    ]
    return Features(images=torch.randn(len(sizes), 3, height, width, generator=generator), image_sizes=sizes, stages=stages, maps={})


def test_training_gives_the_cross_entropy_of_the_logits() -> None:
    head, features = build(LOSS_WEIGHT=0.5, DECODER_ARGS={**SMALL, "dropout": 0.0}), make_features()
    labels = torch.randint(0, 3, (2, 64, 96), dtype=torch.uint8)
    labels[:, :10] = 255
    output = head(features, {"semseg": labels}, None)
    logits = head.predict(features)
    assert logits.shape == (2, 3, 64, 96)
    torch.testing.assert_close(output.losses["loss_semseg"], 0.5 * functional.cross_entropy(logits, labels.long(), ignore_index=255))
    right = (logits.argmax(1) == labels)[:, 10:].float().mean()
    torch.testing.assert_close(output.metrics["semseg_accuracy"], right)
    output.losses["loss_semseg"].backward()
    assert all(parameter.grad is not None for parameter in head.parameters())


def test_labels_of_several_sizes_are_padded() -> None:
    head, features = build(DECODER_ARGS={**SMALL, "dropout": 0.0}), make_features(sizes=[(64, 50), (40, 96)])
    labels = [torch.zeros(64, 50, dtype=torch.uint8), torch.ones(40, 96, dtype=torch.uint8)]
    loss = head(features, {"semseg": labels}, None).losses["loss_semseg"]
    log_probabilities = head.predict(features).log_softmax(1)
    total = -(log_probabilities[0, 0, :, :50].sum() + log_probabilities[1, 1, :40].sum())
    torch.testing.assert_close(loss, total / (64 * 50 + 40 * 96))


def test_a_batch_without_a_label_has_no_loss() -> None:
    output = build()(make_features(), {"semseg": torch.full((2, 64, 96), 255, dtype=torch.uint8)}, None)
    assert output.losses["loss_semseg"].item() == 0.0
    assert output.metrics["semseg_accuracy"].item() == 0.0


@torch.no_grad()
def test_evaluation_gives_label_images_of_the_files() -> None:
    head, features = build().eval(), make_features(sizes=[(64, 50), (40, 96)])
    matrix = np.diag([96 / 48, 40 / 20, 1.0])
    batch = {"image_sizes": features.image_sizes, "meta": [{"size": (64, 50)}, {"size": (20, 48), "matrix": matrix}]}
    first, second = head(features, batch, None).predictions
    logits = head.predict(features)
    assert first["semseg"].dtype == torch.uint8
    assert torch.equal(first["semseg"], logits[0, :, :, :50].argmax(0).to(torch.uint8))
    small = functional.interpolate(logits[1:, :, :40], size=(20, 48), mode="bilinear", align_corners=False)[0]
    assert torch.equal(second["semseg"], small.argmax(0).to(torch.uint8))
    assert [tuple(scores.shape) for scores in over_files(logits, batch)] == [(3, 64, 50), (3, 20, 48)]


@torch.no_grad()
def test_without_sizes_and_meta_the_batch_is_the_image() -> None:
    head, features = build().eval(), make_features()
    predictions = head(features, {}, None).predictions
    assert [tuple(prediction["semseg"].shape) for prediction in predictions] == [(64, 96)] * 2


@pytest.mark.parametrize("decoder", ["fcn", "fpn", "unet", "upernet", "pspnet", "segformer"])
@torch.no_grad()
def test_a_batch_of_any_size_will_do(decoder: str) -> None:
    head = build(DECODER=decoder, DECODER_ARGS={}).eval()
    assert head.predict(make_features(50, 71)).shape == (2, 3, 50, 71)


@torch.no_grad()
def test_half_precision_features_give_float32_logits() -> None:
    features = make_features()
    with torch.autocast("cpu", torch.bfloat16):
        assert build().eval().predict(features).dtype == torch.float32


def test_classes_are_those_of_the_head_or_of_the_model() -> None:
    assert build().num_classes == 3
    assert build(NUM_CLASSES=7).num_classes == 7
    for count in (1, 256):
        with pytest.raises(ConfigError, match=rf"MODEL.SEMSEG.NUM_CLASSES: {count} classes given .* 2 to 255 expected"):
            build(NUM_CLASSES=count)


def test_classes_may_be_weighted() -> None:
    head, features = build(CLASS_WEIGHTS=[0.5, 1.0, 2.0], DECODER_ARGS={**SMALL, "dropout": 0.0}), make_features()
    labels = torch.randint(0, 3, (2, 64, 96), dtype=torch.uint8)
    labels[:, :10] = 255
    loss = head(features, {"semseg": labels}, None).losses["loss_semseg"]
    expected = functional.cross_entropy(head.predict(features), labels.long(), weight=torch.tensor([0.5, 1.0, 2.0]), ignore_index=255)
    torch.testing.assert_close(loss, expected)
    with pytest.raises(ConfigError, match=r"MODEL.SEMSEG.CLASS_WEIGHTS: \[0.5, 1.0\] given, 3 numbers above 0 expected"):
        build(CLASS_WEIGHTS=[0.5, 1.0])
    with pytest.raises(ConfigError, match=r"CLASS_WEIGHTS: .* given, but MODEL.SEMSEG.LOSSES has no cross_entropy"):
        build(CLASS_WEIGHTS=[0.5, 1.0, 2.0], LOSSES=["dice"])


def test_losses_are_those_of_the_segmentation_projects_by_name() -> None:
    losses = ["cross_entropy", {"name": "dice", "weight": 0.5}]
    head, features = build(LOSSES=losses, LOSS_WEIGHT=2.0, DECODER_ARGS={**SMALL, "dropout": 0.0}), make_features()
    labels = torch.randint(0, 3, (2, 64, 96), dtype=torch.uint8)
    found = head(features, {"semseg": labels}, None).losses
    assert list(found) == ["loss_semseg_cross_entropy", "loss_semseg_dice"]
    logits = head.predict(features)
    torch.testing.assert_close(found["loss_semseg_cross_entropy"], 2 * functional.cross_entropy(logits, labels.long()))
    torch.testing.assert_close(found["loss_semseg_dice"], 2 * 0.5 * DiceLoss()(logits, labels))
    with pytest.raises(ConfigError, match=r"MODEL.SEMSEG.LOSSES: .*dyce.*dice"):
        build(LOSSES=["dyce"])


def test_it_learns_an_image_by_heart() -> None:
    head, features = build(DECODER="fcn", DECODER_ARGS={"channels": 16}), make_features(32, 32)
    labels = torch.zeros(2, 32, 32, dtype=torch.uint8)
    labels[:, 8:24, 8:24] = 1
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        output = head(features, {"semseg": labels}, None)
        output.losses["loss_semseg"].backward()
        optimizer.step()
    assert output.metrics["semseg_accuracy"].item() > 0.97
