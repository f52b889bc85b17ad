"""What is exported of a model of the general CNN, and that model with tensors as its only inputs and outputs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from pet.data.loading.batch_transforms import PAD_DIVISOR
from pet.exporting.config import check_single_view
from pet.exporting.matching import DetectionDifference, DotsDifference
from pet.exporting.network import TaskNetwork, classifier_network
from pet.exporting.script import Script
from pet.models.detection.traced_regions import with_traced_pooling
from pet.models.features import Features, Neck
from pet.models.registries import DETECTORS
from pet.models.segmentation.head import SemsegHead
from pet.typed import VisionConfig
from pet.vision.heads.table import HEADS, HeadEntry, head_name, head_switches
from pet.vision.model import GeneralizedCNN
from petlib.config import ConfigError
from petlib.registry import import_component

OBJECT_OUTPUTS = ("boxes", "scores", "labels")
SIZE_INPUT = "image_size"
"""Height and width without padding, which images have that are smaller than the file takes them."""
DOT_SCORES = "dot_scores"
"""The last of three outputs, after the count and the places of dots."""
PIXEL_HEAD = "semseg"
"""The name of the head that gives every pixel a class."""


class PlainNetwork(nn.Module):
    """What the model itself predicts for normalised images.

    Args:
        model: with heads for boxes, masks, keypoints and pixels.
    """

    def __init__(self, model: GeneralizedCNN) -> None:
        super().__init__()
        self.model = model

    @property
    def output_names(self) -> list[str]:
        """What :meth:`forward` returns, in its order."""
        heads = self.model.heads
        names = [*OBJECT_OUTPUTS, *self.model.given] if "box" in heads else []
        names += [entry.output for entry in self._region_heads().values()]
        names += ["logits"] if PIXEL_HEAD in heads else []
        return [*names, *(name for entry in self._whole_heads().values() for name in entry.outputs)]

    def _whole_heads(self) -> dict[str, HeadEntry]:
        """Return the heads of the model that look at whole images and give tensors by themselves, by name."""
        entries = {head_name(switch): HEADS.get(switch) for switch in HEADS}
        return {name: entries[name] for name in self.model.heads if entries[name].outputs}

    def _region_heads(self) -> dict[str, HeadEntry]:
        """Return the heads of the model that look into regions, by name."""
        entries = {head_name(switch): HEADS.get(switch) for switch in HEADS}
        return {name: entries[name] for name in self.model.heads if entries[name].needs}

    def forward(self, images: Tensor, image_size: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return the outputs for float images (B, 3, H, W), of objects for a batch of one image.

        Args:
            images: normalised; padded on the right and at the bottom where ``image_size`` is given.
            image_size: int64 (2,), height and width without the padding, which becomes zeros; None: there is no padding.
        """
        features, batch = self._extract(images, image_size)
        outputs: list[Tensor] = []
        if "box" in self.model.heads:
            found: dict[str, Tensor] = {}
            for output in self.model.run_heads(features, batch):
                found |= output.predictions[0]
            whole = {name for entry in self._whole_heads().values() for name in entry.outputs}
            outputs = [found[name] for name in self.output_names if name in found and name not in whole]
        return (*outputs, *self._pixels(features, images), *self._whole(features))

    def _extract(self, images: Tensor, image_size: Tensor | None) -> tuple[Features, dict[str, Any]]:
        """Return the features of images that are padded as for an evaluation, and the batch of them."""
        height, width = images.shape[2], images.shape[3]
        if image_size is not None:
            inside = (torch.arange(height)[:, None] < image_size[0]) & (torch.arange(width) < image_size[1])
            images = images.where(inside, 0.0)
        # ONNX rounds the quotient of a negative number towards zero: no -(-length // divisor) here
        rows, columns = ((length + PAD_DIVISOR - 1) // PAD_DIVISOR * PAD_DIVISOR for length in (height, width))
        # padding of no pixels would be traced as none for images of all sizes
        padded = functional.pad(images, (0, PAD_DIVISOR, 0, PAD_DIVISOR))[:, :, :rows, :columns]
        # one size for all images, however many: a list as long as the batch would fix its length
        batch = {"image": padded, "image_sizes": [(height, width) if image_size is None else self._lengths(image_size)]}
        return self.model.extract(batch), batch

    def _lengths(self, image_size: Tensor) -> tuple[Any, Any]:
        """Return height and width as the model takes them."""
        return int(image_size[0]), int(image_size[1])

    def _whole(self, features: Features) -> list[Tensor]:
        heads = self.model.heads
        return [output for name, entry in self._whole_heads().items() for output in import_component(entry.trace)(heads[name], features)]

    def _pixels(self, features: Features, images: Tensor) -> list[Tensor]:
        if PIXEL_HEAD not in self.model.heads:
            return []
        head = cast("SemsegHead", self.model.heads[PIXEL_HEAD])
        logits = head.predict(features)
        # a slice would be traced as one that leaves all pixels, or never all of them
        return [logits.index_select(2, torch.arange(images.shape[2])).index_select(3, torch.arange(images.shape[3]))]


class TracedNetwork(PlainNetwork):
    """The same, computed without branches and loops that depend on values, so that it can be exported."""

    def __init__(self, model: GeneralizedCNN) -> None:
        super().__init__(cast("GeneralizedCNN", with_traced_pooling(model)))

    def forward(self, images: Tensor, image_size: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return the outputs for float images (B, 3, H, W), of objects for a batch of one image; see :class:`PlainNetwork`."""
        features, _ = self._extract(images, image_size)
        outputs: list[Tensor] = []
        heads = self.model.heads
        if "box" in heads:
            detect = import_component(DETECTORS.get(self.model.detector).trace)
            boxes, scores, labels, *given = detect(heads["box"], features)
            outputs = [boxes.float(), scores.float(), labels.to(torch.int64), *given]
            for name, entry in self._region_heads().items():
                outputs.append(import_component(entry.trace)(heads[name], features, boxes, labels))
        return (*outputs, *self._pixels(features, images), *self._whole(features))

    def _lengths(self, image_size: Tensor) -> tuple[Any, Any]:
        """Return height and width as tensors: their values are not known when the network is traced."""
        height, width = image_size.to(torch.float32).unbind()
        return height, width


HALF_PARTS = (
    "backbone",
    "neck",
    "heads.box.network.backbone.model",
    "heads.box.head",
    "heads.box.heatmap",
    "heads.box.size",
    "heads.box.offset",
    "heads.box.rpn.head",
    "heads.box.roi_heads.box_head",
    "heads.mask.head",
    "heads.keypoints.head",
    "heads.identity.embedding",
    "heads.surface.head",
    "heads.semseg.decoder",
    "heads.density.convolutions",
    "heads.dots.scores",
    "heads.dots.offsets",
)
"""Modules below the model that compute in float16: all convolutions, and none of the arithmetic of boxes, whose coordinates need more."""


def build_export_network(cfg: VisionConfig, model: GeneralizedCNN) -> TaskNetwork:
    """Return the network that an exported file holds.

    The input is ``images``, float32 (B, 3, H, W), of detectors with a fixed size also ``image_size``, int64 (2,), height and width without
    padding. Classifiers give ``logits`` (B, classes). Detectors give ``boxes``, ``scores`` and
    ``labels`` of one image, in its coordinates and after suppression, with ``masks`` (N, M, M), ``keypoints`` (N, K, 3) and ``surface``,
    uint8 (N, 3, M, M), where the model has such heads. Semantic segmentation gives ``logits`` (B, classes, H, W).

    Raises:
        ConfigError: a head or setting cannot be exported.
    """
    check_exportable(cfg)
    if cfg.MODEL.HAS_CLS:
        return classifier_network(model.eval().get_submodule("backbone"))
    plain, traced = PlainNetwork(model.eval()), TracedNetwork(model.eval())
    names = plain.output_names
    task = TaskNetwork(
        network=traced,
        reference=plain,
        output_names=names,
        half=[f"model.{name}" for name in HALF_PARTS if _has(traced.model, name)],
        script=choose_script(names),
    )
    if not cfg.MODEL.HAS_BOX:
        return task if DOT_SCORES not in names else replace(task, measure=_dots_measure(cfg, names))
    places = {name: place for place, name in enumerate(names)}
    measure = DetectionDifference(
        score=cfg.EXPORT.COMPARE_SCORE,
        per_object=len(names) - ("logits" in names),
        keypoints=places.get("keypoints"),
        surface=places.get("surface"),
    )
    return replace(
        task,
        size_input="" if cfg.EXPORT.DYNAMIC else SIZE_INPUT,
        free_batch=False,
        smallest=_smallest(model),
        measure=measure,
        describe_comparison=measure.describe,
    )


def check_exportable(cfg: VisionConfig) -> None:
    """Check whether the heads that are on can be exported.

    Raises:
        ConfigError: a head or setting cannot be.
    """
    for switch in head_switches(cfg):
        if not (HEADS.get(switch).output or HEADS.get(switch).outputs):
            raise ConfigError(f"MODEL.{switch}: True cannot be exported; set it to False, and the rest of the model is")
    if cfg.MODEL.HAS_BOX and not DETECTORS.get(cfg.MODEL.BOX.DETECTOR).trace:
        exportable = " or ".join(name for name in DETECTORS if DETECTORS.get(name).trace)
        raise ConfigError(f"MODEL.BOX.DETECTOR: {cfg.MODEL.BOX.DETECTOR} cannot be exported; {exportable} can")
    if cfg.MODEL.HAS_BOX and DETECTORS.get(cfg.MODEL.BOX.DETECTOR).whole and cfg.EXPORT.DYNAMIC:
        raise ConfigError(
            f"EXPORT.DYNAMIC: True, but the positions that {cfg.MODEL.BOX.DETECTOR} adds to its maps are those of one size; set it to False"
        )
    if cfg.MODEL.HAS_BOX and cfg.TEST.SOFT_NMS.METHOD != "never":
        raise ConfigError(
            f"TEST.SOFT_NMS.METHOD: {cfg.TEST.SOFT_NMS.METHOD} cannot be exported: it is a loop over detections, each of which depends on "
            "those before; set it to never"
        )
    if cfg.EXPORT.FORMATS and cfg.TEST.SLIDING.SIZE:
        raise ConfigError(
            f"TEST.SLIDING.SIZE: {cfg.TEST.SLIDING.SIZE} given, but the files of EXPORT.FORMATS look at whole images; set it to 0, so that "
            "PyTorch is measured on whole images too"
        )
    check_single_view(cfg)


def choose_script(outputs: Sequence[str]) -> Script | None:
    """Return the program for these outputs; None: none of them knows all."""
    if set(OBJECT_OUTPUTS) <= set(outputs):
        return None if "count" in outputs else Script("objects")
    if "count" in outputs:
        return Script("counts") if "logits" not in outputs and outputs.count("count") == 1 else None
    return Script("pixels")


def _dots_measure(cfg: VisionConfig, names: Sequence[str]) -> DotsDifference:
    return DotsDifference(threshold=cfg.TEST.DOT_THRESHOLD, place=names.index(DOT_SCORES) - 2)


def _has(model: GeneralizedCNN, name: str) -> bool:
    parts = dict(model.named_modules(remove_duplicate=False))
    return name in parts


def _smallest(model: GeneralizedCNN) -> int:
    """Return the edge of an image whose coarsest map has two pixels: a length of 1 is traced as one that is always 1."""
    if model.neck is None:
        return 2 * cast("int", model.heads["box"].divisor)
    return 2 * max(cast("Neck", model.neck).strides)
