"""torchvision's detectors in our parts: names, outputs, and the classes of COCO."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torchvision.models import detection

from pet.models.torchvision_names import COCO_CATEGORY_IDS, select_coco_classes, torchvision_key
from pet.vision import GeneralizedCNN
from pet.vision.config import get_base_cfg

SIZES = [(96, 128), (96, 112)]
DETECTORS: dict[str, tuple[Callable[..., nn.Module], dict[str, Any], int]] = {
    "faster_rcnn": (detection.fasterrcnn_resnet50_fpn, {"box_score_thresh": 0.02}, 6),
    "retinanet": (detection.retinanet_resnet50_fpn, {"score_thresh": 0.005, "detections_per_img": 100}, 5),
    "fcos": (detection.fcos_resnet50_fpn, {"score_thresh": 0.02}, 5),
}


def make_reference(detector: str) -> nn.Module:
    torch.manual_seed(0)
    build, settings, classes = DETECTORS[detector]
    reference = build(weights=None, weights_backbone=None, num_classes=classes, min_size=96, max_size=128, **settings)
    for module in reference.modules():  # scores that differ
        if isinstance(module, nn.Conv2d | nn.Linear) and module.weight.std() < 0.02:
            nn.init.normal_(module.weight, std=0.03)
    for module in reference.backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        reference.backbone.train()(torch.randn(2, 3, 96, 128))
    return reference.eval()


def make_model(**values: Any) -> GeneralizedCNN:
    cfg = get_base_cfg()
    fixed = {"MODEL.BACKBONE": "torchvision/resnet50", "MODEL.HAS_BOX": True, "MODEL.NECK": "fpn", "MODEL.NUM_CLASSES": 5}
    for name, value in (fixed | {name.replace("__", "."): value for name, value in values.items()}).items():
        cfg.set(name, value)
    return GeneralizedCNN(cfg).eval()


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_torchvision_state_gives_its_outputs(detector: str) -> None:
    reference = make_reference(detector)
    settings = DETECTORS[detector][1]
    ours = make_model(
        MODEL__BOX__DETECTOR=detector,
        TEST__SCORE_THRESHOLD=settings.get("score_thresh", settings.get("box_score_thresh")),
        TEST__NMS=0.6 if detector == "fcos" else 0.5,
    )
    ours.load_state_dict({torchvision_key(name, detector): value for name, value in reference.state_dict().items()}, strict=True)
    images = [torch.rand(3, *size) for size in SIZES]
    padded = torch.zeros(2, 3, 96, 128)
    mean, std = torch.tensor(reference.transform.image_mean)[:, None, None], torch.tensor(reference.transform.image_std)[:, None, None]
    for place, image in enumerate(images):
        padded[place, :, : image.shape[1], : image.shape[2]] = (image - mean) / std
    first_label = 1 if detector == "faster_rcnn" else 0
    with torch.no_grad():
        for found, expected in zip(ours({"image": padded, "image_sizes": SIZES}), reference(images), strict=True):
            assert len(expected["boxes"]) > 10
            assert len(expected["labels"].unique()) > 1
            torch.testing.assert_close(found["boxes"], expected["boxes"], rtol=0, atol=1e-4)
            torch.testing.assert_close(found["scores"], expected["scores"], rtol=0, atol=1e-4)
            assert torch.equal(found["labels"] + first_label, expected["labels"])


@pytest.mark.parametrize(
    ("build", "switch", "classes"),
    [(detection.maskrcnn_resnet50_fpn, "MODEL__HAS_MASK", 5), (detection.keypointrcnn_resnet50_fpn, "MODEL__HAS_KEYPOINTS", 1)],
)
def test_heads_in_regions_take_every_weight(build: Callable[..., nn.Module], switch: str, classes: int) -> None:
    with torch.device("meta"):
        state = build(weights=None, weights_backbone=None, num_classes=classes + 1).state_dict()
        own = make_model(MODEL__NUM_CLASSES=classes, **{switch: True}).state_dict()
    theirs = {torchvision_key(name, "faster_rcnn"): value.shape for name, value in state.items()}
    assert theirs == {name: value.shape for name, value in own.items()}


@pytest.mark.parametrize(
    ("name", "detector", "expected"),
    [
        ("backbone.body.layer1.0.bn1.weight", "faster_rcnn", "backbone.layer1.0.bn1.weight"),
        ("backbone.fpn.inner_blocks.2.weight", "faster_rcnn", "neck.inner_blocks.2.0.weight"),
        ("backbone.fpn.layer_blocks.0.0.bias", "faster_rcnn", "neck.layer_blocks.0.0.bias"),
        ("backbone.fpn.extra_blocks.p6.weight", "retinanet", "neck.extra_blocks.p6.weight"),
        ("rpn.head.conv.weight", "faster_rcnn", "heads.box.rpn.head.conv.0.0.weight"),
        ("rpn.head.cls_logits.bias", "faster_rcnn", "heads.box.rpn.head.cls_logits.bias"),
        ("roi_heads.box_head.fc6.weight", "faster_rcnn", "heads.box.roi_heads.box_head.fc6.weight"),
        ("roi_heads.mask_head.mask_fcn3.weight", "faster_rcnn", "heads.mask.head.2.0.weight"),
        ("roi_heads.mask_head.2.0.weight", "faster_rcnn", "heads.mask.head.2.0.weight"),
        ("roi_heads.mask_predictor.conv5_mask.weight", "faster_rcnn", "heads.mask.predictor.conv5_mask.weight"),
        ("roi_heads.keypoint_head.14.bias", "faster_rcnn", "heads.keypoints.head.14.bias"),
        (
            "roi_heads.keypoint_predictor.kps_score_lowres.weight",
            "faster_rcnn",
            "heads.keypoints.predictor.kps_score_lowres.weight",
        ),
        ("head.classification_head.conv.6.weight", "retinanet", "heads.box.head.classification_head.conv.3.0.weight"),
        ("head.classification_head.conv.3.0.weight", "retinanet", "heads.box.head.classification_head.conv.3.0.weight"),
        ("head.regression_head.conv.6.weight", "fcos", "heads.box.head.regression_head.conv.6.weight"),
        ("layer1.0.conv1.weight", "faster_rcnn", "layer1.0.conv1.weight"),
    ],
)
def test_names_of_published_files_and_of_today(name: str, detector: str, expected: str) -> None:
    assert torchvision_key(name, detector) == expected


def test_the_categories_are_those_that_torchvision_names() -> None:
    named = detection.FasterRCNN_ResNet50_FPN_Weights.DEFAULT.meta["categories"]
    assert [place for place, name in enumerate(named) if name not in ("N/A", "__background__")] == list(COCO_CATEGORY_IDS)


def test_rows_of_the_categories_are_taken() -> None:
    rows = torch.arange(91.0)
    state = {
        "heads.box.roi_heads.box_predictor.cls_score.bias": rows,
        "roi_heads.box_predictor.bbox_pred.weight": rows.repeat_interleave(4)[:, None].repeat(1, 3),
        "heads.box.head.classification_head.cls_logits.weight": rows.repeat(9)[:, None, None, None],
        "heads.mask.predictor.mask_fcn_logits.bias": rows,
        "heads.box.rpn.head.cls_logits.bias": torch.zeros(3),
        "heads.box.rpn.head.bbox_pred.bias": torch.zeros(12),
    }
    score, box, anchors, mask, rpn_score, rpn_box = select_coco_classes(state, num_classes=80).values()
    with_background = [0.0, *map(float, COCO_CATEGORY_IDS)]
    assert score.tolist() == mask.tolist() == with_background
    assert box.shape == (324, 3)
    assert box.reshape(81, 4, 3)[:, 3, 2].tolist() == with_background
    assert anchors.shape == (720, 1, 1, 1)
    assert anchors.reshape(9, 80)[8].tolist() == with_background[1:]
    assert (len(rpn_score), len(rpn_box)) == (3, 12)


def test_other_numbers_of_classes_stay() -> None:
    state = {"box_predictor.cls_score.bias": torch.arange(91.0)}
    assert len(select_coco_classes(state, num_classes=20)["box_predictor.cls_score.bias"]) == 91
    own = {"box_predictor.cls_score.bias": torch.arange(81.0)}
    assert len(select_coco_classes(own, num_classes=80)["box_predictor.cls_score.bias"]) == 81
