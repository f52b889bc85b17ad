"""Pickles from outside that hold lists, dictionaries, numbers, text and arrays of numbers, and nothing else."""

import io
import pickle
import pickletools
import re
import struct
from typing import Any, NoReturn

import numpy as np

LONGEST_SHOWN = 100
DEEPEST_TUPLES = 1_000
"""Python follows tuples in tuples without a limit of its own; those of arrays lie two deep."""

FOREIGN = {"EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "NEXT_BUFFER", "FROZENSET"}
TUPLES = {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
KEEPING = {"PUT", "BINPUT", "LONG_BINPUT"}
FETCHING = {"GET", "BINGET", "LONG_BINGET"}
PLAIN = (bool, int, float, complex, str, bytes, bytearray, type(None))
NUMBERS = re.compile("[<|=]?(u1|i4|i8|f2|f4|f8|uint8|int32|int64|float16|float32|float64)")
FAILURES = (
    *(pickle.UnpicklingError, EOFError, ValueError, LookupError, AttributeError, TypeError, ArithmeticError, MemoryError, RecursionError),
    struct.error,
)


class PlainPickleError(ValueError):
    """A pickle is damaged, or holds something else than plain values and arrays."""


def parse_plain_pickle(data: bytes) -> Any:
    """Return what a pickle holds, of Python 2 as well; arrays, at any depth, of bytes, whole numbers or floats.

    No code of the file runs, and none of numpy's own reader, which trusts what it reads.

    Args:
        data: the pickle; the memory that it takes is bounded by its length.

    Raises:
        PlainPickleError: it is no pickle, a damaged one, or holds something else.
    """
    try:
        _check_steps(data)
        # text of python 2 is bytes
        return _plain(_ArraysOnly(io.BytesIO(data), encoding="latin1").load(), {})
    except FAILURES as error:
        # the text of a KeyError is a number alone
        raise PlainPickleError(f"it is no pickle ({error!r})" if isinstance(error, LookupError) else str(error)) from error


def _plain(value: Any, done: dict[int, Any]) -> Any:
    """Return a value of the unpickler with its arrays as numpy's; ``done`` has the containers that were seen, which may share members."""
    if type(value) in PLAIN:
        return value
    if isinstance(value, _Array):
        return value.values
    if id(value) in done:
        return done[id(value)]
    if type(value) is list:
        plain: Any = [_plain(item, done) for item in value]
    elif type(value) is tuple:
        plain = tuple(_plain(item, done) for item in value)
    elif type(value) is dict:
        plain = {_plain(name, done): _plain(item, done) for name, item in value.items()}
    else:
        raise pickle.UnpicklingError(f"it has a {type(value).__name__.strip('_')}, but only numpy arrays and plain values are allowed")
    done[id(value)] = plain
    return plain


def _check_steps(data: bytes) -> None:
    """Refuse steps that would take memory that no data accounts for, or nest tuples without end, before any is done."""
    depths = _TupleDepths()
    for count, (step, argument, _) in enumerate(pickletools.genops(data)):
        # python keeps a table as long as the greatest number, of which ten bytes can name four billion
        if step.name in KEEPING and int(argument or 0) > count:
            raise pickle.UnpicklingError(f"it keeps value {argument} after {count} steps")
        if step.name in FOREIGN or depths.after(step, argument) > DEEPEST_TUPLES:
            raise pickle.UnpicklingError(f"it has the step {step.name}, but only numpy arrays and plain values are allowed")


class _TupleDepths:
    """How deep tuples lie in each other on the stack of an unpickler, followed without building any."""

    def __init__(self) -> None:
        # None is a mark
        self._stack: list[int | None] = []
        self._kept: dict[int, int] = {}

    def after(self, step: pickletools.OpcodeInfo, argument: Any) -> int:
        """Do a step and return the depth of the value on top of the stack after it."""
        if step.name in KEEPING or step.name == "MEMOIZE":
            self._kept[int(argument) if step.name in KEEPING else len(self._kept)] = self._stack[-1] or 0
        elif step.name in FETCHING:
            self._stack.append(self._kept[int(argument)])
        elif step.name == "DUP":
            self._stack.append(self._stack[-1])
        else:
            deepest = max(self._take(step), default=0)
            depth = 1 + deepest if step.name in TUPLES else 0
            self._stack += [None if kind is pickletools.markobject else depth for kind in step.stack_after]
        return (self._stack[-1] or 0) if self._stack else 0

    def _take(self, step: pickletools.OpcodeInfo) -> list[int]:
        """Remove what a step takes from the stack, and return the depths."""
        taken: list[int] = []
        single = len(step.stack_before)
        if pickletools.markobject in step.stack_before:
            single = step.stack_before.index(pickletools.markobject)
            while (depth := self._stack.pop()) is not None:
                taken.append(depth)
        return taken + [self._stack.pop() or 0 for _ in range(single)]


class _Dtype:
    """The type of an array, as the pickle names it."""

    def __init__(self, name: str, *unused: object) -> None:
        if not NUMBERS.fullmatch(name):
            raise pickle.UnpicklingError(f"it wants an array of {_shown(name)}, but only numpy arrays of numbers are allowed")
        self.type = np.dtype(name)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in ("|", "<", "="):
            raise pickle.UnpicklingError("it has an array of another byte order")


class _Array:
    """An array that is being read; ``values`` are there after its state."""

    values: np.ndarray

    @classmethod
    def reconstruct(cls, *unused: object) -> "_Array":  # noqa: ARG003 -- numpy's arguments
        """Replace numpy's ``_reconstruct``, which makes an empty array."""
        return cls()

    @classmethod
    def from_buffer(cls, data: object, dtype: _Dtype, shape: tuple[int, ...], order: str) -> "_Array":
        """Replace numpy's ``_frombuffer``."""
        array = cls()
        array.__setstate__((1, shape, dtype, order == "F", data))
        return array

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, is_fortran, data = state
        if not isinstance(dtype, _Dtype) or not isinstance(data, str | bytes | bytearray):
            raise pickle.UnpicklingError("it has an array of something else than numbers")
        values = np.frombuffer(data.encode("latin1") if isinstance(data, str) else data, dtype.type)
        self.values = values.reshape(shape, order="F" if is_fortran else "C")


class _Text:
    """Text as it was written."""

    @staticmethod
    def encode(text: str, encoding: str) -> bytes:
        """Replace ``_codecs.encode``, by which Python 3 writes bytes for Python 2."""
        if encoding != "latin1":
            raise pickle.UnpicklingError(f"it wants text in {_shown(encoding)}")
        return text.encode("latin1")


class _ArraysOnly(pickle.Unpickler):
    """Builds plain containers and arrays and refuses everything else."""

    ALLOWED = {
        **{(f"numpy.{core}.multiarray", "_reconstruct"): _Array.reconstruct for core in ("core", "_core")},
        **{(f"numpy.{core}.numeric", "_frombuffer"): _Array.from_buffer for core in ("core", "_core")},
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _Dtype,
        ("_codecs", "encode"): _Text().encode,
        ("collections", "OrderedDict"): dict,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self.ALLOWED:
            return self.ALLOWED[module, name]
        return self._refuse(f"{_shown(f'{module}.{name}')[1:-1]}")

    def persistent_load(self, pid: Any) -> Any:
        return self._refuse("a persistent object")

    def _refuse(self, what: str) -> NoReturn:
        raise pickle.UnpicklingError(f"it wants {what}, but only numpy arrays and plain values are allowed")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
