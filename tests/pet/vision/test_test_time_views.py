"""Several views of each test image give one result, in the coordinates of the image."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.ops import roi_align

from pet.models.detection.suppression import Suppression
from pet.models.features import Features, HeadOutput, Regions
from pet.vision import GeneralizedCNN, config
from pet.vision.test_time import TestTimeAugmentation as Views  # pytest would collect its own name
from pet.vision.test_time import build_test_model
from petlib.config import CfgNode, ConfigError

SUPPRESSION = Suppression(score_threshold=0.05, iou_threshold=0.5, most=6)
SIZES = [(96, 80), (64, 96)]
SWAP = [0, 2, 1]
SMALL = {
    "MODEL.BACKBONE": "torchvision/resnet18",
    "MODEL.NUM_CLASSES": 4,
    "MODEL.NECK": "fpn",
    "MODEL.FPN.CHANNELS": 16,
    "MODEL.BOX.ANCHOR_SIZES": [[12], [24], [40], [64], [96]],
    "MODEL.BOX.RPN.POST_NMS_TEST": 20,
    "MODEL.BOX.ROI.HIDDEN": 32,
    "MODEL.MASK.CHANNELS": [8],
    "MODEL.MASK.POOL": 4,
    "MODEL.KEYPOINTS.CHANNELS": [8],
    "MODEL.KEYPOINTS.NUM_KEYPOINTS": 3,
    "MODEL.KEYPOINTS.POOL": 4,
    "MODEL.PARSING.CHANNELS": [8],
    "MODEL.PARSING.NUM_PARTS": 3,
    "MODEL.PARSING.POOL": 8,
    "TEST.SCORE_THRESHOLD": 0.05,
    "TEST.DETECTIONS_PER_IMAGE": 6,
}
ALL_HEADS = ("BOX", "MASK", "KEYPOINTS", "PARSING", "SEMSEG")


def make_cfg(*heads: str, **values: Any) -> CfgNode:
    cfg = config.get_base_cfg()
    for name, value in {**SMALL, **{f"MODEL.HAS_{head}": True for head in heads}, **values}.items():
        cfg.set(name, value)
    config.infer_cfg(cfg)
    return cfg


@pytest.fixture(scope="module")
def model() -> GeneralizedCNN:
    torch.manual_seed(0)
    return GeneralizedCNN(make_cfg(*ALL_HEADS)).eval()


def make_batch(sizes: list[tuple[int, int]], edge: int = 96) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(1)
    images = torch.zeros(len(sizes), 3, edge, edge)
    for image, (height, width) in zip(images, sizes, strict=True):
        # coarse noise, so that neither shrinking nor padding decides what is found
        coarse = torch.randn(1, 3, height // 16, width // 16, generator=generator)
        image[:, :height, :width] = nn.functional.interpolate(coarse, (height, width))[0]
    metas = [{"size": size, "keypoint_swap": tuple(SWAP), "part_swap": tuple(SWAP)} for size in sizes]
    return {"image": images, "image_sizes": sizes, "meta": metas}


def mirror(batch: dict[str, Any]) -> dict[str, Any]:
    images = torch.zeros_like(batch["image"])
    for target, image, (height, width) in zip(images, batch["image"], batch["image_sizes"], strict=True):
        target[:, :height, :width] = image[:, :height, :width].flip(-1)
    return {**batch, "image": images}


@torch.no_grad()
def test_one_view_gives_what_the_model_gives(model: GeneralizedCNN) -> None:
    batch = make_batch(SIZES)
    plain = model(batch)
    viewed = Views(model, scales=[1.0], flip=False, suppression=SUPPRESSION).eval()(batch)
    fields = {"boxes", "scores", "labels", "masks", "keypoints", "parsing", "parsing_scores", "semseg"}
    for expected, given in zip(plain, viewed, strict=True):
        assert set(expected) == set(given) == fields
        assert len(expected["boxes"]) > 1, "there is something to compare"
        for name in fields:
            torch.testing.assert_close(given[name], expected[name], rtol=0, atol=0, msg=name)


@torch.no_grad()
@pytest.mark.parametrize("detector", ["cascade_rcnn", "retinanet", "fcos", "centernet"])
def test_one_view_of_the_other_detectors(detector: str) -> None:
    torch.manual_seed(0)
    sizes = [[12], [24], [40], [64], [96]]
    values = {"MODEL.BOX.DETECTOR": detector, "MODEL.BOX.CONVOLUTIONS": 1, "MODEL.FPN.CHANNELS": 32, "MODEL.BOX.ANCHOR_SIZES": sizes}
    values |= {"MODEL.NECK": "dla_up"} if detector == "centernet" else {"MODEL.BOX.PRIOR": 0.5}
    model = GeneralizedCNN(make_cfg("BOX", "SEMSEG", **values)).eval()
    batch = make_batch(SIZES)
    viewed = Views(model, scales=[], flip=False, suppression=SUPPRESSION)(batch)
    for expected, given in zip(model(batch), viewed, strict=True):
        assert len(expected["boxes"]) > 1
        assert all(torch.equal(given[name], value) for name, value in expected.items())


@torch.no_grad()
def test_the_mirrored_image_gives_the_mirrored_results(model: GeneralizedCNN) -> None:
    batch = make_batch(SIZES)
    views = Views(model, scales=[1.0], flip=True, suppression=SUPPRESSION).eval()
    for one, other, (height, width) in zip(views(batch), views(mirror(batch)), SIZES, strict=True):
        left, top, right, bottom = other["boxes"].unbind(dim=1)
        close = {"rtol": 1e-4, "atol": 1e-3}
        torch.testing.assert_close(one["boxes"], torch.stack([width - right, top, width - left, bottom], dim=1), **close)
        torch.testing.assert_close(one["scores"], other["scores"])
        assert one["labels"].tolist() == other["labels"].tolist()
        torch.testing.assert_close(one["masks"], other["masks"].flip(-1), **close)
        torch.testing.assert_close(one["parsing"], other["parsing"][:, SWAP].flip(-1), **close)
        points = other["keypoints"][:, SWAP]
        torch.testing.assert_close(one["keypoints"][..., 0], width - points[..., 0], rtol=0, atol=1e-2)
        torch.testing.assert_close(one["keypoints"][..., 1:], points[..., 1:], rtol=1e-4, atol=1e-2)
        assert one["semseg"].shape == (height, width)
        assert (one["semseg"] == other["semseg"].flip(-1)).float().mean() > 0.999


@torch.no_grad()
def test_sizes_and_mirroring_together_stay_inside_of_the_files(model: GeneralizedCNN) -> None:
    batch = make_batch(SIZES)
    predictions = Views(model, scales=[0.75, 1.25], flip=True, suppression=SUPPRESSION).eval()(batch)
    for prediction, (height, width) in zip(predictions, SIZES, strict=True):
        count = len(prediction["boxes"])
        assert 0 < count <= SUPPRESSION.most
        assert {len(prediction[name]) for name in ("scores", "labels", "masks", "keypoints", "parsing")} == {count}
        assert (prediction["boxes"] >= 0).all()
        assert (prediction["boxes"] <= torch.tensor([width, height, width, height])).all()
        assert prediction["semseg"].shape == (height, width)
        torch.testing.assert_close(prediction["parsing"].sum(dim=1), torch.ones_like(prediction["parsing"][:, 0]))


@torch.no_grad()
def test_images_without_detections() -> None:
    torch.manual_seed(0)
    cfg = make_cfg("BOX", "MASK", "KEYPOINTS", "PARSING", **{"TEST.SCORE_THRESHOLD": 0.999, "TEST.VIEWS.FLIP": True})
    predictions = build_test_model(GeneralizedCNN(cfg), cfg).eval()(make_batch(SIZES))
    shapes = {name: tuple(value.shape) for name, value in predictions[1].items()}
    assert shapes["boxes"] == (0, 4)
    assert shapes["masks"] == (0, 8, 8)
    assert shapes["keypoints"] == (0, 3, 3)
    assert shapes["parsing"] == (0, 3, 32, 32)
    assert shapes["scores"] == shapes["parsing_scores"] == (0,)


# heads of which it is known what they find


class Bright(nn.Module):
    """A box around the bright pixels; the wider the image, the higher the score."""

    def forward(self, features: Features, batch: dict[str, Any], regions: Regions | None) -> HeadOutput:
        predictions = []
        for image, size in zip(features.images, features.image_sizes, strict=True):
            rows, columns = (image[0] > 0.5).nonzero().float().unbind(dim=1)
            box = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            predictions.append({"boxes": box[None], "scores": torch.tensor([size[1] / 1000]), "labels": torch.tensor([2])})
        return HeadOutput(predictions=predictions)


class Halves(nn.Module):
    """Channel 1 lies in the left half of each box as the network sees it, channel 2 in the right one, channel 0 nowhere."""

    def predict(self, features: Features, boxes: list[Tensor], labels: list[Tensor]) -> list[Tensor]:
        halves = torch.zeros(3, 4, 4)
        halves[1, :, :2] = halves[2, :, 2:] = 1
        return [halves.repeat(len(image), 1, 1, 1) for image in boxes]

    def decode(self, raw: list[Tensor], regions: Regions) -> list[dict[str, Tensor]]:
        return [{"raw": image} for image in raw]


class Left(Halves):
    """A mask without channels that marks the left half of each box as the network sees it."""

    def predict(self, features: Features, boxes: list[Tensor], labels: list[Tensor]) -> list[Tensor]:
        return [image[:, 1] for image in super().predict(features, boxes, labels)]


class Look(Halves):
    """The pixels in the boxes."""

    def predict(self, features: Features, boxes: list[Tensor], labels: list[Tensor]) -> list[Tensor]:
        pooled = roi_align(features.images, boxes, output_size=8, sampling_ratio=4, aligned=True)
        return list(pooled[:, 0].split([len(image) for image in boxes]))


class Pixels(nn.Module):
    """Logits that an image or a list gives, one entry of it for each view."""

    def __init__(self, differences: list[float] | None = None) -> None:
        super().__init__()
        self.differences = list(differences or [])

    def predict(self, features: Features) -> Tensor:
        second = features.images[:, 1:2] * 8 - 4
        if self.differences:
            second = torch.full_like(second, self.differences.pop(0))
        return torch.cat([torch.zeros_like(second), second], dim=1)

    def decode(self, scores: Tensor, batch: dict[str, Any]) -> list[dict[str, Tensor]]:
        return [{"semseg": image.argmax(dim=0), "probability": image[1]} for image in scores]


class Stub(nn.Module):
    window, given = 0, ()

    def __init__(self, **heads: nn.Module) -> None:
        super().__init__()
        self.heads = nn.ModuleDict(heads)
        self.seen: list[tuple[tuple[int, ...], list[tuple[int, int]]]] = []

    def extract(self, batch: dict[str, Any]) -> Features:
        self.seen.append((tuple(batch["image"].shape[-2:]), batch["image_sizes"]))
        return Features(images=batch["image"], image_sizes=batch["image_sizes"], stages=[], maps={})


def look(batch: dict[str, Any], *, scales: tuple[float, ...] = (), flip: bool = True, **heads: nn.Module) -> list[dict[str, Tensor]]:
    model: Any = Stub(**heads)
    predictions: list[dict[str, Tensor]] = Views(model, scales=scales, flip=flip, suppression=SUPPRESSION)(batch)
    return predictions


def drawn_batch() -> dict[str, Any]:
    """Two images of different sizes with a bright block each, whose left half has more of the second channel."""
    images = torch.zeros(2, 3, 96, 96)
    images[0, 0, 16:48, 8:40] = 1
    images[0, 1, 16:48, 8:24] = 1
    images[1, 0, 32:64, 60:92] = 1
    images[1, 1, 32:64, 60:76] = 1
    return {"image": images, "image_sizes": SIZES, "meta": [{"size": size} for size in SIZES]}


@pytest.mark.parametrize("scales", [(), (1.0, 2.0), (0.5, 1.0)])
def test_boxes_of_all_views_lie_on_each_other(scales: tuple[float, ...]) -> None:
    predictions = look(drawn_batch(), scales=scales, box=Bright())
    boxes = torch.cat([prediction["boxes"] for prediction in predictions])
    torch.testing.assert_close(boxes, torch.tensor([[8.0, 16, 40, 48], [60, 32, 92, 64]]), rtol=0, atol=1.0)
    assert [prediction["labels"].tolist() for prediction in predictions] == [[2], [2]]
    # the best of those that lie on each other stays: that of the largest view
    best = max(scales, default=1.0) / 1000
    scores = torch.cat([prediction["scores"] for prediction in predictions])
    torch.testing.assert_close(scores, torch.tensor([80 * best, 96 * best]))


def test_detections_come_from_the_view_that_finds_them() -> None:
    class OnlyMirrored(Bright):
        """Sees nothing where the block lies on the left."""

        def forward(self, features: Features, batch: dict[str, Any], regions: Regions | None) -> HeadOutput:
            found = super().forward(features, batch, regions)
            for prediction, size in zip(found.predictions, features.image_sizes, strict=True):
                keep = prediction["boxes"][:, 0] > size[1] / 2 - 20
                prediction.update({name: value[keep] for name, value in prediction.items()})
            return found

    plain = look(drawn_batch(), flip=False, box=OnlyMirrored())
    assert [len(prediction["boxes"]) for prediction in plain] == [0, 1]
    both = look(drawn_batch(), box=OnlyMirrored())
    assert [prediction["boxes"].tolist() for prediction in both] == [[[8, 16, 40, 48]], [[60, 32, 92, 64]]]


def test_masks_are_turned_back() -> None:
    turned = look(drawn_batch(), box=Bright(), mask=Left())
    # half of the views say left, and half of them right
    assert all(torch.equal(prediction["raw"], torch.full((1, 4, 4), 0.5)) for prediction in turned)


@pytest.mark.parametrize("scales", [(1.0,), (1.0, 2.0)])
def test_each_view_looks_into_its_own_place_of_a_box(scales: tuple[float, ...]) -> None:
    batch = drawn_batch()
    batch["image"][:, 0] *= torch.linspace(0.6, 1.0, 96)
    alone = look(batch, scales=(1.0,), flip=False, box=Bright(), mask=Look())
    together = look(batch, scales=scales, box=Bright(), mask=Look())
    for one, other in zip(alone, together, strict=True):
        assert one["raw"].std() > 0.01, "left and right differ"
        torch.testing.assert_close(one["raw"][:, 1:-1, 1:-1], other["raw"][:, 1:-1, 1:-1], rtol=0, atol=0.005)


@pytest.mark.parametrize(("name", "entry"), [("keypoints", "keypoint_swap"), ("parsing", "part_swap")])
def test_left_and_right_channels_of_mirrored_views_change_places(name: str, entry: str) -> None:
    halves = Halves().predict(Features(torch.zeros(1), [], [], {}), [torch.zeros(1, 4)], [])[0]
    batch = drawn_batch()
    for meta in batch["meta"]:
        meta[entry] = (0, 2, 1)
    for prediction in look(batch, box=Bright(), **{name: Halves()}):
        assert torch.equal(prediction["raw"], halves)
    for meta in batch["meta"]:
        meta[entry] = (0, 1, 2)
    expected = (halves + halves.flip(-1)) / 2
    for prediction in look(batch, box=Bright(), **{name: Halves()}):
        assert torch.equal(prediction["raw"], expected)


@pytest.mark.parametrize("name", ["keypoints", "parsing"])
@pytest.mark.parametrize("with_meta", [True, False])
def test_mirrored_views_do_not_count_where_left_and_right_are_not_known(name: str, with_meta: bool) -> None:
    """Images of a user's own name no channels."""
    batch = drawn_batch()
    if not with_meta:
        del batch["meta"]
    batch["image"][:, 0] *= torch.linspace(0.6, 1.0, 96)
    alone = look(batch, flip=False, box=Bright(), **{name: Look()})
    for one, other in zip(alone, look(batch, box=Bright(), **{name: Look()}), strict=True):
        assert torch.equal(one["raw"], other["raw"])
        assert not torch.allclose(one["raw"], one["raw"].flip(-1), atol=0.01)


