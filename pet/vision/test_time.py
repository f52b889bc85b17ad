"""Test-time augmentation: several views of each image, and one result."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from pet.data.targets.kinds import to_original
from pet.models.config import has_views
from pet.models.detection.suppression import Suppression, as_predictions, build_suppression
from pet.models.detection.windows import find_through_windows
from pet.models.features import Features, HeadOutput, Regions
from pet.models.segmentation.head import SemsegHead
from pet.models.segmentation.sliding_window import as_logits, look_through_windows
from pet.models.views import View, average_pixels, make_views, turn_back
from pet.typed import VisionConfig
from pet.vision.heads.table import HEADS
from pet.vision.model import GeneralizedCNN
from petlib.config import ConfigError, name_in_errors

STRIDE = 32
PIXEL_HEAD = "semseg"


class TestTimeAugmentation(nn.Module):
    """A :class:`GeneralizedCNN` that looks at each image several times.

    Boxes of all views are joined by suppression. What heads find inside of boxes, and scores of pixels and of whole images, is averaged
    over the views, mirrored ones turned back with left and right parts and keypoints exchanged, before it is decoded. Where ``meta`` does
    not say which keypoints or parts are left and right (``keypoint_swap``, ``part_swap``), these come from the other views alone.

    Args:
        model: the network.
        scales: sizes of the views, as factors of the batch's; empty: 1.
        flip: look at each size also mirrored.
        suppression: which of all detections are given out.

    Raises:
        ConfigError: a head cannot average views.
    """

    def __init__(self, model: GeneralizedCNN, *, scales: Sequence[float], flip: bool, suppression: Suppression) -> None:
        super().__init__()
        self.model = model
        self.scales = tuple(scales) or (1.0,)
        self.flip = flip
        self.suppression = suppression
        if model.given:
            raise ConfigError(
                f"TestTimeAugmentation: the {' and '.join(model.given)} of {model.detector} cannot be averaged over several views; "
                "leave SCALES empty and FLIP False"
            )
        for name, head in model.heads.items():
            if name not in ("box", "cls") and not hasattr(head, "predict"):
                raise ConfigError(f"TestTimeAugmentation: the head {name} cannot average several views; leave SCALES empty and FLIP False")

    def forward(self, batch: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the predictions of ``model`` for each image, in the coordinates of the image files."""
        if self.model.window and not self.model.detector:
            return self._label_through_windows(batch)
        if self.model.window:
            predictions = find_through_windows(self._find_in_views, batch, window=self.model.window, overlap=self.model.overlap)
        else:
            predictions = self._find_in_views(batch)
        return to_original(predictions, batch["meta"]) if "meta" in batch and "cls" not in self.model.heads else predictions

    def _find_in_views(self, batch: dict[str, Any]) -> list[dict[str, Any]]:
        """Return what is found in each image that is looked at whole, in the coordinates of the batch."""
        views = self._views(batch)
        features = [self.model.extract(view.batch) for view in views]
        regions: Regions | None = None
        outputs: list[HeadOutput] = []
        for name, head in self.model.heads.items():
            if name == "box":
                regions = self._join_boxes(head, views, features)
                outputs.append(HeadOutput(predictions=as_predictions(regions.boxes, regions.scores, regions.labels)))
            elif name == PIXEL_HEAD:
                pixels = cast("SemsegHead", head)
                mean = average_pixels(views, (pixels.predict(one).softmax(dim=1) for one in features), batch)
                outputs.append(HeadOutput(predictions=pixels.decode(mean, batch)))
            elif name == "cls":
                mean = torch.stack([one.stages[-1] for one in features]).mean(dim=0)
                outputs.append(head(Features(images=batch["image"], image_sizes=[], stages=[mean], maps={}), batch, None))
            else:
                assert regions is not None, "heads that look into boxes come after the box head"
                outputs.append(HeadOutput(predictions=self._average_regions(name, head, views, features, regions)))
        parts = zip(*(output.predictions for output in outputs), strict=True)
        return [{name: value for part in image_parts for name, value in part.items()} for image_parts in parts]

    def _views(self, batch: dict[str, Any]) -> list[View]:
        divisor = 1 if "cls" in self.model.heads else STRIDE
        return make_views(batch, scales=self.scales, flip=self.flip, divisor=divisor)

    def _label_through_windows(self, batch: dict[str, Any]) -> list[dict[str, Any]]:
        logits = look_through_windows(
            [batch["image"]],
            lambda windows: as_logits(self._pixels({"image": windows[0]})),
            window=self.model.window,
            overlap=self.model.overlap,
        )
        return cast("SemsegHead", self.model.heads[PIXEL_HEAD]).decode(logits, batch)

    def _pixels(self, batch: dict[str, Any]) -> Tensor:
        """Return the mean probabilities (B, K, H, W) of all views."""
        views = self._views(batch)
        return average_pixels(views, (self.model.pixel_logits(view.batch["image"]).softmax(dim=1) for view in views), batch)

    def _join_boxes(self, head: nn.Module, views: Sequence[View], features: Sequence[Features]) -> Regions:
        found: list[list[tuple[Tensor, Tensor, Tensor]]] = [[] for _ in features[0].image_sizes]
        for view, view_features in zip(views, features, strict=True):
            predictions = head(view_features, view.batch, None).predictions
            boxes = view.from_view([image["boxes"] for image in predictions])
            for place, (image, image_boxes) in enumerate(zip(predictions, boxes, strict=True)):
                found[place].append((image_boxes, image["scores"], image["labels"]))
        joined = [self._suppress(*(torch.cat(parts) for parts in zip(*image, strict=True))) for image in found]
        boxes, scores, labels = (list(part) for part in zip(*joined, strict=True))
        return Regions(boxes=boxes, labels=labels, scores=scores)

    def _suppress(self, boxes: Tensor, scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self.suppression.is_soft:
            return self.suppression.soften(boxes, scores, labels)
        from torchvision.ops import batched_nms  # slow to import, and most trainings do without

        keep = batched_nms(boxes, scores, labels, self.suppression.iou_threshold)[: self.suppression.most]
        return boxes[keep], scores[keep], labels[keep]

    def _average_regions(
        self, name: str, head: Any, views: Sequence[View], features: Sequence[Features], regions: Regions
    ) -> list[dict[str, Tensor]]:
        swaps = _channel_swaps(name, views[0].batch)
        # without knowing which channel is left and which is right, what a mirrored view finds cannot be turned back
        chosen = [pair for pair in zip(views, features, strict=True) if swaps is not None or not pair[0].mirrored]
        sums: list[Tensor] = []
        for view, view_features in chosen:
            raw = head.predict(view_features, view.to_view(regions.boxes), regions.labels)
            if view.mirrored and swaps is not None:
                raw = [turn_back(image, swap) for image, swap in zip(raw, swaps, strict=True)]
            sums = [total + image for total, image in zip(sums, raw, strict=True)] if sums else raw
        decoded: list[dict[str, Tensor]] = head.decode([total / len(chosen) for total in sums], regions)
        return decoded


def _channel_swaps(name: str, batch: dict[str, Any]) -> list[list[int]] | None:
    """Return for each image which channel of a head is which when it is mirrored, empty: all stay; None where an image does not say."""
    entry = HEADS.get(f"HAS_{name.upper()}").swap
    if not entry:
        return [[] for _ in batch["image"]]
    metas = batch.get("meta", [{}])
    return [list(meta[entry]) for meta in metas] if all(entry in meta for meta in metas) else None


def build_test_model(model: GeneralizedCNN, cfg: VisionConfig) -> nn.Module:
    """Return ``model`` with the views of ``TEST.VIEWS``; itself where there is only one.

    Raises:
        ConfigError: a head cannot average views.
    """
    if not has_views(cfg):
        return model
    with name_in_errors({"TestTimeAugmentation": "TEST.VIEWS"}):
        return TestTimeAugmentation(model, scales=list(cfg.TEST.VIEWS.SCALES), flip=cfg.TEST.VIEWS.FLIP, suppression=build_suppression(cfg))
