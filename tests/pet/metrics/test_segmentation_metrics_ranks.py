"""Pixels that several processes count, joined."""

import torch

from pet.metrics.segmentation import SegmentationMetrics
from petlib import distributed

SHARES = {0: slice(0, 2), 1: slice(2, 3)}


def count(share: slice) -> list[list[int]]:
    generator = torch.Generator().manual_seed(0)
    metrics = SegmentationMetrics(5)
    for prediction, truth in [torch.randint(0, 5, (2, 6, 7), generator=generator) for _ in range(3)][share]:
        metrics.update(prediction, truth)
    return metrics.merge().confusion_matrix.tolist()


def count_share() -> list[list[int]]:
    return count(SHARES.get(distributed.rank(), slice(0)))


def test_ranks_are_joined_exactly_also_one_without_an_image(run_ranks) -> None:
    assert run_ranks(count_share, 3) == [count(slice(None))] * 3