@pytest.mark.parametrize("scales", [(), (0.5, 1.0, 2.0)])
def test_pixels_of_all_views_fall_on_each_other(scales: tuple[float, ...]) -> None:
    batch = drawn_batch()
    for prediction, image, (height, width) in zip(look(batch, scales=scales, semseg=Pixels()), batch["image"], SIZES, strict=True):
        wrong = prediction["semseg"][:height, :width] != (image[1, :height, :width] > 0.5)
        assert wrong.float().mean() < 0.01
        if not scales:
            assert not wrong.any()


def test_probabilities_of_pixels_are_averaged_and_not_logits() -> None:
    batch = drawn_batch()
    differences = [3.0, -1.0, -1.0]
    prediction = look(batch, scales=(1.0, 1.0, 1.0), flip=False, semseg=Pixels(differences))[0]
    expected = torch.tensor(differences).sigmoid().mean()
    torch.testing.assert_close(prediction["probability"][:96, :80], expected.expand(96, 80))
    assert expected < 0.5 < torch.tensor(differences).mean().sigmoid()


def test_views_are_padded_to_the_stride_of_the_network() -> None:
    model: Any = Stub(box=Bright())
    Views(model, scales=[0.75, 1.0], flip=True, suppression=SUPPRESSION)(drawn_batch())
    small, whole = ((96, 96), [(72, 60), (48, 72)]), ((96, 96), SIZES)
    assert model.seen == [small, small, whole, whole]


