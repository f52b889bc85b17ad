import pytest
import torch

from petlib.engine.skipping import SMALLEST_SCALE, are_finite, scale_is_lost


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_one_element_shows(bad: float, dtype: torch.dtype) -> None:
    tensors = [torch.ones(3), torch.zeros(5, 7, dtype=dtype), torch.ones(2, dtype=torch.int64)]
    assert are_finite(tensors)
    tensors[1][4, 6] = bad
    assert not are_finite(tensors)


def test_finite_elements_whose_norm_overflows_are_finite() -> None:
    assert are_finite([torch.full((4,), 3e38), torch.full((1000,), 6e4, dtype=torch.float16)])


def test_empty_and_sparse_tensors() -> None:
    assert are_finite([])
    assert are_finite([torch.empty(0), torch.tensor(2.0)])
    sparse = torch.sparse_coo_tensor(torch.tensor([[0, 2]]), torch.tensor([1.0, float("nan")]), (3,))
    assert not are_finite([sparse])
    assert are_finite([torch.eye(3).to_sparse()])


def test_a_scaler_that_only_halves_has_lost_its_scale() -> None:
    scaler = torch.amp.GradScaler("cpu")
    scaler.scale(torch.ones(()))
    assert not scale_is_lost(None)
    assert not scale_is_lost(scaler)
    scaler.update(SMALLEST_SCALE)
    assert not scale_is_lost(scaler)
    scaler.update(SMALLEST_SCALE / 2)
    assert scale_is_lost(scaler)
