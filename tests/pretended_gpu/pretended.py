"""A GPU that is not there: tensors that lie on the CPU, say that they lie on ``cuda:0``, and refuse to be mixed with plain ones.

``with pretended_gpu():`` makes a process believe that it has a GPU. What it computes is computed on the CPU; an
operation that CUDA would refuse raises :class:`MixedDevicesError`. Not pretended: asynchronous
execution, memory, autocast and kernels of CUDA, compilation, nccl.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

CUDA = torch.device("cuda:0")
COPIES = {"aten::_to_copy", "aten::copy_", "aten::copy"}
INDEXING = {"aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_", "aten::_unsafe_index"}
"""Indices may lie on the CPU, the values may not."""
NO_SCALARS = {"aten::cat", "aten::stack", "aten::index_add", "aten::index_add_", "aten::scatter_", "aten::bincount", "aten::index_select"}
"""Operations that take no scalar of the CPU among tensors of the GPU, as the arithmetic does."""


class MixedDevicesError(RuntimeError):
    """Tensors of the GPU and of the CPU met in one operation."""


class PretendedTensor(Tensor):
    """A tensor of the CPU that says that it lies on the GPU.

    Args:
        inner: the tensor that holds the values.
    """

    inner: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, inner: Tensor) -> "PretendedTensor":
        return Tensor._make_wrapper_subclass(  # type: ignore[attr-defined, no-any-return]
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            layout=inner.layout,
            device=torch.device("cpu"),
            requires_grad=inner.requires_grad,
            dispatch_device=True,
        )

    def __init__(self, inner: Tensor) -> None:
        self.inner = inner.detach()

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return CUDA

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return True

    def __repr__(self) -> str:  # type: ignore[override]
        return f"PretendedTensor({self.inner!r})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, args, kwargs or {})


def unwrap(value: Any) -> Any:
    """Return the tensor behind a pretended one, any other value as it is."""
    return value.inner if isinstance(value, PretendedTensor) else value


def run(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Run an operation on the CPU, and give its results the device that they would have."""
    name = func.name().partition(".")[0]
    tensors = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
    on_gpu = any(isinstance(value, PretendedTensor) for value in tensors)
    if name in COPIES:
        return _copy(func, name, args, kwargs)
    # what autograd makes itself in the backward pass is plain
    if on_gpu and torch._C._current_graph_task_id() == -1:
        _check(name, args, tensors)
    wanted = kwargs.get("device")
    changed = dict(tree_map(unwrap, dict(kwargs)))
    if wanted is not None:
        on_gpu = torch.device(wanted).type == "cuda"
        changed["device"] = torch.device("cpu")
    if "pin_memory" in changed:
        changed["pin_memory"] = False
    result = func(*tree_map(unwrap, args), **changed)
    return _wrap(result, tensors) if on_gpu else result


