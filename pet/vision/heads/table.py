"""The heads that switches of the config turn on. Imports no torch: the config is made from it.

A user's module adds one with ``HEADS.add("HAS_NAME", HeadEntry(...))`` and is named in ``MISC.IMPORTS``; see docs/add_a_head.md.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pet.models.registries import DETECTORS, NECKS, Builder
from pet.typed import VisionConfig
from pet.vision.heads import settings
from petlib.config import Key, Schema, Switch, merge_schemas, used_if
from petlib.registry import EntryRegistry, import_component


class HeadEntry(NamedTuple):
    """A head.

    Attributes:
        build: ``(cfg, info) -> head`` with the :class:`~pet.models.features.FeatureInfo` of the network. The head is called as
            ``head(features, batch, regions)`` with :class:`~pet.models.features.Features`, the batch, and what the box head found
            (None where there is none), and returns a :class:`~pet.models.features.HeadOutput`.
        build_evaluator: ``(cfg, dataset, *, keep_predictions) -> evaluator`` of the test data, a
            :class:`~pet.evaluation.evaluator.Evaluator`; ``keep_predictions`` says whether its ``write`` will be called. None:
            the config wants nothing to be measured.
        meaning: what the switch does, for the reference of all keys.
        targets: the kinds of targets that it learns from, names of :data:`pet.data.targets.kinds.KINDS`.
        settings: keys of its own.
        needs: the switch of the head whose regions it looks into; empty: it looks at the whole image.
        swap: entry of a sample's ``meta`` that says which of its channels is which in a mirrored image; empty: all stay.
        output: name of the tensor that an exported network gives for it; empty: the head cannot be exported.
        trace: of a head that looks into regions, ``(head, features, boxes, labels) -> tensor`` without branches on values; of one with
            ``outputs`` ``(head, features) -> tensors``.
        outputs: names of the tensors, batch first, that an exported network gives for a head that looks at the whole image, in the place
            of ``output``.
        windows: it looks at images through windows (``TEST.SLIDING``). What it finds of the objects of each window is joined
            (:mod:`pet.models.detection.window_joining`) with ``HAS_BOX`` and heads that look into its boxes; any other head looks alone: it
            is a :class:`~pet.models.features.WindowedHead`.
        any_detector: the boxes that a detector finds are enough for it; False: in training it needs the proposals of two stages.
        add_training_parts: ``(cfg, head) -> None``, puts into the head what only a training needs; empty: there is no such part.
        training_parts: names of these parts, which a test and an exported file do without.
    """

    build: Builder
    build_evaluator: Builder
    meaning: str
    targets: tuple[str, ...]
    settings: Schema = {}
    needs: str = ""
    swap: str = ""
    output: str = ""
    trace: Builder = ""
    outputs: tuple[str, ...] = ()
    windows: bool = False
    any_detector: bool = False
    add_training_parts: Builder = ""
    training_parts: tuple[str, ...] = ()


HEADS: EntryRegistry[HeadEntry] = EntryRegistry(
    "head",
    {
        "HAS_CLS": HeadEntry(
            build="pet.models.classification:build_whole_image_head",
            build_evaluator="pet.evaluation.classification:build_classification_evaluator",
            meaning="Classify whole images.",
            targets=("label",),
            output="logits",
        ),
        "HAS_BOX": HeadEntry(
            build="pet.models.detection.detector:build_box_head",
            build_evaluator="pet.evaluation.detection:build_box_evaluator",
            meaning="Find objects.",
            targets=("boxes",),
            settings=settings.BOX,
            output="boxes",
            windows=True,
        ),
        "HAS_MASK": HeadEntry(
            build="pet.models.detection.roi_heads:build_mask_head",
            build_evaluator="pet.evaluation.detection:build_mask_evaluator",
            meaning="Outline each object that is found.",
            targets=("masks",),
            settings=settings.MASK,
            needs="HAS_BOX",
            output="masks",
            trace="pet.models.detection.traced_regions:find_masks",
            windows=True,
        ),
        "HAS_KEYPOINTS": HeadEntry(
            build="pet.models.detection.roi_heads:build_keypoint_head",
            build_evaluator="pet.evaluation.detection:build_keypoint_evaluator",
            meaning="Find the keypoints of each object.",
            targets=("keypoints",),
            settings=settings.KEYPOINTS,
            needs="HAS_BOX",
            swap="keypoint_swap",
            output="keypoints",
            trace="pet.models.detection.traced_regions:find_keypoints",
            windows=True,
        ),
        "HAS_PARSING": HeadEntry(
            build="pet.models.detection.roi_parsing:build_parsing_head",
            build_evaluator="pet.evaluation.parsing:build_parsing_evaluator",
            meaning="Find the parts of each object.",
            targets=("parsing",),
            settings=settings.PARSING,
            needs="HAS_BOX",
            swap="part_swap",
            windows=True,
        ),
        "HAS_IDENTITY": HeadEntry(
            build="pet.models.detection.identity_head:build_identity_head",
            build_evaluator="pet.evaluation.tracking:build_tracking_evaluator",
            meaning="Give each object an embedding by which it is known again in other images.",
            targets=("identities",),
            settings=settings.IDENTITY,
            needs="HAS_BOX",
            output="embeddings",
            trace="pet.models.detection.identity_head:find_embeddings",
            any_detector=True,
            add_training_parts="pet.models.detection.identity_head:add_identity_classifier",
            training_parts=("classifier",),
            windows=True,
        ),
        "HAS_SURFACE": HeadEntry(
            build="pet.models.detection.roi_surface:build_surface_head",
            build_evaluator="pet.evaluation.surface:build_surface_evaluator",
            meaning="Find the places of each object's pixels on a surface.",
            targets=("surface",),
            settings=settings.SURFACE,
            needs="HAS_BOX",
            swap="surface_channels",
            output="surface",
            trace="pet.models.detection.traced_regions:find_surface",
        ),
        "HAS_SEMSEG": HeadEntry(
            build="pet.models.segmentation.head:build_semseg_head",
            build_evaluator="pet.evaluation.segmentation:build_semseg_evaluator",
            meaning="Give every pixel a class.",
            targets=("semseg",),
            settings=settings.SEMSEG,
            output="logits",
            windows=True,
        ),
        "HAS_DENSITY": HeadEntry(
            build="pet.models.counting.density_head:build_density_head",
            build_evaluator="pet.evaluation.counting:build_density_evaluator",
            meaning="Count what there is, by how densely it lies.",
            targets=("dots",),
            settings=settings.DENSITY,
            trace="pet.models.counting.density_head:trace_density",
            outputs=("count", "density", "density_cell"),
            windows=True,
        ),
        "HAS_DOTS": HeadEntry(
            build="pet.models.counting.dots_head:build_dots_head",
            build_evaluator="pet.evaluation.counting:build_dots_evaluator",
            meaning="Count what there is, with a dot at each.",
            targets=("dots",),
            settings=settings.DOTS,
            trace="pet.models.counting.dots_head:trace_dots",
            outputs=("count", "dots", "dot_scores"),
            windows=True,
        ),
    },
)
"""Switch below ``MODEL``, off by default -> head, in the order in which they work."""


def heads_schema() -> Schema:
    """Return the keys of all heads, the switch of each and its own, and those of detectors and necks."""
    switches: Schema = {"MODEL": {switch: Key(False, HEADS.get(switch).meaning) for switch in HEADS}}
    necks = [used_if(NECKS.get(name).settings, Switch("MODEL.NECK", one_of=(name,))) for name in NECKS]
    box = Switch("MODEL.HAS_BOX")
    detectors = [used_if(DETECTORS.get(name).settings, box, Switch("MODEL.BOX.DETECTOR", one_of=(name,))) for name in DETECTORS]
    heads = [used_if(HEADS.get(switch).settings, Switch(f"MODEL.{switch}")) for switch in HEADS]
    return merge_schemas(switches, *necks, *heads, *detectors, settings.COUNTS)


def head_switches(cfg: VisionConfig) -> list[str]:
    """Return the switches that are on, in the order of the table."""
    # a config that was made before a user's head was registered has no switch for it
    return [switch for switch in HEADS if switch in cfg.MODEL and cfg.MODEL[switch]]


def cannot_look_through_windows(cfg: VisionConfig) -> str:
    """Return a switch that is on and keeps a model from looking through windows; empty: it looks through them."""
    switches = head_switches(cfg)
    # objects are joined one by one, pixels are blended: a model does one of both
    family = [switch for switch in switches if switch == "HAS_BOX" or HEADS.get(switch).needs] or switches[:1]
    return next((switch for switch in switches if not HEADS.get(switch).windows or switch not in family), "")


def given_switches(cfg: VisionConfig) -> list[str]:
    """Return the switches that are on of what the detector gives with its boxes, without a head of its own."""
    given = DETECTORS.get(cfg.MODEL.BOX.DETECTOR).gives if cfg.MODEL.HAS_BOX else ()
    return [switch for switch in head_switches(cfg) if switch in given]


def given_outputs(cfg: VisionConfig) -> tuple[str, ...]:
    """Return the names of the tensors that an exported detector gives for them, behind boxes, scores and labels."""
    return tuple(HEADS.get(switch).output for switch in given_switches(cfg))


def head_name(switch: str) -> str:
    """Return the name of a head in a model, e.g. ``"box"`` for ``"HAS_BOX"``."""
    return switch.removeprefix("HAS_").lower()


def target_kinds(cfg: VisionConfig) -> tuple[str, ...]:
    """Return the kinds of targets that the heads learn from."""
    return tuple(kind for switch in head_switches(cfg) for kind in HEADS.get(switch).targets)


def build_heads(cfg: VisionConfig, info: Any) -> dict[str, Any]:
    """Return the heads that are on by name, modules; what the detector gives with its boxes needs none.

    Args:
        cfg: the config.
        info: the feature maps of the network, a :class:`~pet.models.features.FeatureInfo`.
    """
    own = [switch for switch in head_switches(cfg) if switch not in given_switches(cfg)]
    return {head_name(switch): import_component(HEADS.get(switch).build)(cfg, info) for switch in own}


def add_parts_of_heads(cfg: VisionConfig, heads: Any) -> None:
    """Put into the heads, modules by name, what only a training needs."""
    for switch in head_switches(cfg):
        if HEADS.get(switch).add_training_parts:
            import_component(HEADS.get(switch).add_training_parts)(cfg, heads[head_name(switch)])


def training_only(cfg: VisionConfig) -> tuple[str, ...]:
    """Return the beginnings of the names of weights of the heads' training parts in a model."""
    return tuple(f"heads.{head_name(switch)}.{part}." for switch in head_switches(cfg) for part in HEADS.get(switch).training_parts)


def build_evaluators(cfg: VisionConfig, dataset: Any, *, keep_predictions: bool) -> Sequence[Any]:
    """Return an :class:`~pet.evaluation.evaluator.Evaluator` of the test data for each head that is on and measured."""
    builders = [import_component(HEADS.get(switch).build_evaluator) for switch in head_switches(cfg)]
    evaluators = [build(cfg, dataset, keep_predictions=keep_predictions) for build in builders]
    return [evaluator for evaluator in evaluators if evaluator is not None]
