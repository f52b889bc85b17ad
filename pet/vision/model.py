"""The general CNN: a backbone, a neck and the heads that the config switches on."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, cast

from torch import Tensor, nn

from pet.data.targets.dataset import Expectation
from pet.data.targets.kinds import to_original
from pet.losses.uncertainty import UncertaintyWeighting
from pet.models.classifiers import build_classifier_backbone
from pet.models.detection.windows import find_through_windows
from pet.models.feature_extractor import FeatureExtractor, build_feature_extractor
from pet.models.features import FeatureInfo, Features, HeadOutput, Neck, Regions, WindowedHead, build_neck
from pet.models.registries import DETECTORS
from pet.models.segmentation.head import SemsegHead
from pet.typed import VisionConfig
from pet.vision.heads.table import add_parts_of_heads, build_heads, given_outputs, target_kinds, training_only
from petlib.config import keys_in_errors
from petlib.engine import CountsLosses
from petlib.engine.step import CountsTargets

COUNT_SETTINGS = {
    "label": "MODEL.NUM_CLASSES",
    "boxes": "MODEL.NUM_CLASSES",
    "semseg": "MODEL.SEMSEG.NUM_CLASSES",
    "keypoints": "MODEL.KEYPOINTS.NUM_KEYPOINTS",
    "parsing": "MODEL.PARSING.NUM_PARTS",
    "identities": "MODEL.IDENTITY.NUM_IDENTITIES",
    "surface": "MODEL.SURFACE.NUM_PARTS",
}
"""Kind of target -> the setting that says how many classes, keypoints, parts or identities a model knows."""


class GeneralizedCNN(nn.Module):
    """A network whose parts the ``MODEL`` section of a config names: backbone, neck, one head for each ``HAS_*`` that is on.

    Attributes:
        backbone: images to stages; for ``HAS_CLS`` a whole classifier, images to logits. The weights of timm and torchvision
            fit key for key below ``backbone.``. None: the detector looks at images itself.
        neck: stages to maps of one width; None: there is none.
        heads: by the name of their switch without ``HAS_``, in lower case: ``cls``, ``box``, ...
        detector: name of the detector that ``heads.box`` is; empty: there is none.
        given: names of the outputs that it gives with its boxes in the place of other heads, e.g. ``masks``.
        window: in evaluation images are looked at through overlapping windows of so many pixels; 0: whole.
        overlap: share of a window that its neighbour covers too.
        weighting: weighs the losses of the heads; :func:`add_training_parts` puts it here. None: they are added as they are.
        training_only: beginnings of the names of weights that a test does without.

    Raises:
        ConfigError: the network is unknown or does not take its arguments, or the parts do not fit together.
    """

    def __init__(self, cfg: VisionConfig) -> None:
        super().__init__()
        self.weighting: UncertaintyWeighting | None = None
        self.training_only = ("weighting.", *training_only(cfg))
        self._classifies = cfg.MODEL.HAS_CLS
        self.detector: str = cfg.MODEL.BOX.DETECTOR if cfg.MODEL.HAS_BOX else ""
        self.given = given_outputs(cfg)
        self.backbone: nn.Module | None = None
        self.neck: nn.Module | None = None
        if self._classifies:
            self.backbone = build_classifier_backbone(cfg, _drop_rates(cfg))
        elif not (self.detector and DETECTORS.get(self.detector).whole):
            self.backbone = build_feature_extractor(cfg, _drop_rates(cfg))
            self.neck = build_neck(cfg, self.backbone)
        self.window: int = cfg.TEST.SLIDING.SIZE
        self.overlap: float = cfg.TEST.SLIDING.OVERLAP if self.window else 0.0
        info = self._feature_info()
        with keys_in_errors(cfg):
            self.heads = nn.ModuleDict(build_heads(cfg, info))

    def forward(self, batch: dict[str, Any]) -> Any:
        """Return the outputs of all heads, joined.

        Args:
            batch: ``image``, float (B, C, H, W), ``image_sizes``, (height, width) of each image without padding (by default all of
                it), ``meta``, and what the heads need.

        Returns:
            In training ``{"losses": {name: scalar}, "metrics": {name: scalar}}``, in evaluation a list with one
            dictionary of predictions for each sample, in the coordinates of the image files where ``meta`` gives them.
            All tensors are on the device of the images.
        """
        if not self.training:
            predictions = self._look_through_windows(batch) if self.window else self.predict(batch)
            return to_original(predictions, batch["meta"]) if "meta" in batch and not self._classifies else predictions
        outputs = self.run_heads(self.extract(batch), batch)
        losses = {name: output.losses for name, output in zip(self.heads, outputs, strict=True)}
        return {
            "losses": self.weighting(losses)
            if self.weighting is not None
            else {name: value for parts in losses.values() for name, value in parts.items()},
            "metrics": {name: value for output in outputs for name, value in output.metrics.items()},
        }

    def predict(self, batch: dict[str, Any]) -> list[dict[str, Any]]:
        """Return what all heads find in each image of a batch that is looked at whole, in the coordinates of the batch."""
        outputs = self.run_heads(self.extract(batch), batch)
        parts = zip(*(output.predictions for output in outputs), strict=True)
        return [{name: value for part in image_parts for name, value in part.items()} for image_parts in parts]

    @property
    def count_targets(self) -> Callable[[dict[str, Any]], Tensor] | None:
        """What counts the targets of a batch; None: no head divides its losses by those of all parts of a step."""
        counting = [head.count_targets for head in self.heads.values() if isinstance(head, CountsTargets)]
        return counting[0] if counting else None

    def loss_counts(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return what the losses of the heads count over that are no means over samples, see :class:`petlib.engine.CountsLosses`."""
        counting = [cast("CountsLosses", head) for head in self.heads.values() if hasattr(head, "loss_counts")]
        return {name: counts for head in counting for name, counts in head.loss_counts(batch).items()}

    def pixel_logits(self, images: Tensor) -> Tensor:
        """Return the logits of pixels, float32 (B, K, H, W), of a model with ``HAS_SEMSEG``."""
        return cast("SemsegHead", self.heads["semseg"]).predict(self.extract({"image": images}))

    def extract(self, batch: dict[str, Any]) -> Features:
        """Return the feature maps of a batch; of a classifier the logits, as its only stage."""
        images: Tensor = batch["image"]
        sizes = batch.get("image_sizes") or [(images.shape[2], images.shape[3])] * len(images)
        if self.backbone is None:
            return Features(images=images, image_sizes=sizes, stages=[], maps={})
        if self._classifies:
            return Features(images=images, image_sizes=sizes, stages=[self.backbone(images)], maps={})
        stages = self.backbone(images)
        return Features(images=images, image_sizes=sizes, stages=stages, maps=self.neck(stages) if self.neck is not None else {})

    def run_heads(self, features: Features, batch: dict[str, Any]) -> list[HeadOutput]:
        """Return the outputs of the heads; regions that one finds go to those after it."""
        regions: Regions | None = None
        outputs = []
        for head in self.heads.values():
            output = head(features, batch, regions)
            regions = output.regions or regions
            outputs.append(output)
        return outputs

    def _look_through_windows(self, batch: dict[str, Any]) -> list[dict[str, Any]]:
        """Return what is found in images of which the network sees one window after the other, in the coordinates of the batch."""
        if self.detector:
            return find_through_windows(self.predict, batch, window=self.window, overlap=self.overlap)
        (head,) = cast("Iterable[WindowedHead]", self.heads.values())
        return head.look_through_windows(self.extract, batch, window=self.window, overlap=self.overlap)

    def _feature_info(self) -> FeatureInfo:
        if self._classifies or self.backbone is None:
            return FeatureInfo((), (), 0, ())
        extractor = cast("FeatureExtractor", self.backbone)
        if self.neck is None:
            return FeatureInfo(extractor.channels, extractor.strides, 0, ())
        neck = cast("Neck", self.neck)
        return FeatureInfo(extractor.channels, extractor.strides, neck.channels, neck.strides, neck.num_top)


