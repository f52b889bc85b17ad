"""A network that is compiled where that pays: in long trainings on a GPU."""

import importlib.util
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from petlib.distributed.process_group import is_main_process
from petlib.engine.fitting import device_of
from petlib.engine.hook import Hook
from petlib.engine.state import TrainState

FEWEST = 10_000
"""Iterations that a training has at least: compiling takes a minute or two and saves milliseconds of each."""
KERNEL_COMPILER = "triton"
C_COMPILERS = ("cc", "gcc", "clang")
CompiledGraph = Callable[..., Any]

logger = logging.getLogger(__name__)


class CompilationHook(Hook):
    """Compiles the network after the first iteration, where it is on a GPU and the run is long; one line says whether and why.

    The first iteration is left out because :class:`~petlib.engine.micro_batches.MicroBatchStep` tries parts of several sizes in it. What
    the next iterations want is compiled. After that other shapes, as those of evaluations, are computed without: each would take a
    minute or two again. Where compiling fails, the run goes on without.
    """

    order = 17
    key = "compilation"
    intervals = ()

    def __init__(self) -> None:
        self._is_due = self._is_compiled = self._is_closed = False

    def before_train(self, state: TrainState) -> None:
        """Decide, and say so."""
        device = device_of(state.network)
        reason = why_not_compiled(device, state.max_iter)
        self._is_due = not reason
        if is_main_process():
            text = f"off: {reason}" if reason else f"on: {state.max_iter:,} iterations on {torch.cuda.get_device_name(device)}"
            logger.info("CompilationHook: auto is %s", text)

    def after_step(self, state: TrainState) -> None:
        """Compile after the first iteration, and no further shapes from the next call on."""
        if self._is_due:
            state.network.compile(backend=CompiledOrNot())
            self._is_due, self._is_compiled = False, True
        elif self._is_compiled and not self._is_closed:
            torch.compiler.set_stance("eager_on_recompile")
            self._is_closed = True

    def after_train(self, state: TrainState) -> None:
        """Let other networks of the process be compiled."""
        if self._is_closed:
            torch.compiler.set_stance("default")

    def on_exception(self, state: TrainState) -> None:
        """Do the same."""
        self.after_train(state)


def why_not_compiled(device: torch.device, iterations: int) -> str:
    """Return why a training is not compiled; empty: it is.

    Args:
        device: where the network computes.
        iterations: of the whole run, so that one that is continued is compiled as before.
    """
    if device.type != "cuda":
        return f"the network is on the {device.type.upper()}"
    if iterations < FEWEST:
        return f"{iterations:,} iterations, and it pays from {FEWEST:,} on"
    if importlib.util.find_spec(KERNEL_COMPILER) is None:
        return f"{KERNEL_COMPILER} is not installed"
    if not os.environ.get("CC") and not any(map(shutil.which, C_COMPILERS)):
        return f"there is no C compiler: none of {', '.join(C_COMPILERS)}, and CC is not set"
    return ""


class CompiledOrNot:
    """A backend of ``torch.compile``: torch's own, and after its first failure none, so that the network is computed as it is.

    Composed as https://docs.pytorch.org/docs/stable/torch.compiler_custom_backends.html shows it.
    """

    def __init__(self) -> None:
        self.failed = False

    def __call__(self, graph: torch.fx.GraphModule, inputs: Sequence[Tensor]) -> CompiledGraph:
        """Return what computes a part of the network."""
        if not self.failed:
            try:
                return compile_graph(graph, inputs)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # noqa: BLE001 -- a compiler fails in as many ways as there are installations; a warning says it
                self.failed = True
                first = next(iter(str(error).strip().splitlines()), "")
                logger.warning("CompilationHook: compiling failed, the run goes on without: %s: %s", type(error).__name__, first)
        return graph.forward


def compile_graph(graph: torch.fx.GraphModule, inputs: Sequence[Tensor]) -> CompiledGraph:
    """Compile a part of a network by torch's usual backend."""
    # the compiler takes seconds to import
    from torch._dynamo import lookup_backend

    compiled: CompiledGraph = lookup_backend("inductor")(graph, list(inputs))
    return compiled
