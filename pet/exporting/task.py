"""What the exports of all tasks share: from the ``EXPORT`` section of a config to a checked file."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from pet.data.loading.build import TEST_TRANSFORMS, as_it_is, build_dataset, build_sample_transforms
from pet.data.loading.joined import EvaluationSamples
from pet.data.targets.dataset import Dataset
from pet.data.targets.names import NO_NAMES, Names
from pet.data.targets.pixel_types import EIGHT_BITS
from pet.data.transforms.build import take_default_size
from pet.data.transforms.normalize import Normalize
from pet.exporting.config import check_export, chosen_names, export_size
from pet.exporting.description import ModelDescription
from pet.exporting.export import ExportReport
from pet.exporting.network import ExportSettings, TaskNetwork, export_network
from pet.exporting.rewriting import normalization_alone
from pet.exporting.runtime import ONNX_SUFFIX
from pet.exporting.samples import TestImages, as_inputs, read_test_images
from pet.exporting.script import NetworkFacts, write_script
from pet.typed import PetConfig
from petlib.checkpoint.origin import UNRECORDED, Origin
from petlib.config import ConfigError

SUFFIXES = (".onnx", ".pt2")

logger = logging.getLogger(__name__)


def export_task(
    cfg: PetConfig,
    task: TaskNetwork,
    kinds: Sequence[str],
    path: Path,
    *,
    names: Names = NO_NAMES,
    origin: Origin = UNRECORDED,
    prepare: Callable[[Dataset], Dataset] = as_it_is,
) -> ExportReport:
    """Write a network as the ``EXPORT`` section says, checked against PyTorch.

    Args:
        cfg: the config.
        task: the network, with its trained weights.
        kinds: the kinds of targets that the test data have, whose images transforms may move.
        path: the file, ``.onnx`` or ``.pt2``.
        names: what the numbers of the network mean, which the file keeps; empty: ``DATA.CLASSES``.
        origin: what its training began with, whose licence the file keeps.
        prepare: makes of the test data what samples are taken from.

    Raises:
        ConfigError: settings do not fit the network, a package is missing, the network cannot be exported, or the file does not give what
            PyTorch gives.
        OutputError: the file cannot be written.
    """
    check_export(cfg)
    _check_settings(cfg, task, path)
    usual = [*task.input_names, *([task.size_input] if task.size_input else [])]
    inputs = chosen_names(list(cfg.EXPORT.INPUT_NAMES), usual, "EXPORT.INPUT_NAMES")
    outputs = chosen_names(list(cfg.EXPORT.OUTPUT_NAMES), list(task.output_names), "EXPORT.OUTPUT_NAMES")
    normalize = find_normalize(cfg)
    images = read_test_images(cfg, lambda: EvaluationSamples(prepare(build_dataset(cfg, cfg.TEST.DATASETS, kinds)), kinds))
    size = _choose_size(cfg, task, images)
    plain = nn.Identity() if cfg.EXPORT.NORMALIZE or images.normalised else normalization_alone(normalize)
    fixed = None if cfg.EXPORT.DYNAMIC else size
    examples = _examples(cfg, task, inputs, size, normalize.maximum or EIGHT_BITS)
    samples = [as_inputs(sample, inputs, size=fixed, batch=cfg.EXPORT.BATCH, finish=plain) for sample in images.in_range(normalize)]
    if task.size_input:
        # the size of an image that fills three quarters of each edge
        samples.append({**examples, inputs[-1]: torch.tensor([length * 3 // 4 for length in size])})
    description = _describe(cfg, task, normalize, {kind: names[kind] for kind in kinds if kind in names}, origin)
    report = export_network(
        replace(task, output_names=outputs),
        examples,
        path,
        settings=read_settings(cfg, normalize if cfg.EXPORT.NORMALIZE else None, dynamic=cfg.EXPORT.DYNAMIC),
        samples=[sample for sample in samples if _is_large_enough(sample, task, dynamic=cfg.EXPORT.DYNAMIC)],
        metadata=description.to_metadata(),
    )
    facts = NetworkFacts(inputs, task.output_names, fixed, bool(task.size_input), description)
    return replace(report, note="; ".join(filter(None, [images.note, report.note])), script=add_script(cfg, task, facts, path))


def read_settings(cfg: PetConfig, normalize: Normalize | None, *, dynamic: bool) -> ExportSettings:
    """Return how the ``EXPORT`` section has a file made."""
    return ExportSettings(
        dynamic=dynamic,
        half=cfg.EXPORT.HALF,
        normalize=normalize,
        tolerance=cfg.EXPORT.TOLERANCE,
        half_tolerance=cfg.EXPORT.HALF_TOLERANCE,
        time_limit=cfg.EXPORT.TIME_LIMIT,
    )


def add_script(cfg: PetConfig, task: TaskNetwork, facts: NetworkFacts, path: Path) -> Path | None:
    """Write the program that predicts with an ONNX file next to it, and return its path; None: the task has none, or no file of ONNX."""
    if task.script is None or path.suffix != ONNX_SUFFIX:
        return None
    return write_script(cfg, task.script, facts, path)


def _describe(cfg: PetConfig, task: TaskNetwork, normalize: Normalize, names: Names, origin: Origin) -> ModelDescription:
    """Return what the file says of itself."""
    usual = ModelDescription(tuple(cfg.DATA.CLASSES), normalize.mean, normalize.std, normalize.maximum)
    description = replace(task.description or usual, normalizes=bool(cfg.EXPORT.NORMALIZE), outputs=tuple(task.output_names))
    return description.with_names(names).with_origin(origin)


def find_normalize(cfg: PetConfig, *, required: bool = False) -> Normalize:
    """Return the ``Normalize`` at the end of ``TEST.TRANSFORMS``; without one, what makes pixels go from 0 to 1.

    Raises:
        ConfigError: a transform is wrong, or there is no ``Normalize`` though it is ``required``.
    """
    _, normalize = build_sample_transforms(cfg.TEST.TRANSFORMS, cfg.TEST.RESIZE.SCALES, [], place=TEST_TRANSFORMS)
    if normalize is None and required:
        raise ConfigError("TEST.TRANSFORMS: no Normalize at the end; a prediction needs to know mean and std: add one")
    return normalize or Normalize(mean=(0.0,), std=(1.0,))


def choose_weights(cfg: PetConfig, weights: str) -> None:
    """Let ``TEST.WEIGHTS`` be the file of the command line, where there is one."""
    if weights:
        cfg.defrost()
        cfg.set("TEST.WEIGHTS", weights)
        cfg.freeze()


def print_report(report: ExportReport) -> None:
    """Say what was written and how it compares with PyTorch."""
    sizes = ", ".join(f"{name} {tuple(shape)}" for name, shape in report.inputs.items())
    print(f"{report.path}: {report.size / 1e6:.1f} MB, {sizes} -> {', '.join(report.outputs)}")
    print(f"compared with PyTorch on {len(report.checked)} inputs: {report.note}")
    engine = "onnxruntime" if report.opset else "the .pt2 file"
    print(f"{engine} and PyTorch differ by at most {report.largest_difference:.2g} on {len(report.checked)} inputs")
    for result in report.formats:
        print(result.summary())
    if report.script:
        print(f"{report.script} predicts with it, without Pet")


def _check_settings(cfg: PetConfig, task: TaskNetwork, path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"export_task.path: {path} given, a name that ends with .onnx (for onnxruntime) or .pt2 (torch.export) expected")
    if not task.free_batch and cfg.EXPORT.BATCH > 1:
        raise ConfigError(
            f"EXPORT.BATCH: {cfg.EXPORT.BATCH} given, but detectors are exported for one image at a time: images have different numbers of "
            "objects, which no tensor holds; set it to 1"
        )


def _choose_size(cfg: PetConfig, task: TaskNetwork, images: TestImages) -> tuple[int, int]:
    """Return height and width of the example: those of the config, or of the images where transforms do not take their size from it."""
    size = export_size(cfg)
    if not cfg.EXPORT.SIZE and images.samples and not take_default_size(cfg.TEST.TRANSFORMS):
        found = sorted({(image.shape[-3], image.shape[-2]) for sample in images.samples for image in sample})
        if len(found) > 1 and not cfg.EXPORT.DYNAMIC:
            shown = ", ".join(f"{height} x {width}" for height, width in found[:4])
            raise ConfigError(
                f"EXPORT.SIZE: nothing given, and the test images have several sizes after TEST.TRANSFORMS (height x width: {shown}); set "
                "it to [height, width], or EXPORT.DYNAMIC to True"
            )
        size = found[0]
    if task.exact_size:
        _check_exact_size(cfg, images, size)
    if min(size) < task.smallest and (cfg.EXPORT.DYNAMIC or not cfg.EXPORT.SIZE):
        raise ConfigError(
            f"EXPORT.SIZE: {list(size)} {'given' if cfg.EXPORT.SIZE else 'would follow from TEST.RESIZE.SCALES or the test images'}; this "
            f"network needs at least {task.smallest} pixels, two of its coarsest map. Set a larger one, e.g. that of your images"
        )
    return size


def _check_exact_size(cfg: PetConfig, images: TestImages, size: tuple[int, int]) -> None:
    if cfg.EXPORT.DYNAMIC:
        return
    others = {image.shape[-3:-1] for sample in images.samples for image in sample} - {size}
    if others:
        height, width = min(others)
        raise ConfigError(
            f"EXPORT.SIZE: the exported network would take {size[0]} x {size[1]}, but test images have other sizes after TEST.TRANSFORMS, "
            f"e.g. {height} x {width} (height x width), and a distorted image has another embedding; end TEST.TRANSFORMS with CenterCrop, "
            "or set EXPORT.DYNAMIC to True"
        )


def _is_large_enough(sample: Mapping[str, Tensor], task: TaskNetwork, *, dynamic: bool) -> bool:
    return not dynamic or all(min(tensor.shape[-2:]) >= task.smallest for tensor in sample.values())


def _examples(cfg: PetConfig, task: TaskNetwork, names: Sequence[str], size: tuple[int, int], maximum: float) -> dict[str, Tensor]:
    frames = (task.frames,) if task.frames else ()
    example = torch.rand(cfg.EXPORT.BATCH, task.channels, *frames, *size, generator=torch.Generator().manual_seed(0))
    examples = dict.fromkeys(names, (example * maximum).round() if cfg.EXPORT.NORMALIZE else example)
    return {**examples, names[-1]: torch.tensor(size)} if task.size_input else examples
