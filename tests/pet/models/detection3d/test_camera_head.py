"""Boxes before a camera: places and views by KITTI's numbers, maps that are perfect, losses, and learning by heart."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pet.data.datasets.streets3d_camera import CALIBRATION, SIZE
from pet.data.datasets.streets3d_scenes import CLASSES, SIZES, draw_scene
from pet.data.transforms.build import build_transforms
from pet.metrics.kitti import measure
from pet.models.detection3d import camera_geometry as geometry
from pet.models.detection3d.camera_angles import AngleCode, BinAngle, VectorAngle
from pet.models.detection3d.camera_depths import EDGES, KEYPOINTS, DepthCode, DepthEnsemble, DepthTruth, DirectDepth, LogDepth
from pet.models.detection3d.camera_head import CameraHead
from pet.structures.boxes3d import Boxes3D
from pet.structures.centers import locate_centers
from pet.structures.objects3d import Objects3D, boxes_in_image, found_objects
from petlib import distributed

FOCAL, STRIDE = 700.0, 4
CODES: dict[str, tuple[DepthCode, AngleCode]] = {
    "smoke": (DirectDepth(mean=28.01, deviation=16.32), VectorAngle()),
    "log": (LogDepth(mean=24.0, deviation=12.0), VectorAngle(weight=1.0)),
    "monoflex": (DepthEnsemble(focal=FOCAL, stride=STRIDE), BinAngle()),
}


def build_head(code: str, **changes: Any) -> CameraHead:
    depth, angle = CODES[code]
    settings: dict[str, Any] = {"edge_centers": False, "corner_weight": 1.0, "offset_weight": 1.0, "most": 30, "hidden": 8, **changes}
    torch.manual_seed(0)
    return CameraHead(channels=4, stride=STRIDE, mean_sizes=SIZES.tolist(), depth=depth, angle=angle, focal=FOCAL, **settings)


def sample_of(seed: int) -> dict[str, Any]:
    """A scene whose image is black, with the boxes that can be seen."""
    scene = draw_scene(np.random.default_rng(seed))
    boxes = scene.boxes.to_camera(CALIBRATION)
    inside = boxes_in_image(boxes, CALIBRATION, SIZE)
    pixels, _ = CALIBRATION.project(boxes.centres)
    seen = (inside[:, 2:] > inside[:, :2]).all(1) & (pixels >= 0).all(1) & (pixels < SIZE[::-1]).all(1)
    meta = {"id": str(seed), "size": SIZE, "calibration": CALIBRATION, "frame3d": "camera"}
    spatial = {"boxes3d": boxes.values[seen].astype(np.float32), "labels3d": scene.labels[seen]}
    return {"image": np.zeros((*SIZE, 3), np.uint8), **spatial, "meta": meta}


def projection_of(sample: dict[str, Any]) -> Tensor:
    meta = sample["meta"]
    return torch.from_numpy(meta["calibration"].with_moved_image(meta.get("matrix", np.eye(3))).projection).float()


class Painted(torch.nn.Module):
    """A branch whose map is known."""

    def __init__(self, maps: Tensor) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, maps: Tensor) -> Tensor:
        return self.maps.expand(len(maps), *self.maps.shape[1:])


def angle_numbers(code: str, angles: Tensor) -> Tensor:
    if code != "monoflex":
        # any length does, where only the corners of boxes count
        return torch.stack([angles.sin(), angles.cos()], 1) * (3 if code == "smoke" else 1)
    middles = torch.arange(4) * np.pi / 2
    distances = geometry.wrapped(angles[:, None] - middles)
    logits = torch.stack([torch.zeros_like(distances), -distances.abs()], 2)
    return torch.cat([logits.flatten(1), torch.stack([distances.sin(), distances.cos()], 2).flatten(1)], 1)


def depth_numbers(code: str, boxes: Tensor, views: Tensor, projection: Tensor, cells: Tensor) -> Tensor:
    if code == "smoke":
        return (views[:, 2:3] - 28.01) / 16.32
    if code == "log":
        # sure to a thousandth
        return torch.cat([(views[:, 2:3] / 24).log() * 2, torch.full((len(boxes), 1), np.log(0.01))], 1)
    corners = geometry.corners_of(boxes)
    points = torch.cat([corners, corners[:, :4].mean(1, keepdim=True), corners[:, 4:].mean(1, keepdim=True)], 1)
    keypoints = geometry.project(points, projection)[0] / STRIDE - cells[:, None]
    # the direct depth is wrong and says so, the others are sure to 5 cm
    sure = torch.full((len(boxes), 3), -3.0)
    return torch.cat([torch.zeros(len(boxes), 1), torch.full((len(boxes), 1), 20.0), keypoints.flatten(1), sure], 1)


def paint(head: CameraHead, code: str, sample: dict[str, Any]) -> None:
    """Replace the branches of a head by what they should say of a sample."""
    boxes, labels, projection = torch.from_numpy(sample["boxes3d"]), torch.from_numpy(sample["labels3d"]), projection_of(sample)
    views = geometry.view_boxes(boxes, projection, focal=FOCAL)
    height, width = (-(-length // STRIDE) for length in sample["image"].shape[:2])
    cells = locate_centers([views[:, :2] / STRIDE], (height, width)).cells
    sizes = (views[:, 3:6] / torch.tensor(SIZES[sample["labels3d"]]).float()).log()
    depth = depth_numbers(code, boxes, views, projection, cells)
    numbers = torch.cat([views[:, :2] / STRIDE - cells, sizes, depth, angle_numbers(code, views[:, 6])], 1)
    maps, heatmap = torch.zeros(1, numbers.shape[1], height, width), torch.full((1, len(CLASSES), height, width), -30.0)
    maps[0, :, cells[:, 1], cells[:, 0]] = numbers.T
    heatmap[0, labels, cells[:, 1], cells[:, 0]] = 30.0
    head.numbers, head.heatmap = Painted(maps), Painted(heatmap)


@pytest.mark.parametrize("seed", range(3))
def test_tensors_have_the_corners_pixels_and_angles_of_arrays(seed: int) -> None:
    boxes = sample_of(seed)["boxes3d"]
    arrays, tensors, projection = Boxes3D(boxes, "camera"), torch.from_numpy(boxes), torch.tensor(CALIBRATION.projection).float()
    np.testing.assert_allclose(geometry.corners_of(tensors), arrays.corners(), atol=1e-5)
    pixels, depths = CALIBRATION.project(arrays.corners())
    found = geometry.project(geometry.corners_of(tensors), projection)
    np.testing.assert_allclose(found[0], pixels, atol=2e-3)
    np.testing.assert_allclose(found[1], depths, atol=1e-5)
    views = geometry.view_boxes(tensors, projection, focal=721.5377)
    np.testing.assert_allclose(views[:, 6], arrays.observed_angles(), atol=1e-5)
    np.testing.assert_allclose(views[:, 2], arrays.centres[:, 2] + CALIBRATION.projection[2, 3], atol=1e-4)
    np.testing.assert_allclose(geometry.mirrored(tensors), arrays.mirrored().values, atol=1e-6)


def test_depths_are_those_of_one_camera_whatever_the_size_of_the_image() -> None:
    boxes, projection = torch.from_numpy(sample_of(1)["boxes3d"]), torch.tensor(CALIBRATION.projection).float()
    halved = torch.diag(torch.tensor([0.5, 0.5, 1.0])) @ projection
    first, second = (geometry.view_boxes(boxes, own, focal=FOCAL)[:, 2] for own in (projection, halved))
    torch.testing.assert_close(second, 2 * first)


MIRROR = {"name": "RandomHorizontalFlip", "probability": 1.0}
MOVES: dict[str, list[Any]] = {
    "as it is": [],
    "mirrored": [MIRROR],
    "scaled": [{"name": "Resize", "size": [200, 500]}],
    "cut out": [{"name": "CenterCrop", "size": [300, 900]}],
    "all of it": [
        {"name": "ScaleJitterCrop", "size": [256, 512], "scale": [1.2, 1.6]},
        {"name": "RandomHorizontalFlip", "probability": 1.0},
    ],
}


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("move", MOVES)
def test_perfect_maps_give_the_true_boxes(move: str, code: str) -> None:
    transforms, _ = build_transforms(MOVES[move], default_size=None)
    frames = []
    for seed in range(8):
        original = sample_of(seed)
        sample = transforms(original, np.random.default_rng(seed))
        projection = projection_of(sample)
        pixels = geometry.project(geometry.centres_of(torch.from_numpy(sample["boxes3d"])), projection)[0]
        kept = ((pixels >= 0) & (pixels < torch.tensor(sample["image"].shape[1::-1]))).all(1).numpy()
        # a cell has one centre
        cells, counts = np.unique(pixels.numpy() // STRIDE, axis=0, return_counts=True)
        kept &= ~(pixels.numpy()[:, None] // STRIDE == cells[counts > 1]).all(2).any(1)
        sample |= {"boxes3d": sample["boxes3d"][kept], "labels3d": sample["labels3d"][kept]}
        head = build_head(code)
        paint(head, code, sample)
        sightings = head.detect(torch.zeros(1, 4, 8, 8), [(8 * STRIDE, 8 * STRIDE)])
        found = geometry.place_boxes(sightings.views, projection, focal=FOCAL)[0]
        if move in ("mirrored", "all of it"):
            found, sample["boxes3d"] = geometry.mirrored(found), Boxes3D(sample["boxes3d"], "camera").mirrored().values
        count = len(sample["boxes3d"])
        assert (sightings.scores[0, :count] > 0.5).all() and not (sightings.scores[0, count:] > 0.5).any()
        boxes = Boxes3D(found[:count].numpy(), "camera")
        labels = sightings.labels[0, :count].numpy()
        order = np.lexsort((boxes.values[:, 2], labels)), np.lexsort((sample["boxes3d"][:, 2], sample["labels3d"]))
        difference = boxes.values[order[0]] - Boxes3D(sample["boxes3d"], "camera").values[order[1]]
        difference[:, 6] = (difference[:, 6] + np.pi) % (2 * np.pi) - np.pi
        assert np.abs(difference).max(initial=0) < 1e-3
        names, true = np.array(CLASSES), Boxes3D(sample["boxes3d"], "camera")
        truth = as_annotated(found_objects(names[sample["labels3d"]], true, np.ones(count), CALIBRATION, SIZE))
        frames.append((truth, found_objects(names[labels], boxes, sightings.scores[0, :count].numpy(), CALIBRATION, SIZE)))
    assert not [own for own in measure(frames, CLASSES) if own.count and own.r40 < 1 - 1e-9]


def as_annotated(objects: Objects3D) -> Objects3D:
    fields = {name: getattr(objects, name) for name in ("types", "alphas", "boxes2d", "boxes", "scores")}
    return Objects3D(**fields, truncated=np.zeros(len(objects)), occluded=np.zeros(len(objects), np.int64))


@pytest.mark.parametrize("code", CODES)
def test_perfect_maps_have_no_error_of_corners_offsets_and_keypoints(code: str) -> None:
    head, sample = build_head(code), sample_of(2)
    paint(head, code, sample)
    batch = [torch.from_numpy(sample["boxes3d"])], [torch.from_numpy(sample["labels3d"])], projection_of(sample)[None], [SIZE]
    losses = head.losses(torch.zeros(1, 4, *head.numbers.maps.shape[2:]), *batch)
    assert losses["loss_corners"] < 1e-3 and losses["loss_offset"] < 1e-4
    if code == "log":
        assert losses["loss_depth"] < 1e-4 and losses["loss_angle"] < 1e-4
        # what is left is the logarithm of the uncertainty
        assert losses["loss_uncertainty"] == pytest.approx(0.1 * np.log(0.001), abs=0.01)
    if code == "monoflex":
        assert losses["loss_keypoints"] < 1e-3
        # the depths of upright lines are right: what is left are the logarithms of their uncertainties
        assert losses["loss_keypoint_depths"] == pytest.approx(-3 * 3 * 0.2, abs=0.05)


def test_corners_are_wrong_by_what_is_wrong_and_by_nothing_else() -> None:
    head, sample = build_head("smoke"), sample_of(2)
    paint(head, "smoke", sample)
    maps = head.numbers.maps
    batch = [torch.from_numpy(sample["boxes3d"])], [torch.from_numpy(sample["labels3d"])], projection_of(sample)[None], [SIZE]
    marked = maps.abs().sum(1, keepdim=True) > 0
    # a metre further away: all corners move along the line of sight, by the same number of metres at least
    maps[:, 5:6] += marked / 16.32 * FOCAL / 721.5377
    assert 1 / 3 <= head.losses(torch.zeros(1, 4, *maps.shape[2:]), *batch)["loss_corners"] < 0.6
    maps[:, 5:6] -= marked / 16.32 * FOCAL / 721.5377
    maps[:, 2:5] += marked * np.log(1.1)
    # a tenth longer, wider and higher, around the same centre
    expected = np.abs(sample["boxes3d"][:, 3:6]).mean(0)[2] * 0.05 / 3
    assert head.losses(torch.zeros(1, 4, *maps.shape[2:]), *batch)["loss_corners"] > expected


def test_a_box_whose_centre_lies_outside_is_left_out_or_a_peak_at_the_edge() -> None:
    # its front is in the image, its centre is to the left of it
    box = torch.tensor([[-6.2, 1.7, 6.0, 3.9, 1.6, 1.5, 0.2]])
    projection = torch.tensor(CALIBRATION.projection).float()
    pixel = geometry.project(geometry.centres_of(box), projection)[0]
    assert pixel[0, 0] < 0 and geometry.project(geometry.corners_of(box), projection)[0][..., 0].max() > 0
    assert not len(build_head("smoke")._objects(box, torch.tensor([0]), projection, SIZE).labels)
    objects = build_head("smoke", edge_centers=True)._objects(box, torch.tensor([0]), projection, SIZE)
    assert not objects.inside and abs(objects.points[0, 0]) < 1e-3 and 0 < objects.points[0, 1] < SIZE[0]
    low, high = torch.tensor([0.0, 0.0]), torch.tensor([1242.0, 375.0])
    assert (objects.points >= low - 1e-3).all() and (objects.points <= high).all()


def test_what_lies_behind_the_camera_is_no_target() -> None:
    box = torch.tensor([[0.0, 1.7, -10.0, 3.9, 1.6, 1.5, 0.2]])
    objects = build_head("smoke", edge_centers=True)._objects(box, torch.tensor([0]), torch.tensor(CALIBRATION.projection).float(), SIZE)
    assert not len(objects.labels)


@pytest.mark.parametrize("code", CODES)
def test_images_without_objects_have_finite_losses(code: str) -> None:
    maps = torch.randn(2, 4, 10, 20, requires_grad=True)
    projections = torch.tensor(CALIBRATION.projection).float().expand(2, 3, 4)
    losses = build_head(code).losses(maps, [torch.zeros(0, 7)] * 2, [torch.zeros(0, dtype=torch.int64)] * 2, projections, [(40, 80)] * 2)
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values()) and torch.isfinite(maps.grad).all()
    assert losses["loss_corners"] == 0


@pytest.mark.parametrize("angle", np.linspace(-np.pi, np.pi, 9))
def test_every_angle_is_in_one_or_two_bins_and_is_learned(angle: float) -> None:
    code, values = BinAngle(), torch.zeros(1, 16).normal_(generator=torch.Generator().manual_seed(0)).requires_grad_()
    optimizer = torch.optim.Adam([values], lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        code.losses(values, torch.tensor([angle]))["angle"].sum().backward()
        optimizer.step()
    difference = geometry.wrapped(code.decode(values.detach()) - angle).abs()
    assert torch.minimum(difference, 2 * torch.pi - difference) < 0.1


def test_the_surest_depth_counts_most() -> None:
    code = DepthEnsemble(focal=FOCAL, stride=STRIDE)
    values = torch.zeros(1, code.channels)
    values[0, 0] = -np.log(20.0)
    keypoints = values[0, 2 : 2 + 2 * KEYPOINTS].view(KEYPOINTS, 2)
    for lower, _ in EDGES:
        keypoints[lower, 1] = FOCAL * 1.5 / 10 / STRIDE
    depth, sure = code.decode(values, torch.tensor([1.5]))
    torch.testing.assert_close(depth, torch.tensor([12.5]))
    values[0, 1] = -6
    depth, sure_of_it = code.decode(values, torch.tensor([1.5]))
    assert abs(depth - 20) < 0.1 and sure < sure_of_it <= 0.99


def test_the_error_of_a_logarithm_is_a_share_and_its_uncertainty_the_chance_of_a_metre() -> None:
    code = LogDepth(mean=24.0, deviation=12.0, weights=(1.0, 1.0))
    values = torch.zeros(2, 2)
    # half the mean depth and the mean one; how uncertain they are: a tenth of them
    values[0, 0] = np.log(0.5) * 2
    depths, sure = code.decode(values, torch.full((2,), 1.5))
    torch.testing.assert_close(depths, torch.tensor([12.0, 24.0]))
    torch.testing.assert_close(sure, 1 - torch.tensor([-1 / 1.2, -1 / 2.4]).exp())
    truth = DepthTruth(depths * 1.1, torch.zeros(2, 2), torch.zeros(2, 10, 2), torch.ones(2, 10, dtype=torch.bool))
    losses = code.losses(values, torch.full((2,), 1.5), truth)
    torch.testing.assert_close(losses["depth"], torch.full((2,), np.log(1.1)).float())
    torch.testing.assert_close(losses["uncertainty"], torch.full((2,), np.log(1.1) / 0.1 + np.log(0.1)).float())


def test_rows_distinguish_cells_that_look_the_same() -> None:
    maps = torch.ones(1, 4, 6, 5)
    for rows in (False, True):
        head = build_head("log", rows=rows)
        numbers = head._look(maps, [(24, 20)])[1]
        # away from the border, whose padding shows where it is
        apart = (numbers[0, :, 2, 2] - numbers[0, :, 3, 2]).abs().max()
        assert (apart > 1e-3) == rows
        torch.testing.assert_close(numbers[0, :, 2, 2], numbers[0, :, 2, 3 if rows else 2])


@pytest.mark.parametrize(
    ("reach", "length", "learning"), [(0, 100.0, 1), (1, 100.0, 9), (2, 100.0, 25), (2, 17.0, 25), (2, 15.0, 9), (2, 7.0, 1)]
)
def test_cells_around_a_centre_learn_the_box_as_far_as_they_show_it(reach: int, length: float, learning: int) -> None:
    head, sample = build_head("log", reach=reach), sample_of(2)
    projection, size = projection_of(sample), (94, 311)
    boxes, labels = torch.from_numpy(sample["boxes3d"][:1]), torch.from_numpy(sample["labels3d"][:1])
    objects = head._objects(boxes, labels, projection, SIZE)._replace(extents=torch.full((1, 2), length))
    centers = locate_centers([objects.points / STRIDE], size)
    spread, own, shares = head._spread(centers, objects, size)
    assert len(spread.cells) == len(own.labels) == learning and shares.sum() == pytest.approx(1)
    assert (spread.cells - centers.cells).abs().max() == (learning**0.5 - 1) / 2
    # at the corner of the map a quarter of them is left
    corner = centers._replace(cells=torch.zeros(1, 2, dtype=torch.int64))
    assert len(head._spread(corner, objects, size)[0].cells) == ((learning**0.5 + 1) / 2) ** 2


@pytest.mark.parametrize("code", CODES)
def test_a_scene_is_learned_by_heart(code: str) -> None:
    transforms, _ = build_transforms([{"name": "Resize", "size": [96, 320]}], default_size=None)
    sample = transforms(sample_of(3), np.random.default_rng(0))
    head = build_head(code, hidden=32).train()
    # a network that sees where it is: random features of each place
    maps = torch.randn(1, 4, 24, 80, generator=torch.Generator().manual_seed(0))
    batch = [torch.from_numpy(sample["boxes3d"])], [torch.from_numpy(sample["labels3d"])], projection_of(sample)[None], [(96, 320)]
    optimizer = torch.optim.AdamW(head.parameters(), lr=0.02)
    first = {name: float(loss.detach()) for name, loss in head.losses(maps, *batch).items()}
    for _ in range(60):
        optimizer.zero_grad()
        losses = head.losses(maps, *batch)
        sum(losses.values()).backward()
        optimizer.step()
    assert losses["loss_corners"] < first["loss_corners"] / 3 and losses["loss_heatmap"] < first["loss_heatmap"] / 2


def test_losses_of_two_processes_are_those_of_one(run_ranks: Any) -> None:
    found = run_ranks(losses_of_a_rank, 2)
    sample = [sample_of(seed) for seed in (3, 4)]
    boxes, labels = ([torch.from_numpy(own[name]) for own in sample] for name in ("boxes3d", "labels3d"))
    projections = torch.stack([projection_of(own) for own in sample])
    maps = torch.randn(2, 4, 94, 311, generator=torch.Generator().manual_seed(0))
    whole = build_head("monoflex").losses(maps, boxes, labels, projections, [SIZE] * 2)
    for name, loss in whole.items():
        assert np.mean([own[name] for own in found]) == pytest.approx(float(loss.detach()), rel=1e-4)


def losses_of_a_rank() -> dict[str, float]:
    rank = distributed.rank()
    sample = sample_of(3 + rank)
    maps = torch.randn(2, 4, 94, 311, generator=torch.Generator().manual_seed(0))[rank : rank + 1]
    batch = [torch.from_numpy(sample["boxes3d"])], [torch.from_numpy(sample["labels3d"])], projection_of(sample)[None], [SIZE]
    return {name: float(loss.detach()) for name, loss in build_head("monoflex").losses(maps, *batch).items()}
