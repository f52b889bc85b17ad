"""Weighted sums of losses, from Python and from a config."""

from typing import Any

import pytest
import torch
from torch import Tensor

from pet.losses.pixels import PIXEL_LOSSES, BCELoss, CrossEntropyLoss, DiceLoss, FocalLoss, LovaszHingeLoss, MixedLoss
from pet.losses.pixels.base import PixelLoss
from pet.losses.pixels.mixed import build_pixel_loss
from petlib.errors import ConfigError


def make_batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 2, 6, 7, generator=generator)
    return logits, torch.randint(0, 2, (2, 6, 7), generator=generator, dtype=torch.uint8)


def test_the_mixture_of_the_notebook() -> None:
    logits, labels = make_batch()
    loss = MixedLoss([BCELoss(), DiceLoss(), LovaszHingeLoss()], [2, 1, 1])
    expected = 2 * BCELoss()(logits, labels) + DiceLoss()(logits, labels) + LovaszHingeLoss()(logits, labels)
    torch.testing.assert_close(loss(logits, labels), expected)


def test_terms_add_up_to_the_loss() -> None:
    logits, labels = make_batch()
    loss = MixedLoss([DiceLoss(), BCELoss(), DiceLoss(per_image=True)], [1, 2, 0.5])
    terms = loss.terms(logits, labels)
    assert list(terms) == ["DiceLoss", "BCELoss", "DiceLoss_2"]
    torch.testing.assert_close(terms["BCELoss"], 2 * BCELoss()(logits, labels))
    torch.testing.assert_close(sum(terms.values()), loss(logits, labels))


def test_a_list_of_a_config_becomes_a_mixture() -> None:
    logits, labels = make_batch()
    entries = ["cross_entropy", {"name": "dice", "weight": "5e-1", "smooth": 2, "per_image": True}, {"name": "focal", "alpha": 0.25}]
    loss = build_pixel_loss(entries, place="MODEL.LOSSES", channels=2)
    terms = loss.terms(logits, labels)
    assert list(terms) == ["cross_entropy", "dice", "focal"]
    torch.testing.assert_close(terms["cross_entropy"], CrossEntropyLoss()(logits, labels))
    torch.testing.assert_close(terms["dice"], 0.5 * DiceLoss(smooth=2.0, per_image=True)(logits, labels))
    torch.testing.assert_close(terms["focal"], FocalLoss(alpha=0.25)(logits, labels))
    assert entries[1]["weight"] == "5e-1"


def test_every_name_of_the_table_is_a_loss() -> None:
    logits, labels = make_batch()
    assert PIXEL_LOSSES.names() == ["bce", "cross_entropy", "dice", "focal", "lovasz_hinge", "lovasz_softmax", "ohem", "soft_iou"]
    for name in PIXEL_LOSSES.names():
        loss = build_pixel_loss([name], place="MODEL.LOSSES", channels=2)
        assert isinstance(loss.losses[0], PixelLoss)
        assert loss(logits, labels) > 0


def test_the_ignored_label_is_that_of_the_parts() -> None:
    assert MixedLoss([DiceLoss()], [1]).ignore_label == 255
    assert MixedLoss([DiceLoss(ignore_label=9), BCELoss(ignore_label=9)], [1, 1]).ignore_label == 9
    with pytest.raises(ConfigError, match="MixedLoss: its losses ignore different labels, 9, 255; one for all expected"):
        MixedLoss([DiceLoss(ignore_label=9), BCELoss()], [1, 1])


@pytest.mark.parametrize(
    ("losses", "coefficients", "message"),
    [
        ([], [], "0 losses and 0 coefficients given"),
        ([DiceLoss(), BCELoss()], [1], "2 losses and 1 coefficients given, one coefficient for each loss expected"),
        ([DiceLoss()], [-1], "coefficient: -1 given, a number of at least 0 expected"),
        ([DiceLoss()], [float("nan")], "coefficient: nan given"),
    ],
)
def test_parts_and_coefficients_go_together(losses: list[PixelLoss], coefficients: list[float], message: str) -> None:
    with pytest.raises(ConfigError, match=f"MixedLoss: {message}"):
        MixedLoss(losses, coefficients)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([], r"MODEL.LOSSES: \[\] given, a list of losses expected"),
        ("dice", "MODEL.LOSSES: 'dice' given, a list of losses expected"),
        ([3], r"MODEL.LOSSES: 3 given, a name or a mapping like \{name: dice, weight: 1.0\} expected"),
        (["dise"], "MODEL.LOSSES: unknown pixel loss 'dise'; did you mean dice?"),
        ([{"name": "dice", "smoth": 1}], r"MODEL.LOSSES: loss dice: unknown argument 'smoth'; did you mean smooth\?"),
        ([{"name": "dice", "smooth": "much"}], "MODEL.LOSSES: loss dice: smooth: 'much' given, float expected"),
        ([{"name": "dice", "smooth": -1}], "MODEL.LOSSES: DiceLoss: smooth: -1 given, a number of at least 0 expected"),
        ([{"name": "dice", "weight": "much"}], "MODEL.LOSSES: loss dice: weight: 'much' given, a number of at least 0 expected"),
        ([{"name": "dice", "weight": -2}], "MODEL.LOSSES: loss dice: weight: -2 given, a number of at least 0 expected"),
        (
            [{"name": "focal", "alpha": "high"}],
            r"MODEL.LOSSES: loss focal: alpha: 'high' given, float or list\[float\] or None expected",
        ),
    ],
)
def test_mistakes_of_a_config_are_reported(entries: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_pixel_loss(entries, place="MODEL.LOSSES", channels=2)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("lovasz_hinge", "MODEL.LOSSES: LovaszHingeLoss: the network has 3 classes; one channel or two classes expected"),
        ({"name": "focal", "alpha": 0.25}, "MODEL.LOSSES: FocalLoss: 2 weights of classes given, the network has 3 classes"),
        ({"name": "cross_entropy", "class_weights": [1, 2]}, "MODEL.LOSSES: CrossEntropyLoss: 2 weights of classes given"),
    ],
)
def test_a_loss_that_does_not_go_with_the_number_of_classes_is_reported_when_the_model_is_built(entry: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_pixel_loss([entry], place="MODEL.LOSSES", channels=3)
    for channels in (1, 2):
        assert isinstance(build_pixel_loss([entry], place="MODEL.LOSSES", channels=channels).losses[0], PixelLoss)