@torch.no_grad()
def test_logits_of_a_classifier_are_averaged() -> None:
    torch.manual_seed(0)
    cfg = config.get_base_cfg()
    values = {"MODEL.BACKBONE": "resnet20", "MODEL.HAS_CLS": True, "MODEL.NUM_CLASSES": 10, "TEST.VIEWS.FLIP": True}
    for name, value in values.items():
        cfg.set(name, value)
    model = GeneralizedCNN(cfg).eval()
    images = torch.rand(3, 3, 16, 20, generator=torch.Generator().manual_seed(0))
    averaged = build_test_model(model, cfg).eval()({"image": images})
    alone, mirrored = (torch.stack([one["logits"] for one in model({"image": batch})]) for batch in (images, images.flip(-1)))
    torch.testing.assert_close(torch.stack([one["logits"] for one in averaged]), (alone + mirrored) / 2)


# from a config


@pytest.mark.parametrize("scales", [[], [1.0]])
def test_one_view_needs_no_augmentation(model: GeneralizedCNN, scales: list[float]) -> None:
    assert build_test_model(model, make_cfg(*ALL_HEADS, **{"TEST.VIEWS.SCALES": scales})) is model


@pytest.mark.parametrize("values", [{"TEST.VIEWS.SCALES": [0.5]}, {"TEST.VIEWS.SCALES": [1.0, 2.0]}, {"TEST.VIEWS.FLIP": True}])
def test_views_come_from_the_config(model: GeneralizedCNN, values: dict[str, Any]) -> None:
    views = build_test_model(model, make_cfg(*ALL_HEADS, **values))
    assert isinstance(views, Views)
    assert views.flip == values.get("TEST.VIEWS.FLIP", False)
    assert list(views.scales) == values.get("TEST.VIEWS.SCALES", [1.0])
    assert (views.suppression.iou_threshold, views.suppression.most) == (0.5, 6)