def expected_data(cfg: VisionConfig) -> Expectation:
    """Return what the heads that are on want of their data."""
    return Expectation(
        kinds=target_kinds(cfg),
        counts={
            "label": cfg.MODEL.NUM_CLASSES,
            "boxes": cfg.MODEL.NUM_CLASSES,
            "semseg": cfg.MODEL.SEMSEG.NUM_CLASSES or cfg.MODEL.NUM_CLASSES,
            "keypoints": cfg.MODEL.KEYPOINTS.NUM_KEYPOINTS,
            "parsing": cfg.MODEL.PARSING.NUM_PARTS,
            "identities": cfg.MODEL.IDENTITY.NUM_IDENTITIES,
            "surface": cfg.MODEL.SURFACE.NUM_PARTS,
        },
        settings=COUNT_SETTINGS,
    )


def expected_test_data(cfg: VisionConfig) -> Expectation:
    """Return the same for a test, whose objects are others than those of the training: nothing is known of their identities."""
    expected = expected_data(cfg)
    counts = dict(expected.counts)
    counts.pop("identities")
    return replace(expected, counts=counts)


def add_training_parts(cfg: VisionConfig, model: GeneralizedCNN) -> None:
    """Put into a model what only its training needs: the parts of heads that say so, and the weights of losses that are learned.

    Raises:
        ConfigError: what a part needs is missing, such as the number of identities.
    """
    add_parts_of_heads(cfg, model.heads)
    if not cfg.MODEL.HAS_CLS and cfg.MODEL.LOSS_WEIGHTING.METHOD == "uncertainty":
        model.weighting = UncertaintyWeighting({name: cfg.MODEL.LOSS_WEIGHTING.START.get(name, 0.0) for name in model.heads})


def _drop_rates(cfg: VisionConfig) -> dict[str, Any]:
    """Return the arguments of a backbone that drops values or whole blocks."""
    rates = {"drop_rate": cfg.FINETUNE.DROP_RATE, "drop_path_rate": cfg.FINETUNE.DROP_PATH_RATE}
    return {name: rate for name, rate in rates.items() if rate > 0}
