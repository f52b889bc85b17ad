"""OpenVINO files, made from ONNX files and run on a CPU."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from pet.exporting.runtime import first_line
from petlib.errors import CheckpointError, ConfigError

OPENVINO_SUFFIX = ".xml"
FACTS = "pet"
"""The part of the file that holds what Pet says of the network."""


class OpenVinoModel:
    """An OpenVINO file, loaded: ``NAME.xml``, whose weights lie next to it in ``NAME.bin``. It computes in float32 where the file does.

    Args:
        path: the file.

    Attributes:
        path: the file, as messages name it.
        inputs: the shape of each input, in order; a length that is free is None.
        dtypes: what each input takes.
        outputs: names of the outputs, in order.
        metadata: what the exporter wrote into the file.

    Raises:
        CheckpointError: the file is missing or damaged.
        ConfigError: openvino is not installed.
    """

    def __init__(self, path: str | Path) -> None:
        openvino = openvino_package()
        if not Path(path).is_file() or not Path(path).with_suffix(".bin").is_file():
            raise CheckpointError(f"{path}: there is no such OpenVINO file, or no .bin next to it; export one first")
        core = openvino.Core()
        # by default new CPUs compute in bfloat16
        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
        try:
            model = core.read_model(str(path))
            self._compiled = core.compile_model(model, "CPU", settings)
        except RuntimeError as error:
            raise CheckpointError(f"{path}: not an OpenVINO file that can be used: {first_line(error)}; export it again") from error
        self.path = Path(path)
        entries = self._compiled.inputs
        self.inputs: dict[str, tuple[int | str | None, ...]] = {
            entry.get_any_name(): tuple(None if length.is_dynamic else length.get_length() for length in entry.partial_shape)
            for entry in entries
        }
        self.dtypes = {entry.get_any_name(): np.dtype(entry.element_type.to_dtype()) for entry in entries}
        self.outputs: list[str] = [entry.get_any_name() for entry in self._compiled.outputs]
        facts = model.get_rt_info(FACTS).value if model.has_rt_info(FACTS) else {}
        self.metadata: dict[str, str] = {name: str(getattr(value, "value", value)) for name, value in dict(facts).items()}

    def __call__(self, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Return the outputs, in order, for one array an input.

        Raises:
            ConfigError: a name or shape is not what the file was exported for.
        """
        if set(arrays) != set(self.inputs):
            raise ConfigError(f"{self.path}: inputs {sorted(arrays)} given, {sorted(self.inputs)} expected")
        try:
            found = self._compiled({name: np.ascontiguousarray(array) for name, array in arrays.items()})
        except RuntimeError as error:
            shapes = {name: array.shape for name, array in arrays.items()}
            raise ConfigError(f"{self.path}: OpenVINO cannot run it for {shapes}: {first_line(error)}") from error
        return [np.array(found[output]) for output in self._compiled.outputs]


def write_openvino(source: Path, target: Path, metadata: Mapping[str, str]) -> None:
    """Write an ONNX file, in float32 or int8, as OpenVINO's ``NAME.xml`` and ``NAME.bin``.

    Raises:
        ConfigError: openvino is not installed, or cannot convert the network.
    """
    openvino = openvino_package()
    try:
        model: Any = openvino.convert_model(str(source))
    except Exception as error:
        # its errors share no base class with a name
        raise ConfigError(f"export_formats.formats: OpenVINO cannot convert this network: {_reason(error)}; leave it out") from error
    for name, value in metadata.items():
        model.set_rt_info(value, [FACTS, name])
    openvino.save_model(model, str(target), compress_to_fp16=False)


def _reason(error: Exception) -> str:
    """Return what a conversion says of itself: the operators that failed, or else its first line."""
    summary = (line.strip("- ") for line in str(error).splitlines() if "Conversion is failed for" in line)
    return next(summary, first_line(error))


def openvino_package() -> ModuleType:
    """Return the package.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return importlib.import_module("openvino")
    except ImportError as error:
        raise ConfigError(
            "export_formats.formats: the package openvino is not installed; install it with: pip install 'pet-vision[openvino]'"
        ) from error
