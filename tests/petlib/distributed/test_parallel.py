import pytest
import torch
from torch import nn

from petlib import distributed
from petlib.distributed.parallel import BLOCK_PARAMETERS
from petlib.errors import ConfigError

CPU = torch.device("cpu")


class Network(nn.Module):
    """Two blocks that are large enough to be sharded by themselves, and layers that stay with the root."""

    def __init__(self) -> None:
        super().__init__()
        width = round((BLOCK_PARAMETERS / 2) ** 0.5) + 1
        self.stem = nn.Linear(7, width)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width)) for _ in range(2))
        self.head = nn.Linear(width, 5)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        features = self.stem(inputs)
        for block in self.blocks:
            features = features + block(features)
        return self.head(features)


def train_steps(mode: str, accumulation: int = 1) -> dict[str, torch.Tensor]:
    """Train three steps on batches of 12 samples, of which each rank takes its share in ``accumulation`` parts."""
    torch.manual_seed(3 + distributed.rank())
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = Network()
    model = distributed.parallelize(network, mode, device=CPU, find_unused_parameters=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for step in range(3):
        generator = torch.Generator().manual_seed(step)
        inputs, targets = torch.randn(12, 7, generator=generator), torch.randn(12, 5, generator=generator)
        share = slice(distributed.rank(), None, distributed.world_size())
        parts = list(zip(inputs[share].chunk(accumulation), targets[share].chunk(accumulation), strict=True))
        for number, (part, target) in enumerate(parts, start=1):
            context = distributed.no_sync(model) if number < len(parts) else torch.enable_grad()
            with context:
                (nn.functional.mse_loss(model(part), target) / accumulation).backward()
        optimizer.step()
        optimizer.zero_grad()
    state = distributed.unwrap(model).state_dict()
    return {name: value.full_tensor() if hasattr(value, "full_tensor") else value for name, value in state.items()}


@pytest.fixture(scope="module")
def alone() -> dict[str, torch.Tensor]:
    return train_steps("none")


@pytest.mark.parametrize(("mode", "accumulation"), [("ddp", 1), ("ddp", 2), ("fsdp", 1), ("fsdp", 2)])
def test_two_ranks_train_like_one(run_ranks, alone, mode, accumulation):
    for state in run_ranks(train_steps, 2, mode, accumulation):
        assert state.keys() == alone.keys()
        for name, value in alone.items():
            torch.testing.assert_close(state[name], value, rtol=1e-4, atol=1e-6)


class OwnParts(nn.Module):
    """A shared layer, and a layer and a buffer that each rank keeps to itself."""

    def __init__(self) -> None:
        super().__init__()
        self.shared, self.own = nn.Linear(2, 2), nn.Linear(2, 2)
        self.register_buffer("queue", torch.zeros(4))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.own(self.shared(inputs))


def keep_own_parts():
    torch.manual_seed(distributed.rank())
    network = OwnParts()
    before = network.own.weight.detach().clone()
    model = distributed.parallelize(network, "ddp", device=CPU, ignored=["own.weight", "own.bias", "queue"])
    network.queue += 1 + distributed.rank()
    loss = model(torch.full((1, 2), 1.0 + distributed.rank())).sum()
    loss.backward()
    assert torch.equal(network.own.weight, before)
    return network.shared.weight.grad, network.own.weight.grad, network.queue


def test_ignored_parameters_and_buffers_stay_with_their_rank(run_ranks):
    (shared, own, queue), (shared_2, own_2, queue_2) = run_ranks(keep_own_parts, 2)
    torch.testing.assert_close(shared, shared_2)
    assert not torch.allclose(own, own_2)
    assert (queue[0], queue_2[0]) == (1, 2)


def refuse_ignored_in_fsdp():
    with pytest.raises(ConfigError, match=r"mode: fsdp shards all of a model, but each process keeps its own own\.weight; use ddp"):
        distributed.parallelize(OwnParts(), "fsdp", device=CPU, ignored=["own.weight"])
    return True


def test_fsdp_refuses_ignored_parameters(run_ranks):
    assert run_ranks(refuse_ignored_in_fsdp, 2) == [True, True]


def test_an_unknown_ignored_name_is_a_mistake_of_the_caller():
    with pytest.raises(AssertionError, match="the model has no centres"):
        distributed.parallelize(nn.Linear(2, 2), "ddp", device=CPU, ignored=["centres"])


def count_local_parameters():
    model = distributed.parallelize(Network(), "fsdp", device=CPU, find_unused_parameters=False)
    groups = sum(hasattr(module, "unshard") for module in model.modules())
    return groups, sum(parameter.to_local().numel() for parameter in model.parameters())


def test_fsdp_shards_blocks_and_root_over_the_ranks(run_ranks):
    total = sum(parameter.numel() for parameter in Network().parameters())
    results = run_ranks(count_local_parameters, 3)
    assert [groups for groups, _ in results] == [3, 3, 3]
    assert sum(count for _, count in results) == total
    assert max(count for _, count in results) < 0.4 * total


def shard_ranks_that_differ():
    torch.manual_seed(distributed.rank())
    model = distributed.parallelize(Network(), "fsdp", device=CPU, find_unused_parameters=False)
    return model.head.weight.full_tensor().detach()


def test_fsdp_starts_from_the_parameters_of_rank_zero(run_ranks):
    torch.manual_seed(0)
    expected = Network().head.weight
    for weight in run_ranks(shard_ranks_that_differ, 2):
        torch.testing.assert_close(weight, expected.detach(), rtol=0, atol=0)


def refuse_data_parallel():
    with pytest.raises(ConfigError, match="dp is for one process with several GPUs; use ddp"):
        distributed.parallelize(nn.Linear(2, 2), "dp", device=CPU, find_unused_parameters=False)
    return True


def test_dp_is_refused_with_several_processes(run_ranks):
    assert run_ranks(refuse_data_parallel, 2) == [True, True]


@pytest.mark.parametrize("mode", ["ddp", "fsdp", "dp", "none"])
def test_one_process_on_the_cpu_trains_the_model_itself(mode):
    model = nn.Linear(2, 2)
    assert distributed.parallelize(model, mode, device=CPU, find_unused_parameters=False) is model
    with distributed.no_sync(model):
        model(torch.ones(1, 2)).sum().backward()
    assert model.weight.grad is not None


def test_an_unknown_mode_is_reported():
    with pytest.raises(ConfigError, match="'ddq' given; choose ddp, fsdp, dp or none"):
        distributed.parallelize(nn.Linear(2, 2), "ddq", device=CPU, find_unused_parameters=False)


def test_unwrap_finds_the_network():
    model = nn.Linear(2, 2)
    assert distributed.unwrap(nn.DataParallel(model)) is model
    assert distributed.unwrap(model) is model
