"""Soft suppression compared with numbers worked out by hand."""

import math

import pytest
import torch

from pet.models.detection.suppression import batched_soft_nms

# The second overlaps the first by a half of 20 x 10 in 3 (IoU 1/3), the third lies apart, the fourth is the first again
BOXES = torch.tensor([[0.0, 0, 10, 20], [0, 10, 10, 30], [50, 50, 60, 60], [0, 0, 10, 20]])
SCORES = torch.tensor([0.9, 0.8, 0.7, 0.6])


def test_linear_by_hand() -> None:
    keep, scores = batched_soft_nms(BOXES, SCORES, torch.zeros(4).long(), method="linear", iou_threshold=0.3, score_threshold=0.01)
    assert keep.tolist() == [0, 2, 1]  # the copy has 0.6 * (1 - 1)
    assert scores.tolist() == pytest.approx([0.9, 0.7, 0.8 * 2 / 3])


def test_linear_leaves_small_overlaps() -> None:
    keep, scores = batched_soft_nms(BOXES[:3], SCORES[:3], torch.zeros(3).long(), method="linear", iou_threshold=0.5)
    assert keep.tolist() == [0, 1, 2]
    assert scores.tolist() == pytest.approx([0.9, 0.8, 0.7])


def test_gaussian_by_hand() -> None:
    keep, scores = batched_soft_nms(BOXES, SCORES, torch.zeros(4).long(), method="gaussian", sigma=0.5)
    # the second: exp(-(1/3)^2 / 0.5), the copy: exp(-1 / 0.5) by the first and then exp(-(1/3)^2 / 0.5) by the second
    assert keep.tolist() == [0, 2, 1, 3]
    lowered = math.exp(-2 / 9)
    assert scores.tolist() == pytest.approx([0.9, 0.7, 0.8 * lowered, 0.6 * math.exp(-2) * lowered])


def test_other_classes_are_left_alone() -> None:
    keep, scores = batched_soft_nms(BOXES, SCORES, torch.tensor([0, 1, 2, 3]), method="gaussian")
    assert keep.tolist() == [0, 1, 2, 3]
    assert scores.tolist() == pytest.approx(SCORES.tolist())


def test_threshold_and_limit() -> None:
    labels = torch.zeros(4).long()
    assert batched_soft_nms(BOXES, SCORES, labels, method="gaussian", score_threshold=0.65)[0].tolist() == [0, 2]
    assert batched_soft_nms(BOXES, SCORES, labels, method="gaussian", limit=2)[0].tolist() == [0, 2]


def test_the_order_of_the_boxes_does_not_matter() -> None:
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(30, 2, generator=generator) * 40
    boxes = torch.cat([corners, corners + 5 + 20 * torch.rand(30, 2, generator=generator)], dim=1)
    scores, labels = torch.rand(30, generator=generator), torch.randint(2, (30,), generator=generator)
    order = torch.randperm(30, generator=generator)
    keep, lowered = batched_soft_nms(boxes, scores, labels, method="linear", score_threshold=0.05)
    shuffled_keep, shuffled = batched_soft_nms(boxes[order], scores[order], labels[order], method="linear", score_threshold=0.05)
    assert order[shuffled_keep].tolist() == keep.tolist()
    assert torch.equal(shuffled, lowered)
    assert bool((lowered.diff() <= 0).all())


def test_boxes_without_area_do_not_touch_each_other() -> None:
    keep, scores = batched_soft_nms(torch.full((2, 4), 5.0), torch.tensor([0.5, 0.4]), torch.zeros(2).long(), method="gaussian")
    assert keep.tolist() == [0, 1]
    assert scores.tolist() == pytest.approx([0.5, 0.4])


def test_no_boxes_and_the_input_stays() -> None:
    keep, scores = batched_soft_nms(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0).long(), method="linear")
    assert (keep.shape, keep.dtype, scores.shape) == ((0,), torch.int64, (0,))
    given = SCORES.clone()
    batched_soft_nms(BOXES, given, torch.zeros(4).long(), method="gaussian")
    assert torch.equal(given, SCORES)
