"""ONNX files run by onnxruntime."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import torch

from pet.exporting.config import check_single_view
from pet.typed import PetConfig
from petlib.errors import CheckpointError, ConfigError

ONNX_SUFFIX = ".onnx"
CPU_PROVIDERS = ("CPUExecutionProvider",)

DTYPES: dict[str, np.dtype[Any]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(double)": np.dtype(np.float64),
    "tensor(uint8)": np.dtype(np.uint8),
    "tensor(int32)": np.dtype(np.int32),
    "tensor(int64)": np.dtype(np.int64),
    "tensor(bool)": np.dtype(np.bool_),
}


class ExportedFile(Protocol):
    """A file that runs: :class:`OnnxModel` or :class:`pet.exporting.openvino_file.OpenVinoModel`, with their attributes."""

    path: Path
    inputs: dict[str, tuple[int | str | None, ...]]
    dtypes: dict[str, np.dtype[Any]]
    outputs: list[str]
    metadata: dict[str, str]

    def __call__(self, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Return the outputs, in order, for one array an input."""
        ...


class OnnxModel:
    """An ONNX file, loaded.

    Args:
        path: the file.
        providers: of onnxruntime, the one to be preferred first.

    Attributes:
        path: the file, as messages name it.
        inputs: the shape of each input, in order; a length that is free has a name or is None.
        dtypes: what each input takes.
        outputs: names of the outputs, in order.
        metadata: what the exporter wrote into the file.

    Raises:
        CheckpointError: the file is missing or damaged.
        ConfigError: onnxruntime is not installed, or has no such provider.
    """

    def __init__(self, path: str | Path, *, providers: Sequence[str] = CPU_PROVIDERS) -> None:
        runtime = export_package("onnxruntime")
        if not Path(path).is_file():
            raise CheckpointError(f"{path}: there is no such ONNX file; export one first, or give the path of another")
        unknown = [name for name in providers if name not in runtime.get_available_providers()]
        if unknown:
            raise ConfigError(f"onnxruntime has no {', '.join(unknown)} here; it has {', '.join(runtime.get_available_providers())}")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        # what goes wrong is said by its exception
        options.log_severity_level = 4
        try:
            self._session = runtime.InferenceSession(str(path), options, providers=list(providers))
        except Exception as error:
            # the errors of onnxruntime share no base class with a name
            raise CheckpointError(f"{path}: not an ONNX file that can be used: {first_line(error)}; export it again") from error
        self.path = Path(path)
        self.inputs: dict[str, tuple[int | str | None, ...]] = {entry.name: tuple(entry.shape) for entry in self._session.get_inputs()}
        self.dtypes = {entry.name: DTYPES[entry.type] for entry in self._session.get_inputs()}
        self.outputs: list[str] = [entry.name for entry in self._session.get_outputs()]
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)

    def __call__(self, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Return the outputs, in order, for one array an input.

        Raises:
            ConfigError: a name, shape or dtype is not what the file was exported for, or its graph cannot compute with that shape.
        """
        if set(arrays) != set(self.inputs):
            raise ConfigError(f"{self.path}: inputs {sorted(arrays)} given, {sorted(self.inputs)} expected")
        for name, array in arrays.items():
            self._check(name, array)
        try:
            outputs: list[np.ndarray] = self._session.run(None, {name: np.ascontiguousarray(array) for name, array in arrays.items()})
        except Exception as error:
            # the errors of onnxruntime share no base class with a name
            shapes = {name: array.shape for name, array in arrays.items()}
            raise ConfigError(
                f"{self.path}: onnxruntime cannot run it for {shapes}: {first_line(error)}; export with fixed shapes"
            ) from error
        return outputs

    def _check(self, name: str, array: np.ndarray) -> None:
        expected = self.inputs[name]
        fits = len(expected) == array.ndim and all(
            not isinstance(length, int) or length == given for length, given in zip(expected, array.shape, strict=True)
        )
        if not fits or array.dtype != self.dtypes[name]:
            raise ConfigError(
                f"{self.path}: input {name}: {array.dtype} {array.shape} given, {self.dtypes[name]} {expected} expected; "
                "a file exported with dynamic shapes takes images of every size"
            )


def find_onnx_weights(cfg: PetConfig) -> OnnxModel | None:
    """Return the exported file that ``TEST.WEIGHTS`` names; None: it names a checkpoint.

    Raises:
        CheckpointError: the file is missing or damaged.
        ConfigError: onnxruntime is not installed, or the config asks for several views of an image.
    """
    if not cfg.TEST.WEIGHTS.lower().endswith(ONNX_SUFFIX):
        return None
    check_single_view(cfg)
    return OnnxModel(cfg.TEST.WEIGHTS)


def export_package(name: str) -> ModuleType:
    """Return a package that only export needs.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"ONNX needs the package {name}, which is not installed; install it with: pip install 'pet-vision[export]'"
        ) from error


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
