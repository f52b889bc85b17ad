"""A trained model becomes a file that runs without Pet: what its ``generator`` computes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pet.compat.shared.exporting import export_user_network
from pet.compat.shared.running import find_trained
from pet.compat.trainframework.configuration import TrainFrameworkConfig
from pet.compat.trainframework.data.build import build_data_set
from pet.compat.trainframework.model.base_model import BaseModel, build_model
from pet.data.targets.pixel_types import EIGHT_BITS
from pet.data.transforms.normalize import Normalize
from pet.exporting.export import ExportReport
from pet.exporting.network import ExportSettings
from pet.exporting.task import SUFFIXES
from petlib.arguments import fit_arguments
from petlib.checkpoint import load_weights
from petlib.config.nested import Component
from petlib.errors import ConfigError, DataError
from petlib.registry import import_user_modules


@dataclass(frozen=True)
class ExportBlock:
    """The block ``export = dict(...)`` of a config.

    Args:
        size: height and width of images; None: those of the first sample.
        batch: samples of a batch, where shapes are fixed.
        dynamic: batches and images of any size.
        half: weights and computation in float16; inputs and outputs stay float32.
        normalize: pixels go in, and the file computes ``(pixels / maximum - mean) / std`` first: ``dict(mean, std, maximum)``.
        input_field: field of the data set's samples that ``generator`` takes.
        input_name: name of the input in the file.
        output_names: of the tensors that ``generator`` gives; empty: ``output``, or ``output0`` and so on.
        samples: how many samples of the validation set the file is compared with PyTorch on.
        tolerance: greatest difference to PyTorch; of values above 1 as a share.
        half_tolerance: the same with ``half``.
    """

    size: list[int] | None = None
    batch: int = 1
    dynamic: bool = False
    half: bool = False
    normalize: dict[str, Any] | None = None
    input_field: str = "input_data"
    input_name: str = "images"
    output_names: list[str] | None = None
    samples: int = 4
    tolerance: float = 1e-3
    half_tolerance: float = 2e-2


@dataclass(frozen=True)
class _Scaling:
    """What ``export.normalize`` may hold; without any of it pixels from 0 to 255 become 0 to 1."""

    mean: list[float] = field(default_factory=lambda: [0.0])
    std: list[float] = field(default_factory=lambda: [1.0])
    maximum: float = 255.0


class GeneratorNetwork(nn.Module):
    """``generator`` of a model as a network of its own.

    Args:
        model: on the CPU.
    """

    def __init__(self, model: BaseModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Any:
        """Return what ``generator`` makes of the input."""
        return self.model.generator(images)


def export_generator(cfg: TrainFrameworkConfig, path: Path, weights: Path | None = None) -> ExportReport:
    """Write what ``generator`` of a trained model computes, after the file gave what PyTorch gives.

    Args:
        cfg: the config of the training.
        path: the file, ``.onnx`` or ``.pt2``.
        weights: a checkpoint of exactly this model; None: the best of the output folder, or else the latest. The moving average
            is taken where there is one.

    Raises:
        ConfigError: settings do not fit the model, it cannot be exported, or the file does not give what PyTorch gives; no file is left.
        CheckpointError: there are no weights, or they belong to another model.
        DataError: no sample can be read, or it has no such field.
        OutputError: the file cannot be written.
    """
    cfg.run.defrost()
    cfg.run.set("MISC.DEVICE", "cpu")
    import_user_modules(cfg.run.MISC.IMPORTS)
    component = cfg.translated.components.get("export", Component("export", {}, "export"))
    settings = _settings(component)
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"--export {path}: a name that ends with .onnx (for onnxruntime) or .pt2 (torch.export) expected")
    model = build_model(cfg)
    cfg.nested.require_all_read()
    checkpoint = weights or find_trained(Path(cfg.run.MISC.CKPT), advice="name a checkpoint with --weights")
    load_weights(model, checkpoint, prefer_ema=True).require_complete()
    samples = _read_samples(cfg, settings)
    normalize = None
    if settings.normalize is not None:
        scaling = _Scaling(**fit_arguments(f"{component.place}:", "normalize", _Scaling, settings.normalize))
        normalize = Normalize(mean=scaling.mean, std=scaling.std, maximum=scaling.maximum)
        samples = [_as_pixels(sample, normalize) for sample in samples]
    if settings.size is None:
        settings = replace(settings, size=list(samples[0].shape[2:]))
    report = export_user_network(
        GeneratorNetwork(model.eval()),
        {settings.input_name: _example(samples[0], settings)},
        path,
        output_names=settings.output_names or [],
        settings=ExportSettings(
            dynamic=settings.dynamic,
            half=settings.half,
            normalize=normalize,
            tolerance=settings.tolerance,
            half_tolerance=settings.half_tolerance,
        ),
        half=[f"model.{name}" for name, _ in model.named_children()],
        samples=[{settings.input_name: sample if settings.dynamic else _example(sample, settings)} for sample in samples],
        place=component.place,
        advice="set size and input_field to what generator takes",
    )
    return replace(report, note=f"{len(samples)} samples of the data set and random images of a fixed seed")


def _settings(component: Component) -> ExportBlock:
    settings = ExportBlock(**fit_arguments(f"{component.place}:", "export", ExportBlock, component.arguments))
    if settings.size is not None and (len(settings.size) != 2 or min(settings.size) < 1):
        raise ConfigError(f"{component.place}.size: {settings.size} given, [height, width] expected, e.g. [256, 256]")
    if settings.batch < 1 or settings.samples < 1:
        raise ConfigError(f"{component.place}: batch {settings.batch} and samples {settings.samples} given, at least 1 of each expected")
    return settings


def _read_samples(cfg: TrainFrameworkConfig, settings: ExportBlock) -> list[Tensor]:
    """Return inputs (1, ...) of samples that lie evenly over the validation set, or the training set where there is none."""
    components = cfg.translated.components
    component = components.get("data.val", components["data.train"])
    data_set = build_data_set(component)
    count = min(settings.samples, len(data_set))
    if not count:
        raise DataError(f"{component.place}: the data set {component.name} is empty; one sample at least is needed")
    return [_input_of(data_set[round(place)], settings, component) for place in np.linspace(0, len(data_set) - 1, count)]


def _input_of(sample: Mapping[str, Any], settings: ExportBlock, component: Component) -> Tensor:
    if settings.input_field not in sample:
        names = ", ".join(map(str, sample))
        raise DataError(
            f"the data set {component.name} gives no field {settings.input_field!r}, which export.input_field names; it gives {names}"
        )
    return torch.as_tensor(sample[settings.input_field]).float()[None]


def _example(sample: Tensor, settings: ExportBlock) -> Tensor:
    """Return a batch of a sample, an image in the size that is asked for."""
    if sample.ndim == 4 and list(sample.shape[2:]) != settings.size:
        sample = nn.functional.interpolate(sample, settings.size, mode="bilinear", align_corners=False)
    return sample.expand(settings.batch, *sample.shape[1:]).contiguous()


def _as_pixels(sample: Tensor, scaling: Normalize) -> Tensor:
    """Return the pixels of which a normalised sample was made."""
    shape = (1, -1, 1, 1)
    shares = sample * torch.tensor(scaling.std).view(shape) + torch.tensor(scaling.mean).view(shape)
    maximum = scaling.maximum or EIGHT_BITS
    return (shares * maximum).clamp(0, maximum).round()
