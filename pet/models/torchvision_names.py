"""The weights of torchvision's detectors in our models: names, and the classes of COCO."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from pet.models.registries import DETECTORS
from petlib.registry import import_component

COCO_UNUSED_IDS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
COCO_CATEGORY_IDS = tuple(category for category in range(1, 91) if category not in COCO_UNUSED_IDS)
"""The 80 categories that COCO's instance annotations use, of the 90 that were defined (https://cocodataset.org)."""

TORCHVISION_COCO_OUTPUTS = 91
"""Background and 90 categories, by their ids."""

_OLD_NAMES = (
    (r"(backbone\.fpn\.(?:inner|layer)_blocks\.\d+)\.(weight|bias)", r"\1.0.\2"),
    (r"(rpn\.head\.conv)\.(weight|bias)", r"\1.0.0.\2"),
)
"""Published files are older than torchvision's present names, which it fixes while loading."""

_PLACES = (
    ("backbone.body.", "backbone."),
    ("backbone.fpn.", "neck."),
    ("roi_heads.mask_head.", "heads.mask.head."),
    ("roi_heads.mask_predictor.", "heads.mask.predictor."),
    ("roi_heads.keypoint_head.", "heads.keypoints.head."),
    ("roi_heads.keypoint_predictor.", "heads.keypoints.predictor."),
    ("rpn.", "heads.box.rpn."),
    ("roi_heads.", "heads.box.roi_heads."),
    ("head.", "heads.box.head."),
)


def retinanet_key(name: str) -> str:
    """Return the name that a weight of torchvision's published RetinaNet has in its model of today, whose towers are nested deeper."""
    tower = r"^(head\.(?:classification|regression)_head\.conv)\.(\d+)\.(weight|bias)$"
    return re.sub(tower, lambda found: f"{found[1]}.{int(found[2]) // 2}.0.{found[3]}", name)


def torchvision_key(name: str, detector: str) -> str:
    """Return the name in our models of a weight of torchvision's detectors; a name that belongs to none of them as it is.

    Args:
        name: in a state dict of torchvision, as published or as its models have it today.
        detector: ``MODEL.BOX.DETECTOR``, of which some have other names in published files; empty: none.
    """
    for pattern, replacement in _OLD_NAMES:
        name = re.sub(rf"^{pattern}$", replacement, name)
    name = re.sub(r"^roi_heads\.mask_head\.mask_fcn(\d+)\.", lambda found: f"roi_heads.mask_head.{int(found[1]) - 1}.0.", name)
    published_key = DETECTORS.get(detector).published_key if detector else ""
    if published_key:
        name = import_component(published_key)(name)
    for theirs, ours in _PLACES:
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return name


def select_coco_classes(state: Mapping[str, Tensor], *, num_classes: int) -> dict[str, Tensor]:
    """Return weights of torchvision's COCO detectors with the outputs of the 80 categories alone.

    Args:
        state: names, torchvision's or ours, and tensors.
        num_classes: of the model; unless it is 80, all stays as it is.
    """
    if num_classes != len(COCO_CATEGORY_IDS):
        return dict(state)
    return {name: _select(name, value) for name, value in state.items()}


def _select(name: str, value: Tensor) -> Tensor:
    layer = name.rpartition(".")[0]
    categories = torch.tensor(COCO_CATEGORY_IDS)
    with_background = torch.cat([torch.zeros(1, dtype=torch.int64), categories])
    if layer.endswith(("box_predictor.cls_score", "mask_predictor.mask_fcn_logits", "mask.predictor.mask_fcn_logits")):
        return _rows(value, with_background, repeats=1)
    if layer.endswith("box_predictor.bbox_pred"):
        return _rows(value, with_background, repeats=4)
    if layer.endswith("classification_head.cls_logits"):
        anchors = len(value) // TORCHVISION_COCO_OUTPUTS
        return value if len(value) % TORCHVISION_COCO_OUTPUTS else value.reshape(anchors, -1, *value.shape[1:])[:, categories].flatten(0, 1)
    return value


def _rows(value: Tensor, classes: Tensor, *, repeats: int) -> Tensor:
    """Return the outputs of some classes, where each has ``repeats`` outputs next to each other."""
    if len(value) != TORCHVISION_COCO_OUTPUTS * repeats:
        return value
    return value.reshape(TORCHVISION_COCO_OUTPUTS, repeats, *value.shape[1:])[classes].flatten(0, 1)
