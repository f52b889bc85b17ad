"""A network is compiled on a GPU in a long training, once; where that fails, it is computed as it is."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from petlib.config.defaults import MISC
from petlib.engine import TrainState, train
from petlib.engine.hooks import compilation
from petlib.engine.hooks.compilation import FEWEST, CompilationHook, CompiledOrNot, why_not_compiled
from tests.petlib.engine.hooks.conftest import TinyLoader, TinyModel

GPU = torch.device("cuda")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that a compiler is there; torch's own must not be asked for while it holds."""
    monkeypatch.setattr(compilation.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pretend that the network is on a GPU with a compiler; the rules of torch's compiler are those of before afterwards."""
    monkeypatch.setattr(compilation, "device_of", lambda network: GPU)
    monkeypatch.setattr(compilation, "why_not_compiled", lambda device, iterations: "")
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "pretended GPU")
    yield
    torch.compiler.set_stance("default")
    torch.compiler.reset()


def own_messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the hook has logged; torch's compiler logs for itself."""
    return [record.getMessage() for record in caplog.records if record.name == compilation.__name__]


@pytest.mark.usefixtures("installed")
def test_long_trainings_on_a_gpu_are_compiled() -> None:
    assert why_not_compiled(GPU, FEWEST) == ""
    assert why_not_compiled(GPU, FEWEST - 1) == "9,999 iterations, and it pays from 10,000 on"
    assert why_not_compiled(torch.device("cpu"), FEWEST) == "the network is on the CPU"
    assert f"{FEWEST:,} iterations" in MISC["COMPILE"].meaning  # type: ignore[union-attr]


def test_without_a_compiler_there_is_a_reason(monkeypatch: pytest.MonkeyPatch, installed: None) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert why_not_compiled(GPU, FEWEST) == "there is no C compiler: none of cc, gcc, clang, and CC is not set"
    monkeypatch.setenv("CC", "/opt/cc")
    assert why_not_compiled(GPU, FEWEST) == ""
    monkeypatch.setattr(compilation.importlib.util, "find_spec", lambda name: None)
    assert why_not_compiled(GPU, FEWEST) == "triton is not installed"


@pytest.mark.usefixtures("gpu")
def test_the_network_is_compiled_once_after_the_first_iteration(
    make_state: Callable[..., TrainState],
    step: Callable[..., None],
    loader: TinyLoader,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    compiled: list[int] = []

    def compile_graph(graph: torch.fx.GraphModule, inputs: Sequence[Tensor]) -> Callable[..., Any]:
        compiled.append(state.iteration)
        return graph.forward

    monkeypatch.setattr(compilation, "compile_graph", compile_graph)
    state, plain = make_state(max_iter=4), make_state(max_iter=4)
    with caplog.at_level("INFO"):
        train(state, loader, step, [CompilationHook()])
    train(plain, loader, step, [])
    assert compiled == [1]
    assert own_messages(caplog) == ["CompilationHook: auto is on: 4 iterations on pretended GPU"]
    torch.testing.assert_close(state.network.state_dict(), plain.network.state_dict())


@pytest.mark.usefixtures("gpu")
def test_other_shapes_are_not_compiled_later(make_state: Callable[..., TrainState], monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[Any] = []
    monkeypatch.setattr(compilation, "compile_graph", lambda graph, inputs: compiled.append(graph) or graph.forward)
    hook, state = CompilationHook(), make_state(max_iter=FEWEST)
    hook.before_train(state)
    state.network({"x": torch.ones(8, 1)})
    hook.after_step(state)
    state.network({"x": torch.ones(8, 1)})
    first = len(compiled)
    assert first > 0
    hook.after_step(state)
    state.network({"x": torch.ones(5, 1)})
    state.network.eval()
    state.network({"x": torch.ones(3, 1)})
    assert len(compiled) == first
    hook.after_train(state)
    state.network({"x": torch.ones(7, 1)})
    assert len(compiled) > first


def test_what_cannot_be_compiled_is_computed_as_it_is(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    tried: list[int] = []

    def fail(graph: torch.fx.GraphModule, inputs: Sequence[Tensor]) -> Callable[..., Any]:
        tried.append(1)
        raise RuntimeError("\n  no such compiler: cc\nand many more lines")

    monkeypatch.setattr(compilation, "compile_graph", fail)
    torch.manual_seed(0)
    network, batch = TinyModel(), {"x": torch.randn(8, 1)}
    expected = network(batch)["losses"]["loss"]
    network.compile(backend=CompiledOrNot())
    for _ in range(2):
        loss = network(batch)["losses"]["loss"]
        loss.backward()
    torch.testing.assert_close(loss, expected)
    assert network.layer.weight.grad is not None
    network({"x": torch.randn(5, 1)})
    assert tried == [1]
    assert own_messages(caplog) == ["CompilationHook: compiling failed, the run goes on without: RuntimeError: no such compiler: cc"]
    torch.compiler.reset()


@pytest.mark.nightly
def test_torchs_own_compiler_computes_the_same() -> None:
    torch.manual_seed(0)
    network, batch = TinyModel(), {"x": torch.randn(8, 1)}
    expected = network(batch)["losses"]["loss"]
    network.compile(backend=CompiledOrNot())
    loss = network(batch)["losses"]["loss"]
    loss.backward()
    torch.testing.assert_close(loss, expected)
    torch.compiler.reset()


@pytest.mark.cuda
def test_a_gpu_computes_compiled_what_it_computes_without(
    make_state: Callable[..., TrainState], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(compilation, "FEWEST", 1)
    hook, state = CompilationHook(), make_state(max_iter=4)
    state.model.to(GPU)
    batch = {"x": torch.randn(8, 1, device=GPU)}
    with caplog.at_level("INFO"):
        hook.before_train(state)
        plain = state.network(batch)["losses"]["loss"]
        hook.after_step(state)
        compiled = state.network(batch)["losses"]["loss"]
    compiled.backward()
    hook.after_step(state)
    hook.after_train(state)
    torch.testing.assert_close(compiled, plain)
    (message,) = own_messages(caplog)
    assert message.startswith("CompilationHook: auto is on: 4 iterations on ")
    torch.compiler.reset()
