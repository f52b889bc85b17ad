"""RF-DETR with masks: its loss is that of the library, the same however a batch is divided; its masks are those of the library."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pet.losses import set_masks
from pet.models import load_pretrained
from pet.models.detr.networks import build_network
from pet.models.detr.rfdetr import RfDetrHead
from pet.models.detr.sizes import RFDETR_SIZES
from pet.structures.paste import paste_masks
from pet.vision import TASK, GeneralizedCNN
from pet.vision.export import PlainNetwork, TracedNetwork
from petlib.engine.step import TARGET_COUNTS
from petlib.errors import ConfigError
from tests.pet.models.detr.conftest import BATCH, TINY_RFDETR, make_cfg, make_model, part_of

# 4 images with 3 x 12 queries and masks of 24 x 24: as many points for matching as the library takes, which counts queries there
TINY = {**TINY_RFDETR, "num_queries": 12}
MASKS = {"MODEL.HAS_MASK": True, "MODEL.BOX.RFDETR.ARGS": TINY, "TEST.DETECTIONS_PER_IMAGE": 8}


def masks_of(boxes: Tensor) -> Tensor:
    """Return ellipses inside of boxes, uint8 (N, 64, 96)."""
    y, x = torch.arange(64.0)[:, None] + 0.5, torch.arange(96.0)[None] + 0.5
    left, top, right, bottom = (side[:, None, None] for side in boxes.unbind(1))
    inside = ((x - (left + right) / 2) / (right - left)) ** 2 + ((y - (top + bottom) / 2) / (bottom - top)) ** 2 < 0.25
    return inside.to(torch.uint8)


WITH_MASKS: dict[str, Any] = {**BATCH, "masks": [masks_of(boxes) for boxes in BATCH["boxes"]]}


@pytest.fixture(scope="module")
def model() -> GeneralizedCNN:
    return make_model("rfdetr", **MASKS)


@pytest.fixture
def same_points(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Tensor]:
    """Let the library and Pet draw the same points for all masks."""
    drawn = torch.rand(5000, 2, generator=torch.Generator().manual_seed(5))

    def rand(*shape: int, device: Any = None) -> Tensor:
        return drawn[: shape[-2]].expand(*shape).contiguous()

    def draw_points(batch: dict[str, Any], images: Tensor, count: int, *, purpose: str) -> Tensor:
        return drawn[:count].expand(len(images), -1, -1)

    monkeypatch.setattr(torch, "rand", rand)
    monkeypatch.setattr("pet.models.detr.rfdetr.draw_points", draw_points)
    return lambda count: drawn[:count]


@pytest.mark.usefixtures("same_points")
def test_its_loss_is_that_of_the_library(model: GeneralizedCNN) -> None:
    losses = model.train()(WITH_MASKS)["losses"]
    assert set(losses) == {"loss_score", "loss_box", "loss_overlap", "loss_mask", "loss_dice"}
    head = cast("RfDetrHead", model.heads["box"])
    images = head.fit(BATCH["image"])
    targets = []
    for boxes, labels, masks in zip(WITH_MASKS["boxes"], WITH_MASKS["labels"], WITH_MASKS["masks"], strict=True):
        padded = functional.pad(masks, (0, 0, 0, 32))
        centres = torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], dim=1) / 96
        targets.append({"class_labels": labels, "boxes": centres, "masks": padded})
    theirs: Any = cast("Any", head.network)(images, labels=targets)
    assert theirs.loss.item() == pytest.approx(sum(value.item() for value in losses.values()), rel=1e-5)


def test_every_weight_learns(model: GeneralizedCNN) -> None:
    for batch in (WITH_MASKS, part_of(WITH_MASKS, 1, 2)):
        model.zero_grad()
        torch.stack([*model.train()(batch)["losses"].values()]).sum().backward()
        assert not [name for name, one in model.named_parameters() if one.grad is None or not one.grad.isfinite().all()]


@pytest.mark.usefixtures("same_points")
def test_the_parts_of_a_step_have_the_losses_of_the_whole_batch(model: GeneralizedCNN) -> None:
    count = model.count_targets
    assert count is not None
    parts = [part_of(WITH_MASKS, 0, 2), part_of(WITH_MASKS, 2, 4)]
    with torch.no_grad():
        whole = model.train()(WITH_MASKS)["losses"]
        counts = torch.stack([count(part) for part in parts])
        divided = [model({**part, TARGET_COUNTS: counts})["losses"] for part in parts]
    for name, value in whole.items():
        torch.testing.assert_close(torch.stack([part[name] for part in divided]).mean(), value, rtol=1e-6, atol=1e-6)


def test_points_follow_from_the_place_of_a_sample_in_the_training() -> None:
    metas = [{"draw": (3, place)} for place in range(4)]
    whole = set_masks.draw_points({"meta": metas}, torch.zeros(4, 3, 8, 8), 5, purpose="a")
    part = set_masks.draw_points({"meta": metas[2:]}, torch.zeros(2, 3, 8, 8), 5, purpose="a")
    assert torch.equal(whole[2:], part)
    assert not torch.equal(whole[0], whole[1])
    assert not torch.equal(part, set_masks.draw_points({"meta": metas[2:]}, torch.zeros(2, 3, 8, 8), 5, purpose="b"))


def test_objects_without_an_outline_teach_boxes_alone(model: GeneralizedCNN) -> None:
    unknown = {**WITH_MASKS, "masks": [torch.full_like(masks, 255) for masks in WITH_MASKS["masks"]]}
    losses = model.train()(unknown)["losses"]
    assert (losses["loss_mask"], losses["loss_dice"]) == (0, 0)
    assert losses["loss_box"] > 0


@torch.no_grad()
def test_masks_lie_over_their_boxes_as_the_library_gives_them(model: GeneralizedCNN) -> None:
    found = model.eval()({"image": BATCH["image"]})
    head = cast("RfDetrHead", model.heads["box"])
    theirs: Any = cast("Any", head.network)(head.fit(BATCH["image"]))
    for image, logits, masks in zip(found, theirs.logits, theirs.pred_masks, strict=True):
        assert image["masks"].shape == (len(image["boxes"]), 56, 56)
        queries = [
            int((logits.sigmoid()[:, label] - score).abs().argmin()) for score, label in zip(image["scores"], image["labels"], strict=True)
        ]
        whole = functional.interpolate(masks[queries][None], size=(96, 96), mode="bilinear")[0].sigmoid() > 0.5
        for mask, box, pixels in zip(image["masks"], image["boxes"], whole, strict=True):
            left, top, right, bottom = (int(side) for side in (*box[:2].ceil(), *box[2:].floor()))
            pasted = paste_masks(mask[None], box[None], (64, 96))[0]
            inner = pixels[top:bottom, left:right]
            assert (pasted[top:bottom, left:right].bool() == inner).float().mean() > 0.95


def test_what_is_traced_finds_what_the_model_finds(model: GeneralizedCNN) -> None:
    images = BATCH["image"][:1]
    plain, traced = PlainNetwork(model.eval()), TracedNetwork(model.eval())
    assert plain.output_names == ["boxes", "scores", "labels", "masks"]
    with torch.inference_mode():
        expected, found = plain(images), traced(images)
    assert len(expected[0]) > 0
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_folder_of_the_library_gives_the_same_network(tmp_path: Path) -> None:
    torch.manual_seed(1)
    theirs = build_network("rf_detr", "ForInstanceSegmentation", RFDETR_SIZES["seg_nano"], TINY, {"num_labels": 3}).eval()
    theirs.save_pretrained(tmp_path / "theirs")
    cfg = make_cfg("rfdetr", **MASKS, **{"TRAIN.WEIGHTS": str(tmp_path / "theirs"), "MISC.CKPT": str(tmp_path / "run")})
    ours = GeneralizedCNN(cfg)
    load_pretrained(ours, cfg)
    own = cast("Any", ours.eval().heads["box"]).network.state_dict()
    assert all(torch.equal(own[name], value) for name, value in theirs.state_dict().items())


def test_several_views_of_an_image_are_refused(model: GeneralizedCNN) -> None:
    with pytest.raises(ConfigError, match=r"TEST.VIEWS: the masks of rfdetr cannot be averaged over several views"):
        TASK.build_test_model(make_cfg("rfdetr", **MASKS, **{"TEST.VIEWS.FLIP": True}), model)
