import torch
from torch import nn

from pet.evaluation.embeddings import UNKNOWN, collect_embeddings
from petlib import distributed


class Halves(nn.Module):
    def forward(self, batch):
        return [{"embedding": row} for row in batch["image"].flatten(1)[:, :2] / 2]


def batches(count, *, labelled):
    """Contiguous shares as an evaluation loader gives them; sample i has the vector (i + 1, 1) * 2."""
    world, rank = distributed.world_size(), distributed.rank()
    share = range(rank * count // world, (rank + 1) * count // world)
    result = []
    for start in range(0, len(share), 2):
        part = share[start : start + 2]
        images = torch.tensor([[[[2.0 * (index + 1), 2.0]]] for index in part])
        batch = {"image": images, "meta": [{"index": index} for index in part]}
        result.append({**batch, "label": torch.tensor([index % 3 for index in part])} if labelled else batch)
    return result


def collect(count, labelled=True, normalise=False):
    collector = collect_embeddings(Halves(), batches(count, labelled=labelled), normalise=normalise)
    return collector.gather()


def test_embeddings_come_in_the_order_of_the_data_set_whatever_the_ranks(run_ranks):
    expected = torch.tensor([[index + 1.0, 1.0] for index in range(5)])
    # with 7 ranks some have no sample
    for results in ([collect(5)], run_ranks(collect, 3, 5), run_ranks(collect, 7, 5)):
        for vectors, labels, places in results:
            assert torch.equal(vectors, expected)
            assert labels.tolist() == [0, 1, 2, 0, 1]
            assert places.tolist() == [0, 1, 2, 3, 4]


def test_vectors_get_unit_length_and_samples_may_have_no_label():
    found = collect(3, labelled=False, normalise=True)
    assert torch.allclose(found.vectors.norm(dim=1), torch.ones(3))
    assert found.labels.tolist() == [UNKNOWN] * 3
