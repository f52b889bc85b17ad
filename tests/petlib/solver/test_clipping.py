import pytest
import torch
from torch import nn

from petlib import distributed
from petlib.config import PETLIB_SCHEMA, CfgNode
from petlib.distributed.row_sharded import share_rows
from petlib.errors import ConfigError
from petlib.solver.optimizers import GradientClipper, build_gradient_clipper


def parameters():
    weights = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))]
    weights[0].grad = torch.tensor([3.0, 0.0])
    weights[1].grad = torch.tensor([-4.0])
    return weights


def test_joint_norm_is_limited_and_returned():
    weights = parameters()
    norm = GradientClipper(method="norm", value=1.0)(iter(weights))
    assert norm.item() == pytest.approx(5.0)
    torch.testing.assert_close(weights[0].grad, torch.tensor([0.6, 0.0]))
    torch.testing.assert_close(weights[1].grad, torch.tensor([-0.8]))
    assert weights[2].grad is None


def test_norm_matches_torch_on_a_network():
    torch.manual_seed(0)
    models = [nn.Linear(5, 4), nn.Linear(5, 4)]
    models[1].load_state_dict(models[0].state_dict())
    for model in models:
        model(torch.ones(3, 5)).square().sum().backward()
    ours = GradientClipper(method="norm", value=0.7)(models[0].parameters())
    theirs = nn.utils.clip_grad_norm_(models[1].parameters(), 0.7)
    assert torch.equal(ours, theirs)
    assert all(torch.equal(a.grad, b.grad) for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True))


def test_small_gradients_stay():
    weights = parameters()
    GradientClipper(method="norm", value=10.0)(weights)
    assert weights[0].grad.tolist() == [3.0, 0.0]


def test_norm_type_infinity():
    weights = parameters()
    assert GradientClipper(method="norm", value=2.0, norm_type=float("inf"))(weights).item() == 4.0
    torch.testing.assert_close(weights[0].grad, torch.tensor([1.5, 0.0]))


def test_values_are_cut_one_by_one():
    weights = parameters()
    assert GradientClipper(method="value", value=1.5)(weights) is None
    assert weights[0].grad.tolist() == [1.5, 0.0]
    assert weights[1].grad.tolist() == [-1.5]


def test_built_from_the_config():
    cfg = CfgNode(PETLIB_SCHEMA)
    assert build_gradient_clipper(cfg) is None
    cfg.set("SOLVER.CLIP_GRADIENTS.METHOD", "value")
    cfg.set("SOLVER.CLIP_GRADIENTS.VALUE", 2.5)
    clipper = build_gradient_clipper(cfg)
    assert (clipper.method, clipper.value) == ("value", 2.5)
    cfg.set("SOLVER.CLIP_GRADIENTS.VALUE", 0.0)
    with pytest.raises(ConfigError, match="VALUE: 0 would erase all gradients"):
        build_gradient_clipper(cfg)


def clip_both_kinds(method: str):
    whole, rows = nn.Parameter(torch.zeros(2)), range(3)[distributed.rank() * 2 : distributed.rank() * 2 + 2]
    shared = share_rows(torch.zeros(len(rows), 1), 3)
    whole.grad = torch.tensor([1.0, 2.0])
    every = torch.tensor([[2.0], [4.0], [0.0]])
    shared.grad = share_rows(every[rows.start : rows.stop].clone(), 3).detach()
    norm = GradientClipper(method=method, value=1.0)([whole, shared])
    return norm, whole.grad, shared.grad.full_tensor()


def test_rows_of_all_processes_and_whole_parameters_have_one_norm(run_ranks):
    for norm, whole, shared in run_ranks(clip_both_kinds, 2, "norm"):
        assert norm.item() == pytest.approx(5)
        torch.testing.assert_close(whole, torch.tensor([0.2, 0.4]))
        torch.testing.assert_close(shared, torch.tensor([[0.4], [0.8], [0.0]]))


def test_values_of_both_kinds_are_cut(run_ranks):
    for norm, whole, shared in run_ranks(clip_both_kinds, 2, "value"):
        assert norm is None
        torch.testing.assert_close(whole, torch.tensor([1.0, 1.0]))
        torch.testing.assert_close(shared, torch.tensor([[1.0], [1.0], [0.0]]))
