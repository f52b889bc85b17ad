"""Checkpoints and weights changed by chance are loaded, or refused with a message."""

import contextlib
import copy
import functools
import io
import random
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import strategies as st
from safetensors.torch import save
from torch import nn

from petlib.checkpoint import Checkpointer
from petlib.checkpoint.weights import load_weights
from petlib.errors import UserError
from tests.faults.conftest import Happened
from tests.faults.fuzz import COUNTS, assert_survives, generate
from tests.faults.mutations import ODD_VALUES, mutated, mutated_trees

ODD_TENSORS = [torch.tensor(1.0), torch.zeros(0), torch.zeros(3, 2, 1, 1), torch.ones(8)[::2], torch.zeros(1).expand(2**60)]
TWINS: list[Callable[[torch.Tensor], Any]] = [
    *(torch.Tensor.double, torch.Tensor.half, torch.Tensor.int, torch.Tensor.bool, torch.Tensor.to_sparse, torch.Tensor.numpy),
    *(torch.Tensor.tolist, nn.Parameter, partial(torch.Tensor.to, dtype=torch.complex64), partial(torch.Tensor.to, device="meta")),
    *(partial(torch.Tensor.to, dtype=torch.float8_e4m3fn), partial(torch.mul, other=float("nan")), partial(torch.unsqueeze, dim=0)),
    lambda tensor: tensor.mT if tensor.dim() > 1 else tensor.flip(0),
    lambda tensor: tensor.reshape(-1)[:-1],
    lambda tensor: torch.zeros(()).expand(tensor.shape),
    lambda tensor: torch.zeros(1).expand(2**20, 2**30),
    lambda tensor: torch.quantize_per_tensor(tensor.float(), 0.1, 0, torch.qint8),
    lambda tensor: {"tensor": tensor},
]
PICKLE_TOKENS = [
    *(b"cos\nsystem\n", b"cbuiltins\neval\n", b"ctorch\nSize\n", b"ctorch._utils\n_rebuild_tensor_v2\n", b"\x80\x02", b"\x85" * 3000),
    *(bytes([opcode]) for opcode in b"(t]}aesuRb.02NQ"),
    *(b"q\x01", b"h\x01", b"r\xff\xff\xff\x7f", b"j\xff\xff\xff\x7f", b"X\xff\xff\xff\x7f", b"J\xff\xff\xff\x7f", b"K\x00"),
    *(b"\x8a\xff", b"\x8a\x08" + b"\xff" * 7 + b"\x7f", b"G\x7f\xf0\x00\x00\x00\x00\x00\x00"),
]
JSON_TOKENS = [
    *(b"[" * 400, b"{", b"}", b'"F64"', b'"I8"', b"-1", b"99999999999999999", b'"__metadata__"', b"null"),
    b'"shape":[4294967296,4294967296]',
]


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))


def components() -> dict[str, Any]:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.zeros(1, 3, 2, 2)).sum().backward()
    optimizer.step()
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 3)
    return {"model": model, "ema": None, "optimizers": {"default": optimizer}, "schedulers": {"default": schedule}, "iteration": 3}


def state() -> dict[str, Any]:
    return copy.deepcopy(_saved_state())


@functools.cache
def _saved_state() -> dict[str, Any]:
    return {name: _state(value) for name, value in components().items()}


def _state(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _state(inner) for name, inner in value.items()}
    return value.state_dict() if hasattr(value, "state_dict") else value


def saved(content: Any, **options: Any) -> bytes:
    sink = io.BytesIO()
    try:
        torch.save(content, sink, **options)
    except (RecursionError, NotImplementedError, TypeError, AttributeError, RuntimeError, OverflowError):
        torch.save({"not": "savable"}, sink, **options)
    return sink.getvalue()


def with_odd_twins(chance: int) -> dict[str, Any]:
    """Return a state in which a few tensors are of another kind or shape, or have another name."""
    rng = random.Random(chance)
    content = state()
    optimizer = content["optimizers"]["default"]["state"]
    places = [(content["model"], name) for name in content["model"]] + [(entry, "momentum_buffer") for entry in optimizer.values()]
    for branch, name in rng.sample(places, rng.randrange(1, 4)):
        # not every tensor has every twin
        with contextlib.suppress(RuntimeError, IndexError):
            branch[name] = rng.choice(TWINS)(branch[name].detach())
    if rng.random() < 0.3:
        branch, name = rng.choice(places)
        branch[rng.choice((0, ("a",), "x" * 9000, "\x1b[31m\n", "module.0.weight", "", 1.5, None))] = branch.pop(name)
    for branch, _ in places:
        if rng.random() < 0.05:
            branch["_metadata" if rng.random() < 0.5 else "keys"] = 5
    return content


def with_changed_record(archive: bytes, chance: int, pickled: bytes) -> bytes:
    """Put another pickle, or fewer records, into a file of torch, with right checksums."""
    rng = random.Random(chance)
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(sink, "w") as target:
        for name in source.namelist():
            content = pickled if name.endswith("data.pkl") else source.read(name)
            if rng.random() < 0.98 or name.endswith("data.pkl"):
                target.writestr(name, content[: rng.randrange(len(content) + 1)] if rng.random() < 0.1 else content)
    return sink.getvalue()


def archives() -> st.SearchStrategy[bytes]:
    sample = saved(state())
    with zipfile.ZipFile(io.BytesIO(sample)) as archive:
        index = archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))
    changed = mutated([index], PICKLE_TOKENS)
    trees = mutated_trees([state(), state()["model"]], [*ODD_VALUES, *ODD_TENSORS, *ODD_TENSORS])
    return (
        st.integers(0, 2**64).map(with_odd_twins).map(saved)
        | trees.map(saved)
        | st.builds(with_changed_record, st.just(sample), st.integers(0, 2**64), changed)
        | mutated([sample], [b"PK\x03\x04", b"PK\x05\x06", b"PK\x01\x02", *PICKLE_TOKENS])
        | mutated([saved(state(), _use_new_zipfile_serialization=False)], PICKLE_TOKENS)
    )


def reader(folder: Path) -> Any:
    parts, model = components(), network()

    def read(path: Path) -> None:
        with contextlib.suppress(UserError):
            load_weights(model, path, prefer_ema=True, key_prefixes=("0.",)).summary()
        Checkpointer(folder).restore(parts)

    return read


@pytest.mark.fault("let-in", "mutated checkpoints")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("count", COUNTS)
def test_checkpoints(count: int, tmp_path: Path, happened: Happened) -> None:
    outcome = assert_survives(generate(archives(), count), reader(tmp_path), tmp_path, name="model_latest.pth")
    assert outcome.succeeded > 0
    assert outcome.refused > count // 2
    happened(str(outcome))


@pytest.mark.fault("let-in", "mutated safetensors")
@pytest.mark.parametrize("count", COUNTS)
def test_safetensors(count: int, tmp_path: Path, happened: Happened) -> None:
    model = network()
    samples = [save(model.state_dict()), save({"0.weight": torch.ones(4, 3, 1, 1, dtype=torch.int64)})]
    inputs = generate(mutated(samples, JSON_TOKENS), count)
    outcome = assert_survives(inputs, lambda path: load_weights(model, path).summary(), tmp_path, name="weights.safetensors")
    assert outcome.succeeded > 0
    assert outcome.refused > count // 2
    happened(str(outcome))
