"""The general CNN as ONNX files and as programs of torch.export."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional
from torchvision.models.detection.roi_heads import heatmaps_to_keypoints

from pet.commands.export_net import export_model
from pet.data.transforms.normalize import IMAGENET_MEAN, IMAGENET_STD
from pet.exporting import OnnxModel
from pet.models.detection.traced_regions import decode_heatmaps
from pet.vision import TASK, GeneralizedCNN, config
from pet.vision.export import OBJECT_OUTPUTS, PlainNetwork, TracedNetwork
from petlib.config import CfgNode, ConfigError
from petlib.errors import CheckpointError

EDGE = 64
DETECTOR = {
    "MODEL.BACKBONE": "timm/test_resnet",
    "MODEL.NUM_CLASSES": 3,
    "MODEL.NECK": "fpn",
    "MODEL.FPN.CHANNELS": 32,
    "MODEL.BOX.CONVOLUTIONS": 1,
    "MODEL.BOX.RPN.POST_NMS_TEST": 20,
    "MODEL.BOX.ROI.HIDDEN": 16,
    "MODEL.MASK.CHANNELS": [8],
    "MODEL.KEYPOINTS.CHANNELS": [8],
    "MODEL.KEYPOINTS.NUM_KEYPOINTS": 4,
    "MODEL.HAS_BOX": True,
    "TEST.SCORE_THRESHOLD": 0.0,
    "TEST.DETECTIONS_PER_IMAGE": 6,
    "TEST.TRANSFORMS": ["Normalize"],
    "EXPORT.SIZE": [EDGE, EDGE + 16],
}
ONE_LEVEL = {"MODEL.FPN.LEVELS": [5], "MODEL.FPN.TOP": "none", "MODEL.BOX.ANCHOR_SIZES": [[32]]}
"""A small graph is exported in little time."""
DIGITS = {
    "MODEL.BACKBONE": "timm/test_resnet",
    "MODEL.HAS_CLS": True,
    "MODEL.NUM_CLASSES": 10,
    "TEST.DATASETS": ["digits_test"],
    "TEST.TRANSFORMS": ["Resize", {"name": "Normalize", "mean": [0.5] * 3, "std": [0.5] * 3}],
    "TEST.RESIZE.SCALES": [16],
}


def make(**values: Any) -> tuple[CfgNode, GeneralizedCNN]:
    cfg = config.get_base_cfg()
    for key, value in values.items():
        cfg.set(key, value)
    config.infer_cfg(cfg)
    torch.manual_seed(0)
    return cfg, GeneralizedCNN(cfg).eval()


def test_embeddings_are_traced_too() -> None:
    identity = {"MODEL.BOX.DETECTOR": "centernet", "MODEL.NECK": "dla_up", "MODEL.HAS_IDENTITY": True, "MODEL.DLA_UP.CHANNELS": 8}
    _, model = make(**DETECTOR | identity)
    plain, images = PlainNetwork(model), torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    assert plain.output_names == ["boxes", "scores", "labels", "embeddings"]
    with torch.inference_mode():
        expected, found = plain(images), TracedNetwork(model)(images)
    assert expected[3].shape == (6, 128)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("detector", ["faster_rcnn", "cascade_rcnn", "retinanet", "fcos", "centernet"])
def test_what_is_traced_finds_what_the_model_finds(detector: str) -> None:
    both: dict[str, Any] = {"MODEL.HAS_MASK": True, "MODEL.HAS_KEYPOINTS": True} if "rcnn" in detector else {}
    channels = 32 if "rcnn" in detector else 64
    both |= {"MODEL.NECK": "dla_up"} if detector == "centernet" else {}
    _, model = make(**DETECTOR | both | {"MODEL.BOX.DETECTOR": detector, "MODEL.FPN.CHANNELS": channels, "MODEL.HAS_SEMSEG": True})
    for height, width in ((96, 128), (150, 201)):
        images = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(height))
        with torch.inference_mode():
            expected, found = PlainNetwork(model)(images), TracedNetwork(model)(images)
        assert len(expected) == len(PlainNetwork(model).output_names) == (6 if "rcnn" in detector else 4)
        assert len(expected[0]) > 0
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    padded = torch.full((1, 3, 160, 224), 9.0)
    padded[..., :height, :width] = images
    batch = {"image": functional.pad(images, (0, 224 - width, 0, 160 - height)), "image_sizes": [(height, width)]}
    with torch.inference_mode():
        found, (right,) = TracedNetwork(model)(padded, torch.tensor([height, width])), model(batch)
    for name, one in zip(OBJECT_OUTPUTS, found, strict=False):
        torch.testing.assert_close(one, right[name], atol=1e-4, rtol=1e-4)
    assert found[0][:, 0::2].max() <= width
    assert found[0][:, 1::2].max() <= height


def test_two_stages_with_masks_in_one_graph_with_names_of_ones_own(tmp_path: Path) -> None:
    names = {"EXPORT.INPUT_NAMES": ["pixels", "height_and_width"], "EXPORT.OUTPUT_NAMES": ["xyxy", "confidence", "class", "outlines"]}
    cfg, model = make(**DETECTOR | ONE_LEVEL | names | {"MODEL.HAS_MASK": True})
    report = TASK.export(cfg, model, tmp_path / "model.onnx")
    assert report.inputs == {"pixels": (1, 3, EDGE, EDGE + 16), "height_and_width": (2,)}
    assert report.outputs == ["xyxy", "confidence", "class", "outlines"]
    assert report.largest_difference < 1e-4
    assert "random images" in report.note
    assert "24 pairs of detections" in report.note, "six of each of four images"
    height, width = 50, 70
    pixels = torch.full((1, 3, EDGE, EDGE + 16), 255.0)
    pixels[..., :height, :width] = torch.randint(256, (1, 3, height, width), generator=torch.Generator().manual_seed(0))
    loaded = OnnxModel(report.path)
    found = loaded({"pixels": pixels.numpy(), "height_and_width": np.array([height, width])})
    assert [array.shape[1:] for array in found] == [(4,), (), (), (28, 28)]
    assert [str(array.dtype) for array in found] == ["float32", "float32", "int64", "float32"]
    normalized = (pixels / 255 - torch.tensor(IMAGENET_MEAN).view(3, 1, 1)) / torch.tensor(IMAGENET_STD).view(3, 1, 1)
    normalized[..., height:, :], normalized[..., width:] = 0, 0
    image = functional.pad(normalized, (0, 16, 0, 0))
    with torch.inference_mode():
        (expected,) = model({"image": image, "image_sizes": [(height, width)]})
    for name, array in zip(("boxes", "scores", "labels", "masks"), found, strict=True):
        np.testing.assert_allclose(array, expected[name].reshape(array.shape).numpy(), atol=1e-3)
    whole = loaded({"pixels": pixels.numpy(), "height_and_width": np.array([EDGE, EDGE + 16])})
    assert found[0][:, 3].max() <= height < whole[0][:, 3].max(), "boxes end at the image, not at the padding"


def test_pixels_of_images_of_any_size_in_half_precision(tmp_path: Path) -> None:
    changes = {"MODEL.HAS_BOX": False, "MODEL.NECK": "", "MODEL.HAS_SEMSEG": True, "MODEL.SEMSEG.DECODER": "fcn", "EXPORT.NORMALIZE": False}
    changes |= {"EXPORT.DYNAMIC": True, "EXPORT.HALF": True}
    cfg, model = make(**DETECTOR | changes)
    report = TASK.export(cfg, model, tmp_path / "model.onnx")
    assert report.inputs == {"images": ("batch", 3, "height", "width")}
    assert 1e-6 < report.largest_difference < 2e-2, "float16 differs, and little"
    images = torch.rand(2, 3, 50, 75)
    (logits,) = OnnxModel(report.path)({"images": images.numpy()})
    assert logits.shape == (2, 3, 50, 75)
    with torch.inference_mode():
        np.testing.assert_allclose(logits, PlainNetwork(model)(images)[0].numpy(), atol=2e-2)


def test_digits_are_compared_on_samples_of_the_test_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cfg, model = make(**DIGITS | {"MISC.CKPT": str(tmp_path / "ckpts"), "EXPORT.SAMPLES": 3})
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    cfg.freeze()
    options = argparse.Namespace(cfg="cfgs/vision/x.yaml", type=None, weights=str(tmp_path / "weights.pth"), out=None)
    assert export_model(cfg, options) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{tmp_path}/ckpts/model.onnx: ")
    assert lines[0].endswith("images (1, 3, 16, 16) -> logits")
    assert lines[1] == "compared with PyTorch on 6 inputs: 3 samples of digits_test and random images of a fixed seed"
    assert lines[2].startswith("onnxruntime and PyTorch differ by at most ")
    loaded = OnnxModel(tmp_path / "ckpts" / "model.onnx")
    assert loaded.metadata["mean"] == "[0.5, 0.5, 0.5]"
    pixels = torch.randint(0, 256, (1, 3, 16, 16)).float()
    with torch.inference_mode():
        expected = model({"image": (pixels / 255 - 0.5) / 0.5})[0]["logits"]
    np.testing.assert_allclose(loaded({"images": pixels.numpy()})[0][0], expected.numpy(), atol=1e-4)


def test_without_a_size_that_of_the_test_images_counts_where_no_transform_takes_another(tmp_path: Path) -> None:
    own = [{"name": "Resize", "size": [24, 40]}, {"name": "Normalize", "mean": [0.5] * 3, "std": [0.5] * 3}]
    cfg, model = make(**DIGITS | {"EXPORT.SAMPLES": 1, "TEST.TRANSFORMS": own})
    assert TASK.export(cfg, model, tmp_path / "m.onnx").inputs == {"images": (1, 3, 24, 40)}


def test_a_file_of_which_nothing_is_known_is_not_kept(tmp_path: Path) -> None:
    cfg, model = make(**DETECTOR | ONE_LEVEL | {"TEST.SCORE_THRESHOLD": 0.999})
    with pytest.raises(ConfigError, match="none of the compared inputs has a detection.*nothing was written"):
        TASK.export(cfg, model, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_weights_have_to_be_there_and_to_fit(tmp_path: Path) -> None:
    cfg, _ = make(**DIGITS | {"MISC.CKPT": str(tmp_path)})
    cfg.freeze()
    with pytest.raises(CheckpointError, match="there is no best and no latest checkpoint"):
        export_model(cfg, argparse.Namespace(cfg="cfgs/vision/x.yaml", type=None, weights="", out=None))
    _, other = make(**DIGITS | {"MODEL.BACKBONE": "resnet20"})
    torch.save(other.state_dict(), tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"other\.pth"):
        export_model(cfg, argparse.Namespace(cfg="cfgs/vision/x.yaml", type=None, weights=str(tmp_path / "other.pth"), out=None))
    assert [path.name for path in tmp_path.iterdir()] == ["other.pth"]


@pytest.mark.parametrize(
    ("changes", "name", "message"),
    [
        ({"EXPORT.BATCH": 2}, "m.onnx", "EXPORT.BATCH: 2 given, but detectors are exported for one image at a time"),
        ({"EXPORT.DYNAMIC": True}, "m.onnx", r"EXPORT\.SIZE: \[64, 80\] given.* at least 128 pixels"),
        (
            {"EXPORT.SIZE": []},
            "m.onnx",
            r"EXPORT\.SIZE: \[32, 32\] would follow from TEST.RESIZE.SCALES .*at least 128 pixels",
        ),
        ({"EXPORT.OUTPUT_NAMES": ["a"]}, "m.onnx", r"EXPORT\.OUTPUT_NAMES: 1 names given \(a\), 3 expected, for boxes, scores, labels"),
        ({"EXPORT.INPUT_NAMES": ["a"]}, "m.onnx", r"EXPORT\.INPUT_NAMES: 1 names given \(a\), 2 expected, for images, image_size"),
        ({}, "m.pth", r"path: .*m\.pth given, a name that ends with \.onnx .* or \.pt2"),
        ({"TEST.SOFT_NMS.METHOD": "linear"}, "m.onnx", r"TEST\.SOFT_NMS\.METHOD: linear cannot be exported"),
        ({"TEST.VIEWS.FLIP": True}, "m.onnx", "TEST.VIEWS: an exported network looks at an image once"),
        ({"MODEL.HAS_PARSING": True}, "m.onnx", "MODEL.HAS_PARSING: True cannot be exported"),
    ],
)
def test_requests_that_cannot_be_met(tmp_path: Path, changes: dict[str, Any], name: str, message: str) -> None:
    cfg, model = make(**DETECTOR | changes)
    with pytest.raises(ConfigError, match=message):
        TASK.export(cfg, model, tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"EXPORT.SIZE": [3]}, r"EXPORT\.SIZE: \[3\] given, \[height, width\] expected"),
        ({"EXPORT.INPUT_NAMES": ["a"], "EXPORT.OUTPUT_NAMES": ["a"]}, "different names expected"),
    ],
)
def test_settings_are_checked_before_anything_is_built(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(**DIGITS | changes)


def test_keypoints_are_where_torchvision_finds_them() -> None:
    generator = torch.Generator().manual_seed(0)
    boxes = torch.rand(30, 4, generator=generator) * 200
    boxes[:, 2:] = boxes[:, :2] + torch.rand(30, 2, generator=generator) * torch.tensor([300.0, 20.0])
    # one hill a heatmap
    x, y = (torch.rand(30, 3, 1, 1, generator=generator) * 56 for _ in range(2))
    cells = torch.arange(56.0)
    heatmaps = -(((cells - x) / 9) ** 2) - ((cells[:, None] - y) / 5) ** 2
    expected, heights = heatmaps_to_keypoints(heatmaps, boxes)
    found = decode_heatmaps(heatmaps, boxes, (300, 600))
    torch.testing.assert_close(found[..., 2], heights, atol=1e-3, rtol=1e-3)
    assert ((found[..., :2] - expected[..., :2]).abs().amax(dim=-1) < 1e-2).float().mean() > 0.97
