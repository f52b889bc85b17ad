"""A recipe for each task that labels can ask for: the network, the sizes and the rates of a first training."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from pet.autoconfig.facts import DataFacts
from pet.autoconfig.formats.found import Entry
from pet.autoconfig.pretrained import choose_weights
from pet.autoconfig.set_detectors import BACKBONE_RATE, SizedDetector, sized_detector
from pet.autoconfig.settings import (
    Machine,
    Recipe,
    base_settings,
    batch_size,
    image_edge,
    scaled_rate,
    set_one_size,
    set_transforms,
    training_length,
)
from pet.models.registries import DETECTORS
from pet.models.segmentation.networks import NETWORKS
from pet.models.zoo.table import published_models
from petlib.errors import ConfigError, DataError
from petlib.suggest import did_you_mean

LABEL, PIXELS = frozenset({"label"}), frozenset({"semseg"})
MOST_WITHOUT_OUTLINE = 0.1
"""Share of the objects that may have no outline in data that masks are learned from."""
GPU_BACKBONE, CPU_BACKBONE = "timm/resnet50", "timm/resnet18"
FEW_LABELS_RATE = 1e-3
COLOURS = {"name": "ColorJitter", "brightness": 0.2, "contrast": 0.2, "saturation": 0.2}
FLIP = "RandomHorizontalFlip"
LONGER_EDGE = 1.667
"""The longest edge of an image with objects, as a multiple of the shorter one."""
ANCHOR_QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)
SMALLEST_ANCHOR, ANCHOR_STEP = 8, 1.25


class Task(NamedTuple):
    """What a recipe is made for.

    Attributes:
        name: of the data, in the catalogue.
        data_root: the folder of the data.
        entries: part of the data -> entry of the catalogue.
        facts: of the training data.
        machine: what the training runs on.
        model: name of a detector, a backbone or a network; empty: the recipe chooses.
        epochs: length of the training; None: the recipe chooses.
    """

    name: str
    data_root: str
    entries: Mapping[str, Entry]
    facts: DataFacts
    machine: Machine
    model: str = ""
    epochs: int | None = None

    def base(self, *, batch: int, rate: float, usual_batch: int, iterations: int, weights: str) -> dict[str, Any]:
        """Return the settings that all recipes have in common."""
        return base_settings(
            self.entries,
            self.facts,
            self.machine,
            name=self.name,
            data_root=self.data_root,
            batch=batch,
            rate=scaled_rate(rate, batch, usual_batch),
            epochs=self.epochs or training_length(self.facts, batch, iterations),
            weights=weights,
        )

    @property
    def backbone(self) -> str:
        """The backbone that is asked for, or that suits the machine."""
        if not self.model or self.model in DETECTORS:
            return GPU_BACKBONE if self.machine.gpus else CPU_BACKBONE
        return self.model if "/" in self.model else f"timm/{self.model}"

    @property
    def why_backbone(self) -> str:
        """The reason for the backbone, for people."""
        if self.model and self.model not in DETECTORS:
            return "as asked for"
        return f"for {self.machine.gpus} GPU" if self.machine.gpus else "small, for there is no GPU"


def choose_recipe(task: Task) -> Recipe:
    """Return the recipe that the labels ask for.

    Raises:
        DataError: the data have labels of another kind.
    """
    kinds = task.facts.kinds
    if kinds >= LABEL:
        return classification(task)
    if len(task.facts.object_sizes):
        return detection(task)
    if kinds >= PIXELS:
        pairs = any(entry.get("images2") for entry in task.entries.values())
        return change(task) if pairs else segmentation(task)
    raise DataError(f"{task.data_root}: no object and no class is labelled in the training images; there is nothing to learn")


def classification(task: Task) -> Recipe:
    """Fine-tune a classifier: crops of up to 224 pixels."""
    weights, why, published = choose_weights(task.backbone)
    body = published_models().get(task.backbone) if weights else None
    edge, per_device = 224 if body and body.few_labels else image_edge(task.facts, 224), task.machine.choose(gpu=64, cpu=32)
    batch = batch_size(task.facts, task.machine, per_device)
    settings = task.base(batch=batch, rate=1e-4 if weights else 1e-3, usual_batch=32, iterations=1000, weights=weights)
    settings["MODEL"] = {"BACKBONE": task.backbone, "NUM_CLASSES": len(task.facts.classes), "LABEL_SMOOTHING": 0.1}
    if body and body.few_labels:
        settings["MODEL"] |= body.settings
        settings["FINETUNE"] = {"FREEZE_EPOCHS": -1}
        settings["SOLVER"]["OPTIMIZER"]["BASE_LR"] = FEW_LABELS_RATE
        why = f"{why}; it stays as it is, a last layer learns"
    elif weights:
        settings["FINETUNE"] = {"HEAD_LR_MULT": 10.0}
    crops = {"name": "RandomResizedCrop", "scale": [0.3, 1.0]}
    settings["MISC"]["CHANNELS_LAST"] = True
    set_one_size(settings, task.machine)
    normalize = {"name": "Normalize", **body.normalize} if body and body.normalize else "Normalize"
    whole = [{"name": "Resize", "size": round(edge * 8 / 7)}, "CenterCrop"]
    set_transforms(settings, edge, [crops, FLIP, COLOURS], whole, normalize=normalize)
    reason = f"classification, because every image has one class of {len(task.facts.classes)}"
    return Recipe("tasks/cls", settings, reason, f"{task.backbone}, {task.why_backbone}; {why}", published)


def detection(task: Task) -> Recipe:
    """Find objects with boxes, and with masks or keypoints where the labels have them."""
    facts, machine = task.facts, task.machine
    sized = sized_detector(task.model)
    if sized is not None:
        return set_detection(task, sized)
    weights, why, published = choose_weights(task.backbone)
    detector = task.model if task.model in DETECTORS else "faster_rcnn"
    edge = image_edge(facts, machine.choose(gpu=640, cpu=320))
    per_device = machine.choose(gpu=8, cpu=4)
    batch = batch_size(facts, machine, per_device)
    settings = task.base(batch=batch, rate=3e-4 if weights else 1e-3, usual_batch=8, iterations=1500, weights=weights)
    settings["MODEL"] = {
        "BACKBONE": task.backbone,
        "NUM_CLASSES": len(facts.classes),
        **({"FROZEN_BN": True} if weights else {}),
        "NECK": DETECTORS.get(detector).neck,
        "HAS_BOX": True,
        "BOX": {"DETECTOR": detector},
    }
    if DETECTORS.get(detector).neck == "fpn":
        settings["MODEL"]["FPN"] = {"CHANNELS": machine.choose(gpu=256, cpu=64)}
    if not DETECTORS.get(detector).one_stage:
        settings["MODEL"]["BOX"] |= _regions(facts, machine, edge)
    head, reason = _object_head(task, detector)
    settings["MODEL"] |= head
    settings["SOLVER"]["CLIP_GRADIENTS"] = {"METHOD": "norm", "VALUE": 10.0}
    shortest = {"name": "ResizeShortestEdge", "max_size": round(edge * LONGER_EDGE)}
    set_transforms(settings, edge, [shortest, FLIP, COLOURS], [shortest])
    return Recipe("vision", settings, reason, f"{detector} on {task.backbone}, {task.why_backbone}; {why}", published)


def set_detection(task: Task, detector: SizedDetector) -> Recipe:
    """Fine-tune a detector that gives a set of objects: square images, no anchors, and a moving average of the weights."""
    weights, why, published = detector.choose_weights()
    edge = min(detector.resolution, image_edge(task.facts, task.machine.choose(gpu=detector.resolution, cpu=320)))
    batch = batch_size(task.facts, task.machine, task.machine.choose(gpu=8, cpu=4))
    settings = task.base(batch=batch, rate=1e-4 if weights else 5e-4, usual_batch=8, iterations=1500, weights=weights)
    has_masks = detector.has_masks and task.facts.outlines >= 1 - MOST_WITHOUT_OUTLINE
    settings["MODEL"] = {
        "NUM_CLASSES": len(task.facts.classes),
        "HAS_BOX": True,
        "BOX": detector.settings,
        **({"HAS_MASK": True} if has_masks else {}),
    }
    settings["SOLVER"]["OPTIMIZER"] |= {
        "WEIGHT_DECAY": 1e-4,
        **({"RULES": [{"pattern": r"\.network\.(model\.)*backbone\.", "lr_mult": BACKBONE_RATE}]} if weights else {}),
    }
    settings["SOLVER"] |= {"CLIP_GRADIENTS": {"METHOD": "norm", "VALUE": 0.1}, "EMA": {"ENABLED": True, "DECAY": 0.99}}
    square = {"name": "Resize", "size": [edge, edge]}
    set_transforms(settings, edge, [FLIP, COLOURS, square], [square], normalize=detector.normalize)
    classes = len(task.facts.classes)
    kind, cause = (
        ("instance masks", f"{task.facts.outlines:.0%} of the objects have outlines") if has_masks else ("detection", "objects have boxes")
    )
    reason = f"{kind} of {classes} class{'es' if classes > 1 else ''}, because {cause}"
    return Recipe("vision", settings, reason, f"{detector.name}_{detector.size}, as asked for; {why}", published)


def _regions(facts: DataFacts, machine: Machine, edge: int) -> dict[str, Any]:
    """Return anchors of the sizes that objects have, and on a CPU fewer regions."""
    sizes: list[int] = []
    for size in np.quantile(facts.object_sizes, ANCHOR_QUANTILES) * edge:
        sizes.append(round(max(size, SMALLEST_ANCHOR, sizes[-1] * ANCHOR_STEP if sizes else 0)))
    anchors: dict[str, Any] = {"ANCHOR_SIZES": [[size] for size in sizes]}
    if machine.gpus:
        return anchors
    few = {"PRE_NMS_TRAIN": 500, "PRE_NMS_TEST": 500, "POST_NMS_TRAIN": 500, "POST_NMS_TEST": 200, "BATCH_SIZE": 128}
    return {**anchors, "RPN": few, "ROI": {"BATCH_SIZE": 64, "POSITIVE_FRACTION": 0.5, "HIDDEN": 256}}


def _object_head(task: Task, detector: str) -> tuple[dict[str, Any], str]:
    """Return the settings of the head that looks into the boxes, and what is learned with the reason."""
    facts, small = task.facts, not task.machine.gpus
    boxes = f"{len(facts.classes)} class{'es' if len(facts.classes) > 1 else ''}"
    if not (facts.keypoints or facts.outlines):
        return {}, f"detection of {boxes}, because objects have boxes"
    if DETECTORS.get(detector).one_stage:
        return {}, f"detection of {boxes}: {detector} has no masks and no keypoints, which the labels have"
    if facts.keypoints:
        settings = {
            "NUM_KEYPOINTS": facts.keypoints,
            "LABELS": list(facts.keypoint_labels),
            **({"CHANNELS": [64, 64, 64]} if small else {}),
        }
        return {
            "HAS_KEYPOINTS": True,
            "KEYPOINTS": settings,
        }, f"detection of {boxes} with {facts.keypoints} keypoints, because objects have them"
    if facts.outlines < 1 - MOST_WITHOUT_OUTLINE:
        return {}, f"detection of {boxes}, because only {facts.outlines:.0%} of the objects have outlines"
    mask = {"HAS_MASK": True, **({"MASK": {"CHANNELS": [64, 64]}} if small else {})}
    return mask, f"instance masks of {boxes}, because {facts.outlines:.0%} of the objects have outlines"


def segmentation(task: Task) -> Recipe:
    """Give every pixel a class, with a U-Net's decoder."""
    weights, why, published = choose_weights(task.backbone)
    edge = image_edge(task.facts, task.machine.choose(gpu=512, cpu=256))
    batch = batch_size(task.facts, task.machine, task.machine.choose(gpu=16, cpu=8))
    settings = task.base(batch=batch, rate=3e-4 if weights else 3e-3, usual_batch=8, iterations=1500, weights=weights)
    channels = [256, 128, 64, 32, 16] if task.machine.gpus else [64, 48, 32, 24, 16]
    settings["MODEL"] = {
        "BACKBONE": task.backbone,
        "HAS_SEMSEG": True,
        "NUM_CLASSES": len(task.facts.classes),
        "SEMSEG": {"DECODER": "unet", "DECODER_ARGS": {"decoder_channels": channels}},
    }
    shortest = {"name": "ResizeShortestEdge", "max_size": 4 * edge}
    settings["MISC"]["CHANNELS_LAST"] = True
    set_one_size(settings, task.machine)
    set_transforms(settings, edge, [shortest, {"name": "RandomCrop", "size": edge}, FLIP, COLOURS], [shortest])
    reason = f"semantic segmentation, because every pixel has one of {len(task.facts.classes)} classes"
    return Recipe("vision", settings, reason, f"U-Net on {task.backbone}, {task.why_backbone}; {why}", published)


def change(task: Task) -> Recipe:
    """Find what changed between two dates, with one encoder for both."""
    network = task.model or "siamese_resnet18_unet"
    if network not in NETWORKS:
        names = NETWORKS.names()
        raise ConfigError(f"--model: there is no network {network!r}{did_you_mean(network, names)}; there are {', '.join(names)}")
    edge = image_edge(task.facts, 256)
    batch = batch_size(task.facts, task.machine, task.machine.choose(gpu=16, cpu=8))
    settings = task.base(batch=batch, rate=2e-3, usual_batch=8, iterations=1000, weights="")
    pair = len(task.facts.classes) == 2
    settings["MODEL"] = {"NETWORK": network, "BINARY": pair, "LOSSES": ["dice", "bce"] if pair else ["cross_entropy"]}
    set_one_size(settings, task.machine)
    crop = {"name": "RandomCrop", "size": edge}
    set_transforms(settings, edge, [crop, FLIP, "RandomVerticalFlip", "RandomRotate90", COLOURS], [])
    reason = f"change detection, because samples are pairs of images with {len(task.facts.classes)} classes of pixels"
    return Recipe("projects/changedet", settings, reason, f"{network}, {'as asked for' if task.model else 'the usual one'}; random weights")
