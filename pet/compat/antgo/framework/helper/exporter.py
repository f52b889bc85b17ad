"""A trained network becomes an ONNX file."""

import inspect
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pet.compat.antgo.framework.helper.trainer import WORK_DIR
from pet.compat.antgo.network import build_network, load_checkpoint
from pet.compat.antgo.settings import AntgoConfig, open_settings
from pet.compat.shared.exporting import export_user_network
from pet.compat.shared.running import start_log
from pet.exporting.export import OPSET, ExportReport
from pet.exporting.network import ExportSettings
from petlib.config import ConfigError
from petlib.config.nested import Component

logger = logging.getLogger(__name__)

EXAMPLE = "export = dict(input_shape_list=[[1, 3, 256, 256]], input_name_list=['image'], output_name_list=['heatmap'])"
TOLERANCE = 1e-4
MOST_INPUTS = 4


class Exporter:
    """Exports the network of a config: :meth:`export`.

    Args:
        cfg: path of a config, a dictionary, or a loaded config, see :class:`pet.compat.antgo.framework.helper.trainer.Trainer`.
        work_dir: folder of the run; the log, and the file where no other path is given, lie in it.

    Raises:
        ConfigError: the config cannot be read, a value is wrong, or a key is one that nothing reads.
    """

    def __init__(self, cfg: AntgoConfig, work_dir: str | Path = WORK_DIR) -> None:
        self._settings = open_settings(cfg, work_dir, device="cpu")

    def export(
        self,
        checkpoint: str | Path | None = None,
        path: str | Path | None = None,
        *,
        input_tensor_list: Sequence[Tensor] = (),
        input_name_list: Sequence[str] = (),
        output_name_list: Sequence[str] = (),
        prefix: str = "model",
        dynamic: bool = False,
        tolerance: float = TOLERANCE,
        opset: int = OPSET,
    ) -> ExportReport:
        """Write what ``onnx_export`` of the network computes as ONNX, after onnxruntime gave what PyTorch gives.

        The inputs have the names and shapes of the config's ``export``, float32, or those that are given here.

        Args:
            checkpoint: of exactly this network; None or empty: the best one of the training in ``work_dir``, else its latest.
            path: the file; None: ``<prefix>.onnx`` in ``work_dir``.
            input_tensor_list: an example of each input.
            input_name_list, output_name_list: names in the file.
            prefix: see ``path``.
            dynamic: the size of the batch is free, and of inputs (B, C, H, W) also height and width.
            tolerance: largest difference between PyTorch and onnxruntime that is accepted, see :func:`pet.exporting.export_onnx`.
            opset: version of ONNX's operators.

        Raises:
            ConfigError: names, shapes and network do not go together, it cannot be exported, or the results differ; no file is left.
            CheckpointError: the checkpoint is missing, damaged or of another network.
            OutputError: the file cannot be written.
        """
        start_log(self._settings.work_dir, "export")
        network = build_network(self._settings.components.get("model"))
        load_checkpoint(network, self._settings.find_checkpoint(checkpoint))
        exported = ExportedNetwork(network.network).eval()
        shapes = [list(tensor.shape) for tensor in input_tensor_list]
        names = {"input_name_list": list(input_name_list), "output_name_list": list(output_name_list)}
        declared = self._declared({"input_shape_list": shapes, **names})
        examples = read_inputs(declared, network.network)
        if input_tensor_list:
            examples = dict(zip(examples, (tensor.cpu() for tensor in input_tensor_list), strict=True))
        report = export_user_network(
            exported,
            examples,
            self._settings.work_dir / f"{prefix}.onnx" if path is None else Path(path),
            output_names=declared.arguments.get("output_name_list") or [],
            settings=ExportSettings(dynamic=dynamic, tolerance=tolerance, opset=opset),
            place=declared.place,
            advice="set input_shape_list to what its onnx_export takes",
        )
        logger.info("%s", report.summary())
        return report

    def _declared(self, given: Mapping[str, list[Any]]) -> Component:
        """Return the config's ``export`` with what is given in its place."""
        declared = self._settings.components.get("export")
        own = {name: values for name, values in given.items() if values}
        if declared is None and not own:
            raise ConfigError(f"export: missing in {self._settings.name}; {EXAMPLE} expected")
        known = {} if declared is None else declared.arguments
        return Component("ONNX", {**known, **own}, "export" if declared is None else declared.place)


class ExportedNetwork(nn.Module):
    """The ``onnx_export`` of a network as a module of its own.

    Args:
        network: the user's.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, first: Tensor, second: Tensor | None = None, third: Tensor | None = None, fourth: Tensor | None = None) -> Any:
        """Return what the exported file gives for up to :data:`MOST_INPUTS` inputs."""
        # torch.export takes no free sizes for *inputs
        inputs = [tensor for tensor in (first, second, third, fourth) if tensor is not None]
        return self.network.onnx_export(*inputs)  # type: ignore[operator]


def read_inputs(declared: Component, network: nn.Module) -> dict[str, Tensor]:
    """Return an example of each input, drawn from 0 to 1, under its name.

    Raises:
        ConfigError: names and shapes do not go together, or ``onnx_export`` takes another number of inputs.
    """
    given: Mapping[str, Any] = declared.arguments
    shapes, names = given.get("input_shape_list") or [], given.get("input_name_list") or []
    if not shapes or len(shapes) != len(names) or len(set(names)) != len(names):
        raise ConfigError(
            f"{declared.place}: {len(shapes)} shapes and the names {names} given; a shape and a name for each input expected, {EXAMPLE}"
        )
    if len(shapes) > MOST_INPUTS:
        raise ConfigError(f"{declared.place}: {len(shapes)} inputs given, at most {MOST_INPUTS} can be exported")
    if any(not shape or min(shape) < 1 for shape in shapes):
        raise ConfigError(
            f"{declared.place}: input_shape_list {shapes} given, lengths from 1 on expected; export(dynamic=True) leaves sizes free"
        )
    function = getattr(network, "onnx_export", None)
    if not callable(function):
        raise ConfigError(f"{type(network).__name__} has no onnx_export({', '.join(names)}), which an export calls")
    try:
        inspect.signature(function).bind(*names)
    except TypeError as error:
        takes = ", ".join(inspect.signature(function).parameters)
        raise ConfigError(f"{declared.place}: {len(names)} inputs given, but {type(network).__name__}.onnx_export takes {takes}") from error
    generator = torch.Generator().manual_seed(0)
    return {name: torch.rand(tuple(shape), generator=generator) for name, shape in zip(names, shapes, strict=True)}
