"""Size and cost of a model: parameters, FLOPs and activations."""

import copy
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

MILLION = 1e6


class ParameterCount(NamedTuple):
    """Numbers of single weights; a tensor that is used in several places counts once."""

    total: int
    trainable: int


class OperationCount(NamedTuple):
    """Counts in millions: of the convolutions, and of the whole forward pass."""

    conv: float
    total: float


class Analyser:
    """Counts what one forward pass of a model costs, in evaluation mode, on a copy: the model itself is not touched.

    FLOPs are multiply-adds, as the literature counts them (ResNet-50 at 224 x 224: 4.1 G). Activations are the elements
    that convolutions and matrix products put out (https://arxiv.org/abs/2003.13678). Both are read by fvcore from a trace
    of the forward pass; attention counts the same whether the model computes it in one fused operation or in steps.

    Args:
        model: the network, not wrapped for several processes.
        inputs: arguments of one forward pass: tensors, and dictionaries, lists and tuples of tensors. The counts are those
            of the batch that they hold; one sample is usual.
        forward: how the model is called, as ``forward(model, *inputs)``; None: ``model(*inputs)``. Its result has to hold
            tensors: the operations that lead to them are counted.
    """

    def __init__(self, model: nn.Module, inputs: tuple[Any, ...], *, forward: Callable[..., Any] | None = None) -> None:
        self._parameters = ParameterCount(
            total=sum(parameter.numel() for parameter in model.parameters()),
            trainable=sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
        )
        self._model = _TensorForward(copy.deepcopy(model), inputs, forward).eval()
        self._tensors = tuple(tensor.detach().clone() for tensor in _tensors_in(inputs))
        self._counts: dict[str, OperationCount] = {}

    def get_params(self) -> ParameterCount:
        """Return how many weights the model has, and how many of them are trained."""
        return self._parameters

    def get_flops_activs(self, mode: Literal["flops", "activations"]) -> OperationCount:
        """Return the multiply-adds or the activations in millions, of the convolutions and of the whole model."""
        if mode not in self._counts:
            self._counts[mode] = self._count(mode)
        return self._counts[mode]

    def get_thop_flops(self) -> float:
        """Return the multiply-adds in millions as thop counts them: by layer types, without the products inside attention."""
        with _undisturbed(self._tensors):
            # slow, and only needed here
            import thop

            operations, _ = thop.profile(self._model, inputs=self._tensors, verbose=False)
        return float(operations) / MILLION

    def summary(self) -> str:
        """Return all counts in one line."""
        flops, activations = self.get_flops_activs("flops"), self.get_flops_activs("activations")
        total, trainable = self._parameters
        frozen = "" if trainable == total else f" ({trainable / MILLION:.4f}M trained)"
        return (
            f"Params: {total / MILLION:.4f}M{frozen} | FLOPs: {flops.total:.4f}M / Conv_FLOPs: {flops.conv:.4f}M"
            f" | Activations: {activations.total:.4f}M / Conv_Activations: {activations.conv:.4f}M"
            f" | THOP_FLOPs: {self.get_thop_flops():.4f}M"
        )

    def parts(self) -> str:
        """Return the parts of the model in one line, each with its class and its parameters."""
        children = dict(self._model.model.named_children())
        opened = {
            name: dict(child.named_children()) if isinstance(child, nn.ModuleDict) else {"": child} for name, child in children.items()
        }
        named = {f"{name}.{inner}".removesuffix("."): part for name, parts in opened.items() for inner, part in parts.items()}
        counts = {name: sum(parameter.numel() for parameter in part.parameters()) for name, part in named.items()}
        return ", ".join(f"{name} {type(part).__name__} {counts[name] / MILLION:.4f}M" for name, part in named.items()) or "none"

    def _count(self, mode: Literal["flops", "activations"]) -> OperationCount:
        with _undisturbed(self._tensors):
            # slow, and only needed here
            from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis

            kind = {"flops": FlopCountAnalysis, "activations": ActivationCountAnalysis}[mode]
            analysis = kind(self._model, self._tensors).set_op_handle(**HANDLES[mode])
            analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
            operators: Mapping[str, float] = analysis.by_operator()
        return OperationCount(conv=operators["conv"] / MILLION, total=sum(operators.values()) / MILLION)


def _attention_flops(inputs: list[Any], _: list[Any]) -> float:
    """Count query times key, and scores times value."""
    query, key, value = (_shape(item) for item in inputs[:3])
    return math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def _attention_activations(inputs: list[Any], outputs: list[Any]) -> float:
    """Count the scores and the output, as where the two products are separate operations."""
    query, key = (_shape(item) for item in inputs[:2])
    return math.prod(query[:-1]) * key[-2] + math.prod(_shape(outputs[0]))


def _baddbmm_flops(inputs: list[Any], outputs: list[Any]) -> float:
    return math.prod(_shape(outputs[0])) * _shape(inputs[1])[-1]


def _baddbmm_activations(_: list[Any], outputs: list[Any]) -> float:
    return math.prod(_shape(outputs[0]))


# What fvcore does not know by itself
HANDLES: dict[str, dict[str, Callable[[list[Any], list[Any]], float]]] = {
    "flops": {"aten::scaled_dot_product_attention": _attention_flops, "aten::baddbmm": _baddbmm_flops},
    "activations": {"aten::scaled_dot_product_attention": _attention_activations, "aten::baddbmm": _baddbmm_activations},
}


def _shape(value: Any) -> list[int]:
    """Return the shape of a value of a trace."""
    sizes: list[int] = value.type().sizes()
    return sizes


class _TensorForward(nn.Module):
    """The model as a function from tensors to tensors, which is what can be traced."""

    def __init__(self, model: nn.Module, inputs: tuple[Any, ...], forward: Callable[..., Any] | None) -> None:
        super().__init__()
        self.model = model
        self._inputs = inputs
        self._call = forward

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        inputs = _with_tensors(self._inputs, iter(tensors))
        outputs = self.model(*inputs) if self._call is None else self._call(self.model, *inputs)
        found = tuple(_tensors_in(outputs))
        if not found:
            raise ValueError(f"the analyser needs a forward pass that returns tensors, this one returned {type(outputs).__name__}")
        return found


def _tensors_in(value: Any) -> Iterator[Tensor]:
    """Yield the tensors of nested dictionaries, lists and tuples."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _tensors_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors_in(item)


def _with_tensors(value: Any, tensors: Iterator[Tensor]) -> Any:
    """Return a copy of a nested value with other tensors in the places of its own."""
    if isinstance(value, Tensor):
        return next(tensors)
    if isinstance(value, Mapping):
        return {name: _with_tensors(item, tensors) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([_with_tensors(item, tensors) for item in value])
    return value


@contextmanager
def _undisturbed(tensors: tuple[Tensor, ...]) -> Iterator[None]:
    """Compute silently, without gradients, and leave the random generators and torch's attention switch as they were.

    The fast path of ``nn.MultiheadAttention`` is one operation that no counter knows, so it is off in here.
    """
    fast_path = torch.backends.mha.get_fastpath_enabled()
    devices = sorted({tensor.device.index for tensor in tensors if tensor.is_cuda})
    with torch.random.fork_rng(devices), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fast_path)
