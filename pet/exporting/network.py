"""From a network to a checked file: float16, normalisation inside of it, and the comparison with PyTorch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor, nn

from pet.data.transforms.normalize import Normalize
from pet.exporting.description import ModelDescription
from pet.exporting.export import NO_METADATA, OPSET, TIME_LIMIT, ExportReport, export_model
from pet.exporting.rewriting import InputNormalization, with_half
from pet.exporting.script import Script
from pet.exporting.verify import Measure, largest_difference

CHANNELS = 3


@dataclass(frozen=True)
class TaskNetwork:
    """What a task hands over to be exported.

    Attributes:
        network: takes normalised images, float32 (B, C, H, W), and gives tensors.
        output_names: of these, in their order.
        half: names of the modules below it that compute in float16 with ``EXPORT.HALF``.
        reference: what gives the right outputs; None: the network itself.
        measure: gives the difference between outputs.
        free_batch: whether the network takes batches of any size.
        smallest: the shortest edge of an image with ``EXPORT.DYNAMIC``.
        input_names: of the images.
        size_input: name of a further input, height and width of the image without padding, int64 (2,); empty: there is none.
        channels: of the images.
        frames: of a clip, whose images are (B, C, T, H, W); 0: they are (B, C, H, W).
        exact_size: images of another size than the file's are refused instead of distorted, which would change what is compared.
        description: kept in the file; None: what the config says of classes and normalisation.
        describe_comparison: what a report says of the comparison, asked for after it; empty: nothing. It may refuse the file.
        script: the program that is written next to an ONNX file; None: there is none.
        float_layers: regular expressions for the names of weights that stay in float32 in int8 files, since 8 bits are too few for
            what goes in, e.g. metres.
    """

    network: nn.Module
    output_names: Sequence[str]
    half: Sequence[str]
    reference: nn.Module | None = None
    measure: Measure = largest_difference
    free_batch: bool = True
    smallest: int = 1
    input_names: Sequence[str] = ("images",)
    size_input: str = ""
    channels: int = CHANNELS
    frames: int = 0
    exact_size: bool = False
    description: ModelDescription | None = None
    describe_comparison: Callable[[], str] = str
    script: Script | None = None
    float_layers: Sequence[str] = ()


class ClassLogits(nn.Module):
    """A classifier that gives float32.

    Args:
        backbone: normalised images (B, C, H, W) to logits (B, classes).
    """

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (B, classes)."""
        logits: Tensor = self.backbone(images)
        return logits.float()


def classifier_network(backbone: nn.Module) -> TaskNetwork:
    """Return what is exported of a classifier: the input ``images`` and the output ``logits`` (B, classes)."""
    return TaskNetwork(network=ClassLogits(backbone), output_names=["logits"], half=["backbone"], script=Script("classes"))


@dataclass(frozen=True)
class ExportSettings:
    """How a network becomes a file.

    Attributes:
        dynamic: batches and images may have any size.
        half: weights and computation in float16; inputs and outputs stay float32.
        normalize: pixels go in, and the file normalises them so; None: normalised images go in.
        tolerance: greatest difference to PyTorch; of values above 1 as a share.
        half_tolerance: the same with ``half``, to PyTorch in float32.
        opset: version of ONNX's operators.
        time_limit: of tracing and conversion, seconds; 0: none.
    """

    dynamic: bool = False
    half: bool = False
    normalize: Normalize | None = None
    tolerance: float = 1e-3
    half_tolerance: float = 2e-2
    opset: int = OPSET
    time_limit: float = TIME_LIMIT


def export_network(
    task: TaskNetwork,
    examples: Mapping[str, Tensor],
    path: Path,
    *,
    settings: ExportSettings,
    samples: Sequence[Mapping[str, Tensor]] = (),
    metadata: Mapping[str, str] = NO_METADATA,
) -> ExportReport:
    """Write a network as ONNX or ``.pt2``, after the file gave what PyTorch gives in float32; see :func:`pet.exporting.export_model`.

    Args:
        task: the network with its trained weights.
        examples: an example of each input under its name in the file: pixels where the file normalises them, else normalised images.
        path: the file.
        settings: how it is made.
        samples: further inputs to compare with, like the examples.
        metadata: kept in the file.

    Raises:
        ConfigError: a package is missing, the network cannot be exported, or the file does not give what PyTorch gives.
        OutputError: the file cannot be written.
    """
    reference = task.reference or task.network
    network = with_half(task.network, task.half) if settings.half else task.network
    if settings.normalize is not None:
        network, reference = (_with_normalization(one, settings.normalize) for one in (network, reference))
    report = export_model(
        network,
        examples,
        path,
        output_names=task.output_names,
        dynamic=settings.dynamic,
        tolerance=settings.half_tolerance if settings.half else settings.tolerance,
        metadata=metadata,
        reference=reference,
        samples=samples,
        measure=task.measure,
        describe=task.describe_comparison,
        free_batch=task.free_batch,
        opset=settings.opset,
        time_limit=settings.time_limit,
    )
    return replace(report, float_layers=task.float_layers)


def _with_normalization(network: nn.Module, normalize: Normalize) -> nn.Module:
    return InputNormalization(network, mean=normalize.mean, std=normalize.std, maximum=normalize.maximum)
