"""Detectors of points: sizes of published networks, pillars by hand, targets that are decoded again, and learning by heart."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pet.data.datasets.kitti import KittiDataset
from pet.data.datasets.streets3d import write_streets3d
from pet.evaluation.boxes3d import SpatialEvaluator
from pet.models.detection3d.anchor_head import IGNORED, NOTHING, Anchor, AnchorHead, decode, direction_of, encode
from pet.models.detection3d.boxes import Candidates, select_boxes
from pet.models.detection3d.center_head import CenterHead
from pet.models.detection3d.pillars import Grid, MapBackbone, PillarEncoder
from pet.structures.boxes3d import Boxes3D
from pet.tasks.tddet.model import PointDetector

KITTI = Grid((0.0, -39.68, -3.0), (69.12, 39.68, 1.0), 0.16)
SMALL = Grid((0.0, -6.4, -3.0), (12.8, 6.4, 1.0), 0.4)
ANCHORS = [
    Anchor((3.9, 1.6, 1.56), -1.78, 0.6, 0.45),
    Anchor((0.8, 0.6, 1.73), -0.6, 0.5, 0.35),
    Anchor((1.76, 0.6, 1.73), -0.6, 0.5, 0.35),
]
BOXES = torch.tensor([[4.0, 1.0, -1.0, 3.9, 1.6, 1.5, 0.3], [9.0, -3.0, -1.0, 3.7, 1.7, 1.6, -2.5]])


def small_detector(kind: str) -> PointDetector:
    torch.manual_seed(0)
    backbone = MapBackbone(in_channels=16, layers=(1, 1), strides=(1, 2), channels=(16, 16), up_channels=16)
    place = {"in_channels": backbone.out_channels, "grid": SMALL, "stride": 1, "most": 64}
    head = CenterHead(num_classes=1, **place) if kind == "center" else AnchorHead(anchors=ANCHORS[:1], **place)
    encoder = PillarEncoder(SMALL, width=16)
    return PointDetector(encoder=encoder, backbone=backbone, head=head, min_score=0.3, max_overlap=0.1, most=10)


def some_points() -> Tensor:
    """Points on the ground and in two boxes."""
    rng = np.random.default_rng(0)
    ground = np.concatenate([rng.uniform([0, -6.4], [12.8, 6.4], (400, 2)), np.full((400, 1), -1.75)], axis=1)
    corners = Boxes3D(BOXES.numpy(), "lidar").corners()
    shares = rng.dirichlet(np.ones(8), (2, 150))
    inside = np.einsum("bpc,bcx->bpx", shares, corners).reshape(-1, 3)
    return torch.from_numpy(np.pad(np.concatenate([ground, inside]), ((0, 0), (0, 1)))).float()


def test_pointpillars_has_the_published_number_of_parameters() -> None:
    backbone = MapBackbone(in_channels=64, layers=(3, 5, 5), strides=(2, 2, 2), channels=(64, 128, 256), up_channels=128)
    head = AnchorHead(in_channels=384, anchors=ANCHORS, grid=KITTI, stride=2, most=100)
    modules = (PillarEncoder(KITTI), backbone, head)
    assert sum(parameter.numel() for module in modules for parameter in module.parameters()) == 4_834_888
    assert KITTI.size == (496, 432) and head.anchors.shape == (248 * 216 * 6, 7)


def test_pillars_equal_a_loop_over_points() -> None:
    encoder = PillarEncoder(SMALL, width=8).eval()
    points = torch.rand(50, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([14.0, 14, 4, 1]) - torch.tensor([1.0, 7, 3, 0])
    frames = torch.arange(50) % 2
    found = encoder(points, frames, 2)
    expected = torch.zeros_like(found)
    members: dict[tuple[int, int, int], list[int]] = {}
    for place, (point, frame) in enumerate(zip(points, frames, strict=True)):
        x, y, z = point[:3].tolist()
        if 0 <= x < 12.8 and -6.4 <= y < 6.4 and -3 <= z < 1:
            members.setdefault((int(frame), int((y + 6.4) / 0.4), int(x / 0.4)), []).append(place)
    for (frame, row, column), own in members.items():
        chosen = points[own]
        centre = torch.tensor([(column + 0.5) * 0.4, (row + 0.5) * 0.4 - 6.4, -1.0])
        described = torch.cat([chosen, chosen[:, :3] - chosen[:, :3].mean(0), chosen[:, :3] - centre], dim=1)
        expected[frame, :, row, column] = encoder.norm(encoder.layer(described)).relu().amax(0)
    assert 10 < len(members) < 50
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_order_of_points_and_points_outside_change_nothing() -> None:
    encoder, points = PillarEncoder(SMALL, width=8).eval(), some_points()
    frames = torch.zeros(len(points), dtype=torch.int64)
    first = encoder(points, frames, 1)
    more = torch.cat([points.flip(0), torch.tensor([[50.0, 0, 0, 0], [1, 0, 5, 0], [-0.1, 0, 0, 0]])])
    torch.testing.assert_close(encoder(more, torch.zeros(len(more), dtype=torch.int64), 1), first, atol=1e-5, rtol=1e-5)


def test_an_empty_frame_is_a_map_of_zeros() -> None:
    assert not PillarEncoder(SMALL, width=8).eval()(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), 1).any()


def test_boxes_relative_to_anchors_are_decoded_again() -> None:
    anchors = torch.tensor([[4.2, 0.8, -1.0, 3.9, 1.6, 1.56, 0.0], [8.8, -3.1, -1.0, 3.9, 1.6, 1.56, 1.57]])
    torch.testing.assert_close(decode(encode(BOXES, anchors), anchors), BOXES)


def test_anchors_learn_the_boxes_that_they_overlap_and_every_box_has_one() -> None:
    head = AnchorHead(in_channels=8, anchors=ANCHORS, grid=SMALL, stride=1, most=10)
    boxes = torch.cat([BOXES, torch.tensor([[6.0, 4.0, -1.0, 0.2, 0.2, 1.7, 0.0]])])
    matches = head._match(boxes, torch.tensor([0, 0, 1]))
    assert set(matches.tolist()) == {NOTHING, IGNORED, 0, 1, 2}
    for place in range(3):
        near = torch.linalg.vector_norm(head.anchors[matches == place][:, :2] - boxes[place, :2], dim=1)
        assert near.max() < 1.5


@pytest.mark.parametrize("yaw", [0.0, 1.0, 3.1, -0.5, -3.0])
def test_a_box_and_its_reverse_differ_in_direction(yaw: float) -> None:
    first, second = direction_of(torch.tensor([yaw, yaw + np.pi]))
    assert first != second


def test_suppression_and_scores_select_boxes() -> None:
    boxes = torch.stack([BOXES[0], BOXES[0] + 0.1, BOXES[1], BOXES[1] + 30])[None]
    (found,) = select_boxes(
        Candidates(boxes, torch.tensor([[0.9, 0.8, 0.7, 0.05]]), torch.zeros(1, 4, dtype=torch.int64)),
        min_score=0.1,
        max_overlap=0.1,
        most=5,
    )
    np.testing.assert_allclose(found["scores3d"], [0.9, 0.7])


@pytest.mark.parametrize("kind", ["center", "anchor"])
def test_a_frame_is_learnt_by_heart_and_its_boxes_are_found_again(kind: str) -> None:
    detector, points = small_detector(kind).train(), some_points()
    batch = {"points": [points], "boxes3d": [BOXES], "labels3d": [torch.tensor([0, 0])]}
    optimizer = torch.optim.AdamW(detector.parameters(), lr=0.01)
    # to its end, whatever the rounding of the processor
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 120)
    for _ in range(120):
        optimizer.zero_grad()
        sum(detector(batch)["losses"].values()).backward()
        optimizer.step()
        schedule.step()
    # what batch norm learnt from few steps is not what one frame has
    for module in detector.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.momentum = None
            module.reset_running_stats()
    with torch.no_grad():
        detector(batch)
        (found,) = detector.eval()(batch)
    assert len(found["boxes3d"]) == 2 and found["labels3d"].tolist() == [0, 0]
    order = found["boxes3d"][:, 0].argsort()
    difference = (found["boxes3d"][order] - BOXES).abs()
    difference[:, 6] = torch.remainder(difference[:, 6] + np.pi, 2 * np.pi).sub(np.pi).abs()
    assert difference.max() < 0.15, difference


@pytest.mark.parametrize("kind", ["center", "anchor"])
def test_frames_without_objects_have_finite_losses(kind: str) -> None:
    batch = {"points": [some_points()], "boxes3d": [torch.zeros(0, 7)], "labels3d": [torch.zeros(0, dtype=torch.int64)]}
    assert all(torch.isfinite(loss) for loss in small_detector(kind).train()(batch)["losses"].values())


class Fixed(torch.nn.Module):
    """Returns the same map, whatever it is given."""

    def __init__(self, maps: Tensor) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, _: Tensor) -> Tensor:
        return self.maps


def set_perfect_maps(head: CenterHead | AnchorHead, boxes: list[Tensor], labels: list[Tensor], size: tuple[int, int]) -> None:
    """Give a head the outputs that its targets ask for."""
    count = len(boxes)
    if isinstance(head, CenterHead):
        center = head.targets(boxes, labels, size)
        numbers = torch.zeros(count, size[0], size[1], center.numbers.shape[1])
        numbers[center.centers.images, center.centers.cells[:, 1], center.centers.cells[:, 0]] = center.numbers
        head.heatmap = Fixed(torch.logit(center.heatmap, eps=1e-6))
        head.boxes = Fixed(numbers.permute(0, 3, 1, 2))
        return
    anchor = head.targets(boxes, labels)
    found = anchor.matches >= 0
    scores, offsets, ways = (torch.zeros(*anchor.matches.shape, width) for width in (head.classes, 7, 2))
    scores[found] = torch.nn.functional.one_hot(anchor.labels, head.classes).float()
    offsets[found] = anchor.offsets
    ways[found] = torch.nn.functional.one_hot(anchor.directions, 2).float()
    for name, values in (("scores", torch.logit(scores, eps=1e-6)), ("boxes", offsets), ("directions", ways)):
        setattr(head, name, Fixed(values.reshape(count, *size, -1).permute(0, 3, 1, 2)))


def whole_head(kind: str) -> CenterHead | AnchorHead:
    place = {"in_channels": 8, "grid": Grid((0.0, -40.0, -4.0), (51.2, 40.0, 4.0), 0.4), "stride": 1, "most": 500}
    return CenterHead(num_classes=3, **place) if kind == "center" else AnchorHead(anchors=ANCHORS, **place)


@pytest.mark.parametrize("kind", ["center", "anchor"])
def test_what_the_targets_ask_for_is_decoded_to_the_truth(kind: str) -> None:
    head, rng = whole_head(kind), np.random.default_rng(0)
    places = np.stack(np.meshgrid(np.arange(3, 50, 7.0), np.arange(-36, 38, 7.0)), axis=-1).reshape(-1, 2)
    places += rng.uniform(-1, 1, places.shape)
    labels = torch.from_numpy(rng.integers(0, 3, len(places)))
    sizes = np.array([anchor.size for anchor in ANCHORS])[labels.numpy()] * rng.uniform(0.9, 1.1, (len(places), 3))
    rest = np.stack([rng.uniform(-1.2, -0.6, len(places)), *sizes.T, rng.uniform(-np.pi, np.pi, len(places))], axis=1)
    boxes = torch.from_numpy(np.concatenate([places, rest], axis=1)).float()
    set_perfect_maps(head, [boxes, boxes[:5]], [labels, labels[:5]], (200, 128))
    found = select_boxes(head.detect(torch.zeros(2, 8, 200, 128)), min_score=0.9, max_overlap=0.1, most=500)
    for own, expected, classes in zip(found, (boxes, boxes[:5]), (labels, labels[:5]), strict=True):
        nearest = torch.cdist(expected[:, :3], own["boxes3d"][:, :3]).argmin(dim=1)
        assert len(own["boxes3d"]) == len(expected) == len(nearest.unique())
        torch.testing.assert_close(own["boxes3d"][nearest], expected, atol=1e-4, rtol=0)
        assert (own["labels3d"][nearest] == classes).all()


def test_an_uncertain_front_leaves_the_line_of_a_box_as_it_is() -> None:
    """What lies between a direction and its opposite chooses one of the two, and nothing between."""
    head, label = whole_head("center"), torch.zeros(2, dtype=torch.int64)
    set_perfect_maps(head, [BOXES], [label], (200, 128))
    certain = head.detect(torch.zeros(1, 8, 200, 128)).boxes[0, :2, 6]
    numbers = head.boxes(torch.zeros(1)).clone()
    for share, turned in ((0.1, 0.0), (-0.1, torch.pi)):
        head.boxes = Fixed(torch.cat([numbers[:, :8], share * numbers[:, 8:] + 0.05 * numbers[:, 8:].flip(1)], dim=1))
        yaw = head.detect(torch.zeros(1, 8, 200, 128)).boxes[0, :2, 6]
        torch.testing.assert_close((yaw - certain + turned).cos(), torch.ones(2), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["center", "anchor"])
def test_perfect_maps_have_all_of_kittis_precision(kind: str, tmp_path: Path) -> None:
    write_streets3d(tmp_path / "frames", split="test", count=8)
    dataset = KittiDataset(folder=tmp_path / "frames")
    samples = [dataset[index] for index in range(len(dataset))]
    head = whole_head(kind)
    boxes, labels = ([torch.from_numpy(sample[name]) for sample in samples] for name in ("boxes3d", "labels3d"))
    set_perfect_maps(head, boxes, labels, (200, 128))
    found = select_boxes(head.detect(torch.zeros(len(samples), 8, 200, 128)), min_score=0.9, max_overlap=0.1, most=500)
    evaluator = SpatialEvaluator(dataset=dataset, min_score=0.3, keep_predictions=True)
    evaluator.update({"meta": [{**sample["meta"], "index": index} for index, sample in enumerate(samples)]}, found)
    metrics = evaluator.compute()
    assert metrics["3d/mAP_R40"] == metrics["3d/mAP_R40_loose"] == 1
    precisions = [value for name, value in metrics.items() if "_R40@" in name or "_R11@" in name]
    assert len(precisions) > 50 and np.nanmin(precisions) > 0.999
    assert metrics["errors/Car/metres"] < 1e-3 and metrics["errors/Car/degrees"] < 0.1
