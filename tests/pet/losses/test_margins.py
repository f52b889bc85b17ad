import math

import pytest
import torch

from pet.losses.margins import AngularMargin

COSINES = torch.tensor([[0.9, 0.1, -0.3], [0.2, -0.95, 0.4], [0.0, 0.5, 0.7]])
LABELS = torch.tensor([0, 1, 2])


def logits_by_hand(cosines, labels, scale, margins):
    m1, m2, m3 = margins
    rows = []
    for row, label in zip(cosines.tolist(), labels.tolist(), strict=True):
        angle = m1 * math.acos(row[label]) + m2
        row[label] = (math.cos(angle) if angle <= math.pi else row[label] - m2 * math.sin(m2)) - m3
        rows.append([scale * value for value in row])
    return torch.tensor(rows)


@pytest.mark.parametrize(("m1", "m2", "m3"), [(1, 0.5, 0), (1, 0, 0.4), (1, 0.3, 0.2), (0.9, 0.4, 0.15)])
def test_logits_are_those_of_the_formula(m1, m2, m3):
    margin = AngularMargin(scale=64, factor=m1, angle=m2, cosine=m3)
    cosines = COSINES if m1 == 1 else COSINES.abs()
    torch.testing.assert_close(margin(cosines, LABELS), logits_by_hand(cosines, LABELS, 64, (m1, m2, m3)), rtol=1e-5, atol=1e-4)


def test_the_gradient_is_that_of_the_formula():
    margin = AngularMargin(scale=1, angle=0.5, cosine=0.1)
    cosines = torch.linspace(-0.8, 0.99, 30, requires_grad=True)
    margin.shift(cosines).sum().backward()
    angles = cosines.detach().arccos()
    torch.testing.assert_close(cosines.grad, (angles + 0.5).sin() / angles.sin(), rtol=1e-4, atol=1e-5)


def test_insightfaces_gradient_passes_straight_through():
    exact, straight = AngularMargin(angle=0.5), AngularMargin(angle=0.5, straight_through=True)
    cosines = torch.linspace(-0.8, 0.99, 30, requires_grad=True)
    torch.testing.assert_close(straight.shift(cosines), exact.shift(cosines))
    straight.shift(cosines).sum().backward()
    torch.testing.assert_close(cosines.grad, torch.ones(30))
    beyond = torch.tensor([-0.99])
    torch.testing.assert_close(straight.shift(beyond), (beyond.arccos() + 0.5).cos())


@pytest.mark.parametrize(("factor", "angle"), [(1, 0.5), (1.35, 0), (1.2, 0.3), (0.9, 0.4)])
def test_the_own_logit_falls_with_the_angle_up_to_180_degrees(factor, angle):
    cosines = torch.linspace(1, -1, 2001)
    shifted = AngularMargin(factor=factor, angle=angle).shift(cosines)
    assert (shifted.diff()[1:-1] < 0).all()


@pytest.mark.parametrize("value", [1.0, -1.0, 1.0000001])
def test_cosines_of_one_have_finite_gradients(value):
    cosines = torch.tensor([[value]], requires_grad=True)
    logits = AngularMargin(angle=0.5)(cosines, torch.tensor([0]))
    logits.sum().backward()
    assert logits.isfinite().all()
    assert cosines.grad.isfinite().all()


def test_half_precision_is_computed_in_float32():
    assert AngularMargin()(COSINES.bfloat16(), LABELS).dtype == torch.float32


def test_classes_elsewhere_have_no_margin():
    margin = AngularMargin(scale=2)
    torch.testing.assert_close(margin(COSINES, torch.tensor([-1, -1, -1])), 2 * COSINES)
    torch.testing.assert_close(margin(COSINES, torch.tensor([-1, 1, -1]))[[0, 2]], 2 * COSINES[[0, 2]])


def test_a_margin_grows_with_its_strength():
    margin = AngularMargin(scale=1, factor=1.1, angle=0.5, cosine=0.2)
    margin.strength = 0.0
    torch.testing.assert_close(margin(COSINES, LABELS), COSINES)
    margin.strength = 0.5
    torch.testing.assert_close(margin(COSINES, LABELS), AngularMargin(scale=1, factor=1.05, angle=0.25, cosine=0.1)(COSINES, LABELS))
