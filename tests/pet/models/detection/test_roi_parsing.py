"""Part maps of regions: targets against a slow loop, losses against formulas, learning and re-scoring."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pet.losses.parsing import crop_part_labels, part_iou_loss, part_map_iou, part_map_loss
from pet.models.detection.roi_parsing import ParsingHead, build_parsing_head, part_targets
from pet.models.features import FeatureInfo, Features, Regions
from pet.vision import config
from petlib.errors import ConfigError

PARTS = 4


def features_of() -> Features:
    maps = {"0": torch.randn(2, 8, 16, 24, generator=torch.Generator().manual_seed(1))}
    return Features(torch.zeros(2, 3, 64, 96), [(64, 96), (60, 80)], [], maps)


def tiny_head(**changes: Any) -> ParsingHead:
    torch.manual_seed(0)
    arguments = {
        "stride": 4,
        "in_channels": 8,
        "channels": [16, 16],
        "num_parts": PARTS,
        "pool": 8,
        "context": True,
        "rescore": True,
        "loss_weight": 1.0,
        "rescore_loss_weight": 1.0,
    }
    return ParsingHead(**{**arguments, **changes})


def batch_of(ids: tuple[int, ...] = (300, 7)) -> dict[str, Any]:
    """Two objects: 300 with its head (1) above its body (2), and 7 of part 3; a strip that is ignored; an image without objects."""
    parsing = torch.zeros(64, 96, dtype=torch.uint8)
    instances = np.zeros((64, 96), dtype=np.uint16)
    parsing[10:20, 10:25], parsing[20:32, 10:25], parsing[20:60, 30:50] = 1, 2, 3
    parsing[20:60, 46:48] = 255
    instances[10:32, 10:25], instances[20:60, 30:50] = 300, 7
    owner = torch.from_numpy(instances)
    none = torch.zeros(0, dtype=torch.int64)
    return {"parsing": [parsing, parsing * 0], "instances": [owner, owner], "instance_ids": [torch.tensor(ids), none]}


def regions_of(labels: tuple[int, ...] = (0, 0, -1), matched: tuple[int, ...] = (0, 1, 0)) -> Regions:
    boxes = torch.tensor([[8.0, 8.0, 28.0, 34.0], [28.0, 18.0, 55.0, 62.0], [50.0, 5.0, 90.0, 40.0]])
    return Regions([boxes, boxes[:1]], [torch.tensor(labels), torch.tensor([-1])], [torch.tensor(matched), torch.tensor([0])])


def detections(count: int = 1) -> Regions:
    boxes = torch.tensor([[8.0, 8.0, 28.0, 34.0]]).expand(count, 4)
    return Regions([boxes] * 2, [torch.zeros(count, dtype=torch.int64)] * 2, scores=[torch.full((count,), 0.8)] * 2)


def slow_crop(parsing: Tensor, instances: Tensor, box: list[float], number: int, size: int) -> Tensor:
    target = torch.zeros(size, size, dtype=torch.int64)
    for row in range(size):
        for column in range(size):
            y = math.floor(box[1] + (row + 0.5) * (box[3] - box[1]) / size)
            x = math.floor(box[0] + (column + 0.5) * (box[2] - box[0]) / size)
            part, owner = int(parsing[y, x]), int(instances[y, x])
            if part == 255 or number == 0:
                target[row, column] = 255
            elif owner == number:
                target[row, column] = part
    return target


def test_targets_are_those_of_a_loop_over_pixels() -> None:
    generator = torch.Generator().manual_seed(2)
    parsing = torch.randint(0, 6, (23, 31), generator=generator).to(torch.uint8)
    parsing[parsing == 5] = 255
    instances = torch.randint(0, 3, (23, 31), generator=generator).to(torch.uint16)
    corners = torch.rand(12, 2, 2, generator=generator).sort(dim=1).values * torch.tensor([31.0, 23.0])
    # 31 / 8 and the like are exact, so that rounding cannot choose another pixel
    boxes = torch.cat([(corners.flatten(1) * 8).round() / 8, torch.tensor([[0.0, 0.0, 31.0, 23.0]])])
    ids = torch.arange(13) % 3
    targets = crop_part_labels(parsing, instances, boxes=boxes, instance_ids=ids, size=16)
    slow = [slow_crop(parsing, instances, box, number, 16) for box, number in zip(boxes.tolist(), ids.tolist(), strict=True)]
    assert targets.dtype == torch.int64
    assert torch.equal(targets, torch.stack(slow))


def test_a_region_of_whole_pixels_gives_the_image_itself() -> None:
    parsing = torch.arange(16, dtype=torch.uint8).reshape(4, 4)
    target = crop_part_labels(
        parsing, torch.full((4, 4), 5), boxes=torch.tensor([[1.0, 0.0, 4.0, 3.0]]), instance_ids=torch.tensor([5]), size=3
    )
    assert torch.equal(target[0], parsing[:3, 1:].long())


def test_what_lies_outside_of_the_image_repeats_its_edge() -> None:
    parsing = torch.tensor([[1, 2], [3, 4]], dtype=torch.uint8)
    target = crop_part_labels(
        parsing, torch.ones(2, 2, dtype=torch.uint16), boxes=torch.tensor([[-1.0, 0.0, 3.0, 2.0]]), instance_ids=torch.tensor([1]), size=4
    )
    assert target[0, 0].tolist() == [1, 1, 2, 2]


def test_targets_hold_the_own_object_only() -> None:
    boxes = [torch.tensor([[0.0, 0.0, 96.0, 64.0]]).repeat(2, 1), torch.zeros(0, 4)]
    target = part_targets(batch_of(), boxes, [torch.tensor([0, 1]), torch.zeros(0, dtype=torch.int64)], size=96)
    assert [labels.unique().tolist() for labels in target] == [[0, 1, 2, 255], [0, 3, 255]]


def test_loss_is_the_cross_entropy_of_pixels_that_count() -> None:
    generator = torch.Generator().manual_seed(3)
    logits, target = torch.randn(2, PARTS, 5, 5, generator=generator), torch.randint(0, PARTS, (2, 5, 5), generator=generator)
    target[0, :2] = 255
    torch.testing.assert_close(part_map_loss(logits, target), functional.cross_entropy(logits, target, ignore_index=255))


def test_quality_is_the_mean_intersection_over_union() -> None:
    target = torch.tensor([[[0, 0, 1, 1], [0, 2, 1, 255]], [[255, 255, 255, 255]] * 2])
    predicted = torch.tensor([[[0, 1, 1, 1], [0, 0, 3, 2]], [[0, 1, 2, 3]] * 2])
    # 0: 2 of 4; 1: 2 of 4; 2: 0 of 1; 3: 0 of 1; the ignored pixel is left out
    torch.testing.assert_close(part_map_iou(predicted, target, num_parts=5), torch.tensor([0.25, 0.0]))
    torch.testing.assert_close(part_map_iou(target[:1].clamp(max=2), target[:1], num_parts=5), torch.tensor([1.0]))


def test_loss_of_the_estimate_is_a_mean_square_and_leaves_the_map_alone() -> None:
    target = torch.tensor([[[0, 1]], [[1, 1]], [[255, 255]]])
    logits = functional.one_hot(torch.tensor([[[0, 1]], [[0, 1]], [[0, 1]]]), 2).permute(0, 3, 1, 2).float().requires_grad_()
    estimate = torch.tensor([0.5, 0.5, 9.0], requires_grad=True)
    loss = part_iou_loss(estimate, logits, target)
    loss.backward()
    torch.testing.assert_close(loss.detach(), torch.tensor((0.5**2 + 0.25**2) / 2))
    assert logits.grad is None
    assert estimate.grad is not None
    assert estimate.grad[2] == 0


@pytest.mark.parametrize(
    ("labels", "ids"),
    [((-1, -1, -1), (300, 7)), ((0, 0, -1), (0, 0))],
    ids=["background", "objects without parts"],
)
def test_loss_without_parts_is_zero_and_reaches_all_parameters(labels: tuple[int, ...], ids: tuple[int, ...]) -> None:
    head = tiny_head()
    losses = head(features_of(), batch_of(ids), regions_of(labels)).losses
    assert set(losses) == {"loss_parsing", "loss_parsing_iou"}
    assert [loss.item() for loss in losses.values()] == [0, 0]
    sum(losses.values()).backward()
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in head.parameters())


def test_background_and_objects_without_parts_do_not_count() -> None:
    head = tiny_head()
    alone = head(features_of(), batch_of(), regions_of((0, -1, -1))).losses
    with_other = head(features_of(), batch_of((300, 0)), regions_of((0, 0, -1))).losses
    assert alone["loss_parsing"] > 0
    for name, loss in alone.items():
        torch.testing.assert_close(loss, with_other[name])


def test_losses_are_weighted() -> None:
    plain, weighted = (
        tiny_head(loss_weight=weight, rescore_loss_weight=2 * weight)(features_of(), batch_of(), regions_of()).losses for weight in (1, 2)
    )
    torch.testing.assert_close(2 * plain["loss_parsing"], weighted["loss_parsing"])
    torch.testing.assert_close(2 * plain["loss_parsing_iou"], weighted["loss_parsing_iou"])


@pytest.mark.parametrize("context", [True, False])
def test_parts_and_their_quality_are_learnt(context: bool) -> None:
    head, features, batch, regions = tiny_head(context=context), features_of(), batch_of(), regions_of()
    optimizer = torch.optim.Adam(head.parameters(), lr=0.005)
    for _ in range(80):
        losses = head(features, batch, regions).losses
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    assert losses["loss_parsing"].item() < 0.1
    assert losses["loss_parsing_iou"].item() < 0.02
    output = head.eval()(features, {}, detections()).predictions[0]
    target = part_targets(batch, [regions.boxes[0][:1], torch.zeros(0, 4)], [torch.tensor([0]), torch.zeros(0, dtype=torch.int64)], size=32)
    quality = part_map_iou(output["parsing"].argmax(dim=1), target, num_parts=PARTS)
    assert quality.item() > 0.9
    torch.testing.assert_close(output["parsing_scores"] / 0.8, quality, atol=0.15, rtol=0)


def test_predictions_are_probabilities_and_scores() -> None:
    output = tiny_head().eval()(features_of(), {}, detections(3)).predictions[1]
    assert output["parsing"].shape == (3, PARTS, 32, 32)
    torch.testing.assert_close(output["parsing"].sum(dim=1), torch.ones(3, 32, 32))
    assert output["parsing_scores"].shape == (3,)
    assert ((output["parsing_scores"] >= 0) & (output["parsing_scores"] <= 0.8)).all()


def test_scores_are_times_the_clipped_estimate() -> None:
    head = tiny_head().eval()
    regions = detections()
    raw = head.predict(features_of(), regions.boxes, regions.labels)
    assert head.quality is not None
    for bias, expected in [(0.5, 0.4), (9.0, 0.8), (-9.0, 0.0)]:
        estimate = head.get_submodule("quality.estimate")
        torch.nn.init.zeros_(estimate.weight)
        torch.nn.init.constant_(estimate.bias, bias)
        torch.testing.assert_close(head.decode(raw, regions)[0]["parsing_scores"], torch.tensor([expected]))


def test_scores_are_those_of_the_boxes_without_rescoring() -> None:
    head = tiny_head(rescore=False)
    assert set(head(features_of(), batch_of(), regions_of()).losses) == {"loss_parsing"}
    assert head.eval()(features_of(), {}, detections()).predictions[0]["parsing_scores"].tolist() == pytest.approx([0.8])


def test_no_detections_give_no_maps() -> None:
    output = tiny_head().eval()(features_of(), {}, detections(0))
    assert [prediction["parsing"].shape for prediction in output.predictions] == [(0, PARTS, 32, 32)] * 2
    assert [prediction["parsing_scores"].shape for prediction in output.predictions] == [(0,)] * 2


def test_evaluation_decodes_what_predict_gives() -> None:
    head, regions = tiny_head().eval(), detections(2)
    raw = head.predict(features_of(), regions.boxes, regions.labels)
    for once, twice in zip(head.decode(raw, regions), head(features_of(), {}, regions).predictions, strict=True):
        assert torch.equal(once["parsing"], twice["parsing"])
        assert torch.equal(once["parsing_scores"], twice["parsing_scores"])


def test_built_from_a_config() -> None:
    cfg = config.get_base_cfg()
    values = {"NUM_PARTS": 7, "CHANNELS": [12], "POOL": 5, "CONTEXT": False, "RESCORE": False}
    for name, value in values.items():
        cfg.set(f"MODEL.PARSING.{name}", value)
    head = build_parsing_head(cfg, FeatureInfo((8, 16, 32, 64), (4, 8, 16, 32), 8, (4, 8, 16, 32, 64))).eval()
    regions = detections()
    assert head.predict(features_of(), regions.boxes, regions.labels)[1].shape == (1, 7, 20, 20)
    assert (head.context, head.quality) == (None, None)


def test_a_model_without_neck_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"MODEL\.HAS_PARSING: True needs the maps of a neck"):
        build_parsing_head(config.get_base_cfg(), FeatureInfo((8, 16), (4, 8), 0, ()))
