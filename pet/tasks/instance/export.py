"""What is exported of a network of single objects: it takes crops, and gives keypoints in their pixels, masks and parts."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from pet.exporting.network import TaskNetwork
from pet.exporting.script import Script
from pet.exporting.verify import largest_difference
from pet.models.instance.heads import SURE
from pet.tasks.instance.model import InstanceNetwork, keypoint_origin
from pet.typed import InstanceConfig
from petlib.config import ConfigError

MOST_PIXELS = 0.05
"""By which places of keypoints may differ between a file in float32 and PyTorch."""

OUTPUTS = {"keypoints": "keypoints", "mask": "masks", "parsing": "parsing"}
"""Name of a head -> that of its output."""

QUALITIES = {"keypoints": "keypoint_quality", "mask": "mask_quality", "parsing": "parsing_quality"}
"""Name of a head -> that of the output of its estimate, where it has one."""


class CropOutputs(nn.Module):
    """The network of an exported file.

    Args:
        network: the trained one.
    """

    def __init__(self, network: InstanceNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return what the heads find in normalised crops (B, 3, H, W).

        ``keypoints`` (B, K, 3): x, y in pixels of the crop, score. ``masks`` (B, 1, H / 4, W / 4) and ``parsing`` (B, P, H / 4, W / 4):
        probabilities over the crop. Behind them for each head with an estimate of its quality that, (B,).
        """
        features = self.network.extract(images)
        heads = list(self.network.named_heads().values())
        probabilities = [head.probabilities(head(features)) for head in heads]
        pairs = list(zip(heads, probabilities, strict=True))
        estimates = [head.estimate(own) for head, own in pairs]
        return (*(head.exported(own) for head, own in pairs), *(estimate for estimate in estimates if estimate is not None))


class CropDifference:
    """The difference between outputs of crops; keypoints are compared in pixels.

    Places count where PyTorch is sure of the keypoint: where a heatmap is flat, the least rounding moves its top.

    Args:
        keypoints: place of the keypoints among the outputs; None: there are none.
        most_pixels: by which their places may differ.

    Attributes:
        compared: keypoints whose places were compared.
        pixels: the greatest difference of these.
    """

    def __init__(self, keypoints: int | None, *, most_pixels: float) -> None:
        self._keypoints = keypoints
        self._most_pixels = most_pixels
        self.compared = 0
        self.pixels = 0.0

    def __call__(self, found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> float:
        """Return the greatest difference of scores and probabilities; that of places is kept."""
        if self._keypoints is None or found[self._keypoints].shape != expected[self._keypoints].shape:
            return largest_difference(found, expected)
        points, true = found[self._keypoints], expected[self._keypoints]
        sure = true[..., 2] >= SURE
        if sure.any():
            self.compared += int(sure.sum())
            self.pixels = max(self.pixels, float(np.abs(points[..., :2] - true[..., :2])[sure].max()))
        own, others = list(found), list(expected)
        own[self._keypoints], others[self._keypoints] = points[..., 2], true[..., 2]
        return largest_difference(own, others)

    def describe(self) -> str:
        """Return what a report says of the places.

        Raises:
            ConfigError: they differ by too much.
        """
        if self._keypoints is None:
            return ""
        if self.pixels > self._most_pixels:
            raise ConfigError(
                f"the file is refused: its keypoints lie up to {self.pixels:.3g} pixels from those of PyTorch, at most "
                f"{self._most_pixels:g} expected"
            )
        if not self.compared:
            return f"no keypoint has a score of {SURE:g}, so places could not be compared"
        return f"{self.compared} keypoints lie at most {self.pixels:.2g} pixels from those of PyTorch"


def check_exportable(cfg: InstanceConfig) -> None:
    """Check whether the network looks at a crop once.

    Raises:
        ConfigError: it also looks at it mirrored.
    """
    if cfg.TEST.VIEWS.FLIP:
        raise ConfigError("TEST.VIEWS.FLIP: True given, but an exported network looks at a crop once; set it to False for the export")


def build_export_network(cfg: InstanceConfig, model: InstanceNetwork) -> TaskNetwork:
    """Return the network that an exported file holds, see :class:`CropOutputs`.

    Raises:
        ConfigError: the network looks at a crop twice.
    """
    check_exportable(cfg)
    heads = model.named_heads()
    names = [*(OUTPUTS[name] for name in heads), *(QUALITIES[name] for name, head in heads.items() if head.quality is not None)]
    # in float16 a heatmap has three digits, and its top moves
    most_pixels = 1.0 if cfg.EXPORT.HALF else MOST_PIXELS
    difference = CropDifference({name: place for place, name in enumerate(names)}.get("keypoints"), most_pixels=most_pixels)
    return TaskNetwork(
        network=CropOutputs(model.eval()),
        output_names=names,
        half=["network.backbone", "network.upsampling"],
        measure=difference,
        describe_comparison=difference.describe,
        script=choose_script(cfg),
    )


def choose_script(cfg: InstanceConfig) -> Script:
    """Return the program that cuts objects out of images as ``CropObject`` does."""
    return Script("crops", {"sure": SURE, "keypoint_origin": keypoint_origin(cfg)})