def _copy(func: Any, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    if name == "aten::_to_copy":
        wanted = kwargs.get("device")
        device = args[0].device if wanted is None else torch.device(wanted)
        changed = {**kwargs, "device": torch.device("cpu")}
        changed.pop("pin_memory", None)
        copied = func(unwrap(args[0]), **changed)
        return PretendedTensor(copied) if device.type == "cuda" else copied
    result = func(*tree_map(unwrap, args), **tree_map(unwrap, dict(kwargs)))
    if name == "aten::copy_":
        return args[0]
    return PretendedTensor(result) if isinstance(args[0], PretendedTensor) else result


def _check(name: str, args: Sequence[Any], tensors: Sequence[Tensor]) -> None:
    plain = [value for value in tensors if not isinstance(value, PretendedTensor)]
    if name in INDEXING:
        values = args[2] if len(args) > 2 else None
        is_plain = isinstance(values, Tensor) and not isinstance(values, PretendedTensor) and values.dim() > 0
        if not isinstance(args[0], PretendedTensor) or is_plain:
            what = "values of the CPU for a tensor of the GPU" if is_plain else "a tensor of the CPU, and indices or values of the GPU"
            raise MixedDevicesError(f"{name}: {what}")
        return
    in_place = name.endswith("_") and isinstance(args[0], Tensor) and not isinstance(args[0], PretendedTensor)
    offending = [value for value in plain if value.dim() > 0 or name in NO_SCALARS or in_place]
    if offending:
        raise MixedDevicesError(f"{name}: tensors of the CPU {[tuple(value.shape) for value in offending]} among those of the GPU")


def _wrap(result: Any, tensors: Sequence[Tensor]) -> Any:
    """Return results as pretended tensors; of an operation in place the very tensor that was given."""
    given = {id(value.inner): value for value in tensors if isinstance(value, PretendedTensor)}

    def wrap(value: Any) -> Any:
        if isinstance(value, Tensor) and not isinstance(value, PretendedTensor):
            return given.get(id(value)) if id(value) in given else PretendedTensor(value)
        return value

    return tree_map(wrap, result)


class Operations(TorchDispatchMode):
    """Sees operations that make new tensors."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, args, kwargs or {})


def _to_list(tensor: PretendedTensor) -> Any:
    return tensor.inner.tolist()


def _refuse_numpy(tensor: PretendedTensor, *_: Any, **__: Any) -> np.ndarray:
    raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first.")


def _set_data(tensor: PretendedTensor, values: PretendedTensor) -> None:
    """Do what ``tensor.data = values`` does: strides and values become the others'."""
    Tensor.data.__set__(tensor, values)  # type: ignore[attr-defined]
    tensor.inner = values.inner


def _to(tensor: Tensor, *args: Any, copy: bool = False, **kwargs: Any) -> Tensor:
    """Do what ``tensor.to(...)`` does, whose forms compare devices before the dispatcher sees them."""
    if args and isinstance(args[0], Tensor):
        device, dtype, memory_format = args[0].device, args[0].dtype, torch.preserve_format
    else:
        device, dtype, _, memory_format = torch._C._nn._parse_to(*args, **kwargs)  # type: ignore[attr-defined]
    if copy:
        tensor = tensor.clone()
    return _move(tensor, tensor.device if device is None else device, dtype, memory_format or torch.preserve_format)


def _move(tensor: Tensor, device: torch.device, dtype: torch.dtype | None, memory_format: torch.memory_format) -> Tensor:
    if device.type == tensor.device.type:
        return tensor.to(dtype=dtype or tensor.dtype, memory_format=memory_format)
    moved: Tensor = torch.ops.aten._to_copy.default(tensor, dtype=dtype, device=device, memory_format=memory_format)
    return moved


METHODS: dict[Any, Callable[..., Any]] = {
    Tensor.tolist: _to_list,
    Tensor.data.__set__: _set_data,  # type: ignore[attr-defined]
    Tensor.numpy: _refuse_numpy,
    Tensor.__array__: _refuse_numpy,
    Tensor.data_ptr: lambda tensor: tensor.inner.data_ptr(),
    Tensor.new_tensor: lambda tensor, data, **settings: PretendedTensor(torch.tensor(data, **{"dtype": tensor.dtype, **settings})),
    # it makes a tensor of its own without asking where
    torch.nn.functional.one_hot: lambda tensor, *rest: PretendedTensor(torch.nn.functional.one_hot(tensor.inner, *rest)),
    Tensor.is_pinned: lambda tensor, *_: False,
}
"""Methods that go around the dispatcher."""
MAKERS = {torch.tensor, torch.as_tensor, torch.asarray}


class Functions(TorchFunctionMode):
    """Sees functions that go around the dispatcher."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in METHODS and isinstance(args[0], PretendedTensor):
            return METHODS[func](*args, **kwargs)
        if func in MAKERS and kwargs.get("device") is not None:
            made = args[0] if isinstance(args[0], PretendedTensor) else func(*args, **{**kwargs, "device": None})
            return _move(made, torch.device(kwargs["device"]), None, torch.preserve_format)
        if func is Tensor.cpu or func is Tensor.cuda:
            return _move(args[0], torch.device("cpu") if func is Tensor.cpu else CUDA, None, torch.preserve_format)
        if func is Tensor.to:
            return _to(*args, **kwargs)
        if func is Tensor.pin_memory:
            return args[0]
        return func(*args, **kwargs)


class Idle:
    """A stream or an event of a device that is always done."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.cuda_stream = 0

    def record_event(self, *_: Any) -> "Idle":
        return Idle()

    def record(self, *_: Any) -> None:
        pass

    def wait_event(self, *_: Any) -> None:
        pass

    def synchronize(self) -> None:
        pass

    def is_capturing(self) -> bool:
        return False


@contextlib.contextmanager
def pretended_gpu() -> Iterator[None]:
    """Let this process believe that it has a GPU."""
    replaced = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "set_device": lambda device: None,
        "get_device_name": lambda *_: "pretended GPU",
        "is_bf16_supported": lambda **_: True,
        "mem_get_info": lambda *_: (2**33, 2**34),
        "get_rng_state_all": list,
        "synchronize": lambda *_: None,
        "_lazy_init": lambda: None,
        "manual_seed_all": lambda seed: None,
        "Stream": Idle,
        "Event": Idle,
        "current_stream": Idle,
        "is_current_stream_capturing": lambda: False,
        "stream": lambda stream: contextlib.nullcontext(),
    }
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    with contextlib.ExitStack() as stack:
        for name, value in replaced.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, value))
        stack.enter_context(mock.patch.object(torch.accelerator, "current_stream", Idle))
        # it reads its arguments before anything else sees them
        stack.enter_context(mock.patch.object(Tensor, "record_stream", lambda tensor, stream: None))
        # parameters of a module become pretended ones, which cannot take the place of plain ones' memory
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        stack.callback(torch.__future__.set_overwrite_module_params_on_conversion, before)
        stack.enter_context(Operations())
        stack.enter_context(Functions())
        yield
