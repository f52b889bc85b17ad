import io
from collections import OrderedDict
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from petlib.checkpoint.snapshot import Snapshot, collect_state


def reload(state):
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def test_plain_data_of_every_kind_comes_back_through_a_file():
    class Text(str):
        pass

    state = {
        "numbers": [1, 2.5, True, None, 1j],
        "numpy": (np.float64(0.1), np.int32(3), np.bool_(True)),
        Text("text"): Text("a"),
        3: {"bytes": b"\x00", "set": {1, 2}, "size": torch.Size([2]), "dtype": torch.bfloat16, "device": torch.device("cpu")},
        "tensors": [torch.empty(0), torch.tensor(True), torch.ones(2, dtype=torch.bfloat16)],
    }
    loaded = reload(Snapshot().copy(state))
    assert loaded["numbers"] == [1, 2.5, True, None, 1j]
    assert loaded["numpy"] == (0.1, 3, True)
    assert [type(value) for value in loaded["numpy"]] == [float, int, bool]
    assert loaded["text"] == "a"
    assert loaded[3] == {"bytes": b"\x00", "set": {1, 2}, "size": torch.Size([2]), "dtype": torch.bfloat16, "device": torch.device("cpu")}
    assert [tensor.shape for tensor in loaded["tensors"]] == [(0,), (), (2,)]


def test_buffers_are_kept_while_shapes_stay():
    snapshot = Snapshot()
    first = snapshot.copy({"a": torch.ones(3), "b": torch.ones(2, 2)})
    second = snapshot.copy({"a": torch.zeros(3), "b": torch.zeros(3, 3)})
    assert second["a"].data_ptr() == first["a"].data_ptr()
    assert second["a"].tolist() == [0, 0, 0]
    assert second["b"].shape == (3, 3)


def test_values_and_strides_are_those_of_the_source():
    channels_last = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    expanded, slice_of_larger = torch.randn(3, 1).expand(3, 4), torch.randn(10, 10)[2:4, ::3]
    others = (torch.randn(3, 4, dtype=torch.bfloat16).t(), torch.randn(2, dtype=torch.complex64).conj(), torch.tensor(3.0))
    sources = [channels_last, expanded, slice_of_larger, *others]
    copied = Snapshot().copy(sources)
    assert copied[0].stride() == channels_last.stride()
    for copy, source in zip(copied, sources, strict=True):
        assert torch.equal(copy, source)
        assert copy.data_ptr() != source.data_ptr()


def test_a_large_state_is_copied_whole_and_again_after_it_changed():
    kinds = (torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.complex64)
    state = {f"{kind}{size}": torch.randint(0, 9, (size,)).to(kind) for kind in kinds for size in (3, 1000, 1 << 20)}
    state["transposed"] = torch.randn(1000, 900).T
    assert sum(tensor.nbytes for tensor in state.values()) > 20_000_000
    snapshot = Snapshot()
    for _ in range(2):
        copied = snapshot.copy(state)
        assert all(torch.equal(copied[name], tensor) for name, tensor in state.items())
        assert all(copied[name].data_ptr() != tensor.data_ptr() for name, tensor in state.items())
        for tensor in state.values():
            tensor.add_(1)


def test_tied_weights_are_copied_once():
    model = nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Linear(4, 4)})
    model["b"].weight = model["a"].weight
    copied = Snapshot().copy(model.state_dict())
    assert copied["a.weight"].data_ptr() == copied["b.weight"].data_ptr()
    assert copied["a.bias"].data_ptr() != copied["b.bias"].data_ptr()


def test_the_versions_of_layers_stay_with_the_state_of_a_network():
    model = nn.Sequential(nn.BatchNorm1d(2))
    loaded = reload(Snapshot().copy(collect_state({"model": model})))
    assert isinstance(loaded["model"], OrderedDict)
    assert loaded["model"]._metadata == model.state_dict()._metadata


def test_sharded_tensors_are_not_copied_as_whole_ones():
    tensor = torch.ones(2)
    tensor.device_mesh = SimpleNamespace()
    with pytest.raises(AssertionError, match=r"model\.weight is sharded; save it with Checkpointer\(sharded=True\)"):
        Snapshot().copy({"model": {"weight": tensor}})


@pytest.mark.cuda
def test_tensors_on_a_gpu_are_copied_into_pinned_memory():
    snapshot = Snapshot()
    source = torch.arange(1000, device="cuda", dtype=torch.float32)
    for _ in range(2):
        source.add_(1)
        copied = snapshot.copy({"a": source})
        assert copied["a"].is_pinned()
        assert torch.equal(copied["a"], source.cpu())
