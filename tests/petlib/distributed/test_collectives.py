import torch
from torch import nn

from petlib import distributed


def collect():
    rank = distributed.rank()
    mean_source = torch.tensor([rank, 4])
    return {
        "broadcast": distributed.broadcast_object({"from": rank}, source=1),
        "all_gather": distributed.all_gather_objects((rank, "x" * rank)),
        "gather": distributed.gather_objects(rank * 10),
        "sum": distributed.all_reduce_sum(torch.full((2, 3), rank + 1.0).t()).tolist(),
        "mean": distributed.all_reduce_mean(mean_source).tolist(),
        "largest": distributed.all_reduce_max(mean_source).tolist(),
        "any": distributed.any_rank(rank == 1, False, rank == 0),
        "source_after": mean_source.tolist(),
    }


def test_collectives_of_three_ranks(run_ranks):
    results = run_ranks(collect, 3)
    for rank, result in enumerate(results):
        assert result["broadcast"] == {"from": 1}
        assert result["all_gather"] == [(0, ""), (1, "x"), (2, "xx")]
        assert result["gather"] == ([0, 10, 20] if rank == 0 else None)
        assert result["sum"] == [[6.0, 6.0]] * 3
        assert result["mean"] == [1.0, 4.0]
        assert result["largest"] == [2, 4]
        assert result["any"] == (True, False, True)
        assert result["source_after"] == [rank, 4]


def test_collectives_without_a_group():
    distributed.barrier()
    result = collect()
    assert result == {
        "broadcast": {"from": 0},
        "all_gather": [(0, "")],
        "gather": [0],
        "sum": [[1.0, 1.0]] * 3,
        "mean": [0.0, 4.0],
        "largest": [0, 4],
        "any": (False, False, True),
        "source_after": [0, 4],
    }


class Buffers(nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.norm.running_mean.fill_(value)
        self.norm.num_batches_tracked.fill_(int(value))
        self.register_buffer("flag", torch.tensor(value > 0))
        self.register_buffer("low_precision", torch.full((3, 2), value, dtype=torch.bfloat16).t())
        self.register_buffer("nothing", torch.empty(0))


def broadcast_rank_zero():
    model = Buffers(7.0 if distributed.rank() == 0 else 0.0)
    weight = model.norm.weight.detach().fill_(distributed.rank()).clone()
    distributed.broadcast_buffers(model)
    assert torch.equal(model.norm.weight, weight)
    return {name: buffer.tolist() for name, buffer in model.named_buffers()}


def test_broadcast_buffers_copies_every_dtype_of_rank_zero_and_no_parameter(run_ranks):
    expected = {name: buffer.tolist() for name, buffer in Buffers(7.0).named_buffers()}
    assert run_ranks(broadcast_rank_zero, 2) == [expected, expected]
