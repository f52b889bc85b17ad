import logging

import pytest
import torch
from torch import nn

from petlib.config import PETLIB_SCHEMA, CfgNode
from petlib.errors import ConfigError
from petlib.solver import precision as precision_module
from petlib.solver.precision import MixedPrecision, build_mixed_precision

CPU = torch.device("cpu")


def make_cfg(enabled, dtype):
    cfg = CfgNode(PETLIB_SCHEMA)
    cfg.set("SOLVER.AMP.ENABLED", enabled)
    cfg.set("SOLVER.AMP.DTYPE", dtype)
    return cfg


def test_bf16_on_the_cpu_computes_in_bf16_without_a_scaler():
    precision = build_mixed_precision(make_cfg(True, "bf16"), CPU)
    model = nn.Linear(4, 4)
    with precision.autocast():
        output = model(torch.ones(2, 4))
    assert output.dtype == torch.bfloat16
    assert precision.scaler is None
    output.float().sum().backward()
    assert model.weight.grad.dtype == torch.float32


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_disabled_changes_nothing(dtype):
    precision = build_mixed_precision(make_cfg(False, dtype), CPU)
    with precision.autocast():
        assert nn.Linear(4, 4)(torch.ones(2, 4)).dtype == torch.float32
    assert precision.scaler is None


def test_contexts_may_be_nested_and_used_again():
    precision = MixedPrecision(enabled=True, dtype="bf16", device=CPU)
    with precision.autocast():
        with precision.autocast():
            assert torch.is_autocast_enabled("cpu")
        assert torch.is_autocast_enabled("cpu")
    assert not torch.is_autocast_enabled("cpu")


def test_fp16_on_the_cpu_is_refused():
    with pytest.raises(ConfigError, match=r"SOLVER.AMP.DTYPE: fp16 cannot be trained on cpu; set it to bf16, which works on the CPU too"):
        build_mixed_precision(make_cfg(True, "fp16"), CPU)


@pytest.mark.parametrize(("supported", "dtype"), [(True, torch.bfloat16), (False, torch.float16)])
def test_auto_is_what_the_gpu_has(monkeypatch, caplog, supported, dtype):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: supported)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "some GPU")
    monkeypatch.setattr(precision_module, "WholeAndSharedGradScaler", lambda device: f"scaler of {device}")
    with caplog.at_level(logging.INFO):
        precision = build_mixed_precision(make_cfg("auto", "fp16"), torch.device("cuda"))
    assert (precision.enabled, precision.dtype) == (True, dtype)
    assert precision.scaler == (None if supported else "scaler of cuda")
    assert caplog.messages == [f"SOLVER.AMP.ENABLED: auto is {'bf16' if supported else 'fp16'} on some GPU"]


def test_auto_is_off_on_the_cpu(caplog):
    with caplog.at_level(logging.INFO):
        assert not build_mixed_precision(make_cfg("auto", "bf16"), CPU).enabled
    assert caplog.messages == ["SOLVER.AMP.ENABLED: auto is off on the CPU"]


@pytest.mark.cuda
def test_fp16_on_a_gpu_trains_with_a_scaler():
    precision = build_mixed_precision(make_cfg(True, "fp16"), torch.device("cuda"))
    model = nn.Linear(4, 4).cuda()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, fused=True)
    with precision.autocast():
        output = model(torch.ones(2, 4, device="cuda"))
    assert output.dtype == torch.float16
    before = model.weight.detach().clone()
    precision.scaler.scale(output.float().sum()).backward()
    precision.scaler.step(optimizer)
    precision.scaler.update()
    torch.testing.assert_close(model.weight.detach(), before - 0.2)
