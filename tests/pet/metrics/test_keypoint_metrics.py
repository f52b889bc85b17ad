"""Similarity and suppression of poses, and shares of correct keypoints, against values by hand."""

import math

import numpy as np
import pytest

from pet.metrics.keypoints import count_correct, pose_similarity, suppress_poses

SIGMAS = np.array([0.05, 0.1])


def test_the_similarity_is_the_mean_over_the_keypoints() -> None:
    pose = np.array([[0.0, 0.0], [10.0, 0.0]])
    others = np.array([[[3.0, 4.0], [10.0, 0.0]], [[0.0, 0.0], [10.0, 0.0]]])
    # the mean area of the first pair is 1000: 25 / (8 * 0.0025 * 1000) = 1.25
    found = pose_similarity(pose, 800.0, others, np.array([1200.0, 800.0]), SIGMAS)
    assert found == pytest.approx([(math.exp(-1.25) + 1) / 2, 1.0])


def test_the_weaker_of_two_similar_poses_goes() -> None:
    base = np.array([[0.0, 0.0], [10.0, 0.0]])
    poses = np.stack([base + 0.1, base, base + 50.0, base + 50.1])
    kept = suppress_poses(poses, np.full(4, 1000.0), np.array([0.5, 0.9, 0.3, 0.3]), SIGMAS, threshold=0.9)
    # of equal scores the first stays
    assert kept.tolist() == [1, 2]
    assert suppress_poses(poses, np.full(4, 1000.0), np.full(4, 0.5), SIGMAS, threshold=1.0).tolist() == [0, 1, 2, 3]
    assert suppress_poses(poses[:0], np.zeros(0), np.zeros(0), SIGMAS, threshold=0.9).tolist() == []


def test_correct_keypoints_lie_within_a_share_of_the_length() -> None:
    truth = np.array([[[0, 0, 2], [10, 0, 1], [5, 5, 0]], [[0, 0, 2], [0, 20, 2], [0, 0, 2]]], np.float32)
    found = np.array([[[0, 2], [14, 0], [99, 99]], [[3, 4], [0, 21], [6, 0]]], np.float32)
    # distances 2, 4, - and 5, 1, 6 with 0.1 of 30 and of 50 pixels
    counts = count_correct(found, truth, np.array([30.0, 50.0]), share=0.1)
    assert counts.correct.tolist() == [2, 1, 0]
    assert counts.marked.tolist() == [2, 2, 1]
    assert counts.share == pytest.approx(3 / 5)
    assert math.isnan(count_correct(found[:0], truth[:0], np.zeros(0), share=0.1).share)