@pytest.mark.parametrize("scale", [0.0, -1.5])
def test_a_scale_that_is_none_is_refused(model: GeneralizedCNN, scale: float) -> None:
    with pytest.raises(ConfigError, match=r"TEST.VIEWS.SCALES: \[1.0, .*\] given, factors from 0.1 to 10 expected, e.g. \[0.75, 1.0, "):
        build_test_model(model, make_cfg(*ALL_HEADS, **{"TEST.VIEWS.SCALES": [1.0, scale]}))


def test_a_head_that_cannot_average_is_refused() -> None:
    model: Any = Stub(box=Bright(), depth=nn.Identity())
    with pytest.raises(
        ConfigError, match=r"TestTimeAugmentation: the head depth cannot average several views; leave SCALES empty and FLIP False"
    ):
        Views(model, scales=[], flip=True, suppression=SUPPRESSION)


@torch.no_grad()
def test_pixels_are_looked_at_through_windows_each_in_all_views() -> None:
    cfg = make_cfg("SEMSEG", **{"TEST.SLIDING.SIZE": 64, "TEST.SLIDING.OVERLAP": 0.5, "TEST.VIEWS.FLIP": True})
    torch.manual_seed(0)
    model = GeneralizedCNN(cfg).eval()
    batch = {"image": make_batch([(96, 96)])["image"]}
    mirrored = {"image": batch["image"].flip(-1)}
    viewed = build_test_model(model, cfg)
    assert torch.equal(viewed(batch)[0]["semseg"], viewed(mirrored)[0]["semseg"].flip(-1))
    windows = model(batch)[0]["semseg"]
    assert windows.shape == (96, 96)
    model.window = 0
    assert not torch.equal(windows, model(batch)[0]["semseg"])
    model.window = 96
    assert (model(batch)[0]["semseg"] == model.heads["semseg"].decode(model.pixel_logits(batch["image"]), batch)[0]["semseg"]).all()
