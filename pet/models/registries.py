"""The detectors and necks by name, with what a config has to know of each. Imports no torch, so that configs are checked with it at once.

A user's module adds one with ``DETECTORS.add(NAME, DetectorEntry(...))``; the config names the module in ``MISC.IMPORTS``.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from pet.models.detr.sizes import DFINE_SIZES, RFDETR_SIZES
from petlib.config import Key, Schema, Switch
from petlib.registry import EntryRegistry

Builder = str | Callable[..., Any]
"""A function, or ``"module:function"``, which is imported when it is needed."""


class DetectorEntry(NamedTuple):
    """A detector.

    Attributes:
        build: ``(cfg, info) -> head`` with the :class:`~pet.models.features.FeatureInfo` of the network. The head is called as
            ``head(features, batch, regions)``, see :func:`pet.models.detection.detector.build_box_head`.
        one_stage: finds objects without looking into regions, so that it has none for the heads that look into them.
        levels: stages that the feature pyramid takes where ``MODEL.FPN.LEVELS`` is empty, by the logarithm of their stride.
        top: the coarser maps on top where ``MODEL.FPN.TOP`` is ``auto``.
        neck: the neck that it usually looks at.
        settings: keys of its own.
        trace: ``(head, features) -> Detections`` without branches on values, see :mod:`pet.models.detection.traced_boxes`, with the
            outputs of the heads that it ``gives`` behind boxes, scores and labels; empty: the detector cannot be exported.
        whole: a network of its own, which looks at the images itself: there is no backbone, no neck and no suppression.
        gives: switches of the heads whose results it gives with its boxes.
        published_key: ``(name) -> name`` of a weight in torchvision's published file, as torchvision's model has it today; empty: the same.
    """

    build: Builder
    one_stage: bool = False
    levels: tuple[int, ...] = (2, 3, 4, 5)
    top: str = "pool"
    neck: str = "fpn"
    settings: Schema = {}
    trace: Builder = ""
    whole: bool = False
    gives: tuple[str, ...] = ()
    published_key: Builder = ""


class NeckEntry(NamedTuple):
    """What joins the stages of a backbone.

    Attributes:
        build: ``(cfg, extractor) -> neck`` with the backbone, a :class:`~pet.models.feature_extractor.FeatureExtractor`; see
            :class:`pet.models.features.Neck`.
        settings: keys of its own.
    """

    build: Builder
    settings: Schema = {}


CENTERNET: Schema = {
    "HIDDEN": Key(256, "Channels between the two convolutions of each branch.", minimum=1),
    "EDGES": Key(False, "Learn how far the four edges are from the centre, as FairMOT does, in place of width and height."),
    "SIZE_WEIGHT": Key(0.1, "Weight of the loss of the sizes, which are in cells of the map.", minimum=0),
    "OFFSET_WEIGHT": Key(1.0, "Weight of the loss of the place inside of a cell.", minimum=0),
}

DFINE: Schema = {
    "SIZE": Key("s", "Size as published, from nano to extra large.", choices=DFINE_SIZES),
    "ARGS": Key(
        {},
        "Further fields of transformers.DFineConfig by its own names, e.g. {num_queries: 100}; backbone_config joins the published one.",
        arguments=("build_dfine.args",),
    ),
}

RFDETR: Schema = {
    "SIZE": Key("nano", "Size as published; those that begin with seg_ with masks (MODEL.HAS_MASK).", choices=RFDETR_SIZES),
    "MASK_EDGE": Key(56, "Height and width of the masks over their boxes.", unit="pixels", minimum=1, used_if=(Switch("MODEL.HAS_MASK"),)),
    "ARGS": Key(
        {},
        "Further fields of transformers.RfDetrConfig by its own names, e.g. {group_detr: 5}; backbone_config joins the published one.",
        arguments=("build_rfdetr.args",),
    ),
}

DETECTORS: EntryRegistry[DetectorEntry] = EntryRegistry(
    "detector",
    {
        "faster_rcnn": DetectorEntry(
            "pet.models.detection.rcnn:build_faster_rcnn", trace="pet.models.detection.traced_boxes:detect_in_regions"
        ),
        "cascade_rcnn": DetectorEntry(
            "pet.models.detection.rcnn:build_cascade_rcnn", trace="pet.models.detection.traced_boxes:detect_in_cascade"
        ),
        "retinanet": DetectorEntry(
            "pet.models.detection.one_stage:build_retinanet",
            one_stage=True,
            levels=(3, 4, 5),
            top="p6p7",
            trace="pet.models.detection.traced_boxes:detect_densely",
            published_key="pet.models.torchvision_names:retinanet_key",
        ),
        "fcos": DetectorEntry(
            "pet.models.detection.one_stage:build_fcos",
            one_stage=True,
            levels=(3, 4, 5),
            top="p6p7",
            trace="pet.models.detection.traced_boxes:detect_densely",
        ),
        "centernet": DetectorEntry(
            "pet.models.detection.center_head:build_centernet",
            one_stage=True,
            neck="dla_up",
            settings={"MODEL": {"BOX": {"CENTERNET": CENTERNET}}},
            trace="pet.models.detection.traced_boxes:detect_peaks",
        ),
        "dfine": DetectorEntry(
            "pet.models.detr.dfine:build_dfine",
            one_stage=True,
            neck="",
            settings={"MODEL": {"BOX": {"DFINE": DFINE}}},
            trace="pet.models.detr.head:detect_set",
            whole=True,
        ),
        "rfdetr": DetectorEntry(
            "pet.models.detr.rfdetr:build_rfdetr",
            one_stage=True,
            neck="",
            settings={"MODEL": {"BOX": {"RFDETR": RFDETR}}},
            trace="pet.models.detr.head:detect_set",
            whole=True,
            gives=("HAS_MASK",),
        ),
    },
)
"""``MODEL.BOX.DETECTOR`` -> detector."""

WHOLE = tuple(name for name in DETECTORS if DETECTORS.get(name).whole)
"""The built-in detectors that are networks of their own."""
NEEDS_BACKBONE = Switch("MODEL.BOX.DETECTOR", none_of=WHOLE)

FPN: Schema = {
    "CHANNELS": Key(256, "Channels of the feature pyramid (https://arxiv.org/abs/1612.03144).", minimum=1),
    "LEVELS": Key(
        [],
        "Stages that the pyramid takes, by the logarithm of their stride. Empty: [2, 3, 4, 5], for one-stage detectors [3, 4, 5].",
        type=list[int],
    ),
    "TOP": Key(
        "auto",
        "Coarser maps on top: a pooled one, two convolved ones or none. auto: pool, for one-stage detectors p6p7.",
        choices=("auto", "pool", "p6p7", "none"),
    ),
}

DLA_UP: Schema = {
    "CHANNELS": Key(64, "Channels of the one map of stride 4; coarser stages are joined twice as wide each.", minimum=1),
    "DEFORMABLE": Key(
        True,
        "Convolutions look at places that they learn (https://arxiv.org/abs/1811.11168), as published; False: plain ones, faster on CPUs.",
    ),
}

NECKS: EntryRegistry[NeckEntry] = EntryRegistry(
    "neck",
    {
        "fpn": NeckEntry("pet.models.fpn:build_fpn", {"MODEL": {"FPN": FPN}}),
        "dla_up": NeckEntry("pet.models.dla_up:build_dla_up", {"MODEL": {"DLA_UP": DLA_UP}}),
    },
)
"""``MODEL.NECK`` -> neck."""
