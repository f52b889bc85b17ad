import torch

from pet.metrics.classification import ClassificationMetrics
from petlib import distributed

SHARES = {0: slice(0, 2), 1: slice(2, 3)}


def batches():
    generator = torch.Generator().manual_seed(0)
    return [(torch.randn(16, 6, generator=generator), torch.randint(0, 6, (16,), generator=generator)) for _ in range(3)]


def count(share):
    metrics = ClassificationMetrics(6)
    for logits, labels in batches()[share]:
        metrics.update(logits, labels)
    result = metrics.merge()
    return result.confusion_matrix.tolist(), result.metrics(), metrics.compute()


def count_share():
    return count(SHARES.get(distributed.rank(), slice(0)))


def test_ranks_are_joined_exactly_also_one_without_a_sample(run_ranks):
    assert run_ranks(count_share, 3) == [count(slice(None))] * 3
