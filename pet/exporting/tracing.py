"""From a network to the graph that both kinds of file are made of."""

import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from pet.exporting.runtime import first_line
from petlib.errors import ConfigError

NOISY_LOGGERS = ("torch.onnx", "torch.export", "torch.fx", "torch.fx.experimental.symbolic_shapes", "onnxscript", "onnx_ir")

logger = logging.getLogger(__name__)

FreeAxes = tuple[dict[int, str], ...]
"""For each input the axes whose length is free, and their names."""


def trace(network: nn.Module, examples: Mapping[str, Tensor], free: FreeAxes | None, *, goal: str) -> ExportedProgram:
    """Return the operations of a network.

    Args:
        network: on the CPU, in evaluation.
        examples: its inputs in the order of the arguments of ``forward``.
        free: axes whose length is free; None: all shapes are those of the examples.
        goal: what it is for, for the message, e.g. ``ONNX``.

    Raises:
        ConfigError: something in it cannot be traced; the message names the module.
    """
    logger.info("export: tracing the network for %s", "inputs of any size" if free else _sizes_of(examples))
    shapes = None if free is None else tuple(dict.fromkeys(axes, Dim.DYNAMIC) for axes in free)
    try:
        with quiet():
            return without_checks(torch.export.export(network, tuple(examples.values()), dynamic_shapes=shapes, strict=False))
    except Exception as error:
        # whatever the code of a network raises while it is traced
        raise cannot_export(network, goal, first_line(error), _failing_module(network, error), dynamic=free is not None) from error


def without_checks(program: ExportedProgram) -> ExportedProgram:
    """Return a graph without the checks whether all of a tensor is true (``torch._check_tensor_all``): files have no operator for them."""
    for node in list(program.graph.nodes):
        if node.target is torch.ops.aten._is_all_true.default:
            _erase_with_users(node)
    return program


def _erase_with_users(node: torch.fx.Node) -> None:
    for user in list(node.users):
        _erase_with_users(user)
    node.graph.erase_node(node)


def _sizes_of(examples: Mapping[str, Tensor]) -> str:
    return ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in examples.items())


def cannot_export(network: nn.Module, goal: str, reason: str, module: str, *, dynamic: bool) -> ConfigError:
    """Return the error of a network that cannot be exported."""
    place = f" (in its module {module})" if module else ""
    advice = "; try fixed shapes" if dynamic else ""
    return ConfigError(f"{type(network).__name__} cannot be exported to {goal}{place}: {reason}{advice}; nothing was written")


def module_of_operator(program: ExportedProgram, message: str) -> str:
    """Return the name and class of the module with the first operator that a message names; empty: it names none."""
    for node in program.graph.nodes:
        if node.op == "call_function" and (str(node.target) in message or f"%{node.name} " in message):
            stack = node.meta.get("nn_module_stack") or {}
            inner = [place for place in stack.values() if place[0]]
            if inner:
                path, kind = inner[-1]
                return f"{path}, {str(kind).rpartition('.')[2]}"
    return ""


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporter's progress, hints and deprecation warnings from the console; its exceptions pass."""
    levels = {name: logging.getLogger(name).level for name in NOISY_LOGGERS}
    try:
        for name in NOISY_LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _failing_module(network: nn.Module, error: BaseException) -> str:
    """Return the name and class of the innermost module below ``network`` whose ``forward`` raised; empty: its own."""
    names = {id(module): name for name, module in network.named_modules()}
    found = ""
    traceback = error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        module = frame.f_locals.get("self") if frame.f_code.co_name == "forward" else None
        if isinstance(module, nn.Module):
            found = f"{names.get(id(module), '')}, {type(module).__name__}" if names.get(id(module)) else found
        traceback = traceback.tb_next
    return found
