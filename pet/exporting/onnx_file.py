"""The graph of a network as an ONNX file."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pet.exporting.runtime import OnnxModel, export_package, first_line
from pet.exporting.tracing import FreeAxes, cannot_export, module_of_operator, quiet, trace

logger = logging.getLogger(__name__)

PACKAGES = ("onnx", "onnxscript", "onnxruntime")


class OnnxFormat:
    """Writes and loads ONNX files.

    Args:
        opset: version of ONNX's operators.
    """

    goal = "ONNX"
    engine = "onnxruntime"

    def __init__(self, opset: int) -> None:
        self.opset = opset

    def require(self) -> None:
        """Look for the packages that are needed.

        Raises:
            ConfigError: one is not installed.
        """
        for package in PACKAGES:
            export_package(package)

    def convert(
        self,
        network: nn.Module,
        examples: Mapping[str, Tensor],
        output_names: Sequence[str],
        free: FreeAxes | None,
        metadata: Mapping[str, str],
    ) -> bytes:
        """Return the file.

        Raises:
            ConfigError: the network cannot be traced, or ONNX has no operator for something in it.
        """
        program = trace(network, examples, free, goal=self.goal)
        logger.info("export: converting the graph to %s", self.goal)
        try:
            with quiet():
                exported = torch.onnx.export(
                    program,
                    input_names=list(examples),
                    output_names=list(output_names),
                    opset_version=self.opset,
                    dynamo=True,
                    dynamic_shapes=free,
                    external_data=False,
                    verbose=False,
                )
        except torch.onnx.errors.OnnxExporterError as error:
            reason = first_line(error.__cause__ or error)
            message = f"{error}\n{error.__cause__}"
            module = module_of_operator(program, message) or module_of_operator(program.run_decompositions(), message)
            raise cannot_export(network, self.goal, reason, module, dynamic=free is not None) from error
        assert exported is not None, "the exporter gave nothing"
        proto: Any = exported.model_proto
        export_package("onnx").helper.set_model_props(proto, dict(metadata))
        data: bytes = proto.SerializeToString()
        return data

    def load(self, path: Path) -> OnnxModel:
        """Return the file, ready to run."""
        return OnnxModel(path)
