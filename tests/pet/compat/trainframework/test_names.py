"""Import paths of TrainFramework's helpers: what they give is that of torch and of Pet."""

import copy
import logging

import numpy as np
import pytest
import torch
from torch import nn

from pet.compat.trainframework import comm
from pet.compat.trainframework.checkpoint import functional as checkpoint_f
from pet.compat.trainframework.loss import BUILD_LOSS_REGISTRY, LossCompose, LossKeyCompose, build, pipe
from pet.compat.trainframework.model import BUILD_NETWORK_REGISTRY, BaseModel, build_network
from pet.compat.trainframework.solver.lr_scheduler import LRMultiplierScheduler
from pet.compat.trainframework.transforms.pipe import TransformCompose
from petlib.errors import CheckpointError, ConfigError


def test_packages_have_the_names_of_their_modules() -> None:
    assert build.LOSS_ARCH_REGISTRY is BUILD_LOSS_REGISTRY
    assert LossKeyCompose is pipe.LossKeyCompose
    assert issubclass(BaseModel, object) and isinstance(build_network({"name": "PatchDiscriminator", "channels": 3}), nn.Module)
    assert "PatchDiscriminator" in BUILD_NETWORK_REGISTRY.names()


def test_a_composed_loss_is_the_weighted_sum() -> None:
    output, target = torch.tensor([0.0, 2.0]), torch.tensor([1.0, 1.0])
    loss = LossCompose([{"name": "L1Loss", "lambda_weight": 3.0}, {"NAME": "MSELoss"}, lambda x, gt: (x - gt).sum() + 10.0])
    assert loss(output, target).item() == pytest.approx(3.0 + 1.0 + 10.0)
    with pytest.raises(ConfigError, match="LossCompose: 'L1Loss' given, a list of losses expected"):
        LossCompose("L1Loss")


def test_the_schedule_is_that_of_detectron2() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    schedule = LRMultiplierScheduler(optimizer, 0.1, 2, {"name": "WarmupMultiStepLR", "gamma": 0.5, "steps": [3, 5]}, max_iter=6)
    rates = []
    for _ in range(6):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([0.01, 0.055, 0.1, 0.05, 0.05, 0.025])
    with pytest.raises(ConfigError, match="LRMultiplierScheduler: lr_scheduler_param: unknown course 'Step'"):
        LRMultiplierScheduler(optimizer, 0.1, 2, {"name": "Step"}, max_iter=6)


def test_a_list_of_transforms_is_called_with_results() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    results = TransformCompose([{"name": "RandomFlip", "p": 1.0}])({"img": image})
    np.testing.assert_array_equal(results["img"], image[:, ::-1])


def test_weights_that_fit_are_taken_and_the_rest_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    network = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4))
    state = {name: torch.ones_like(value) for name, value in checkpoint_f.get_model_state_dict(nn.DataParallel(network)).items()}
    assert list(state) == list(network.state_dict())
    state["1.bias"] = torch.ones(9)
    checkpoint_f.load_model_state_dict(network, state, log_name="engine")
    assert network[0].weight.eq(1).all() and not network[1].bias.eq(1).all()
    assert [record.name for record in caplog.records] == ["engine"] and "1.bias" in caplog.text
    with pytest.raises(CheckpointError):
        checkpoint_f.load_model_state_dict(network, {"other": torch.ones(1)})
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    saved = copy.deepcopy(checkpoint_f.get_model_state_dict(optimizer))
    optimizer.param_groups[0]["lr"] = 0.5
    checkpoint_f.load_checkpoint_state_dict(optimizer, saved)
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_one_process_is_a_world_of_its_own() -> None:
    assert (comm.get_rank(), comm.get_world_size(), comm.get_local_rank(), comm.is_main_process()) == (0, 1, 0, True)
    comm.synchronize()
    assert comm.all_gather({"a": 1}) == comm.gather({"a": 1}) == [{"a": 1}]
    values = {"loss": torch.tensor(2.0)}
    assert comm.reduce_dict(values) is values


def _reduce() -> None:
    """Check in each of two processes."""
    rank = comm.get_rank()
    losses = {"b": torch.tensor(1.0 + rank), "a": torch.tensor(10.0 * rank)}
    assert {name: value.item() for name, value in comm.reduce_dict(losses).items()} == {"a": 5.0, "b": 1.5}
    assert comm.reduce_dict(losses, average=False)["a"].item() == 10.0
    assert comm.all_gather(rank) == [0, 1]
    assert comm.gather(rank) == ([0, 1] if rank == 0 else [])


def test_two_processes_reduce_and_gather(run_ranks) -> None:
    run_ranks(_reduce, 2)


def test_adversarial_models_are_base_models_with_several_networks() -> None:
    with pytest.raises(ImportError, match=r"gan_model has no BaseGanModel: derive from .*\.base_model\.BaseModel"):
        from pet.compat.trainframework.model.gan_model import BaseGanModel  # noqa: F401
