"""Files predicted by models of the general CNN, and by their exported files."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from pet.data.files.label_images import read_label_image
from pet.data.transforms.normalize import IMAGENET_MEAN, IMAGENET_STD
from pet.exporting import OnnxModel, export_onnx
from pet.prediction import find_inputs, predict_files
from pet.prediction.predictors.samples import OnnxSamples
from pet.vision import TASK, GeneralizedCNN, build_predictor, config
from pet.vision.export import PlainNetwork
from pet.visual import DrawSettings
from petlib.config import CfgNode, ConfigError
from petlib.errors import CheckpointError

CPU = torch.device("cpu")
SMALL = {
    "MODEL.BACKBONE": "timm/test_resnet",
    "MODEL.NUM_CLASSES": 3,
    "DATA.CLASSES": ["background", "cat", "dog"],
    "TEST.TRANSFORMS": ["Normalize"],
    "TEST.NUM_WORKERS": 0,
    "MISC.DEVICE": "cpu",
}
CLASSIFIER = SMALL | {"MODEL.HAS_CLS": True}
PIXELS = SMALL | {"MODEL.HAS_SEMSEG": True, "MODEL.SEMSEG.DECODER": "fcn"}
DETECTOR = SMALL | {
    "MODEL.HAS_BOX": True,
    "MODEL.HAS_MASK": True,
    "MODEL.NECK": "fpn",
    "MODEL.FPN.CHANNELS": 32,
    "MODEL.FPN.LEVELS": [5],
    "MODEL.FPN.TOP": "none",
    "MODEL.BOX.ANCHOR_SIZES": [[32]],
    "MODEL.BOX.ROI.HIDDEN": 16,
    "MODEL.MASK.CHANNELS": [8],
    "TEST.SCORE_THRESHOLD": 0.0,
    "TEST.DETECTIONS_PER_IMAGE": 6,
}


def make(folder: Path, **values: Any) -> CfgNode:
    """Write random weights and return the config that takes them."""
    cfg = config.get_base_cfg()
    for key, value in values.items():
        cfg.set(key, value)
    config.infer_cfg(cfg)
    torch.manual_seed(0)
    model = GeneralizedCNN(cfg).eval()
    torch.save(model.state_dict(), folder / "weights.pth")
    cfg.set("TEST.WEIGHTS", str(folder / "weights.pth"))
    return cfg


def write_image(folder: Path, height: int, width: int) -> Path:
    path = folder / "in" / "a.png"
    path.parent.mkdir(exist_ok=True)
    coarse = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    cv2.imwrite(str(path), cv2.resize(coarse, (width, height)))
    return path


def predict(cfg: CfgNode, path: Path, folder: Path, weights: Path | None = None, *, window: int = 0) -> dict[str, Any]:
    """Return the record of an image."""
    chosen = cfg.clone()
    chosen.set("TEST.WEIGHTS", str(weights) if weights is not None else cfg.TEST.WEIGHTS)
    summary = predict_files(build_predictor(chosen, CPU, window=window), find_inputs(str(path)), folder, drawing=DrawSettings())
    assert summary.images == 1
    record = folder / "a.json"
    return json.loads(record.read_text()) if record.exists() else {}  # type: ignore[no-any-return]


def exported(cfg: CfgNode, folder: Path, **values: Any) -> Path:
    changed = cfg.clone()
    for key, value in values.items():
        changed.set(key, value)
    model = GeneralizedCNN(changed).eval()
    model.load_state_dict(torch.load(cfg.TEST.WEIGHTS, weights_only=True))
    return TASK.export(changed, model, folder / "model.onnx").path


@pytest.mark.parametrize("normalizes", [True, False])
def test_an_exported_classifier_says_the_same(tmp_path: Path, normalizes: bool) -> None:
    cfg = make(tmp_path, **CLASSIFIER)
    file = exported(cfg, tmp_path, **{"EXPORT.SIZE": [64, 64], "EXPORT.NORMALIZE": normalizes, "EXPORT.OUTPUT_NAMES": ["scores"]})
    path = write_image(tmp_path, 64, 64)
    one, other = predict(cfg, path, tmp_path / "torch")["classes"], predict(cfg, path, tmp_path / "onnx", file)["classes"]
    assert [entry["class"] for entry in one] == [entry["class"] for entry in other]
    np.testing.assert_allclose([entry["score"] for entry in one], [entry["score"] for entry in other], atol=1e-4)


def test_an_exported_detector_finds_the_same_in_coordinates_of_the_file(tmp_path: Path) -> None:
    cfg = make(tmp_path, **DETECTOR)
    file = exported(cfg, tmp_path, **{"EXPORT.SIZE": [64, 96]})
    # the file takes 64 x 96 only, so a larger image is resized and its boxes come back
    path = write_image(tmp_path, 128, 192)
    resized = cfg.clone()
    resized.set("TEST.TRANSFORMS", [{"name": "Resize", "size": [64, 96]}, "Normalize"])
    one, other = predict(resized, path, tmp_path / "torch"), predict(cfg, path, tmp_path / "onnx", file)
    assert len(one["objects"]) == len(other["objects"]) == 6
    for mine, theirs in zip(one["objects"], other["objects"], strict=True):
        assert (mine["class"], mine["mask"]["size"]) == (theirs["class"], [128, 192])
        np.testing.assert_allclose(mine["box"], theirs["box"], atol=0.5)
    assert max(entry["box"][2] for entry in other["objects"]) > 96
    # a smaller one is padded, and its boxes end where it ends
    smaller = write_image(tmp_path, 40, 72)
    found = predict(cfg, smaller, tmp_path / "smaller", file)["objects"]
    assert len(found) == 6
    assert max(entry["box"][2] for entry in found) <= 72
    assert max(entry["box"][3] for entry in found) <= 40
    batch = torch.zeros(1, 3, 64, 96)
    mean, std = (torch.tensor(numbers).view(3, 1, 1) for numbers in (IMAGENET_MEAN, IMAGENET_STD))
    image = torch.from_numpy(cv2.cvtColor(cv2.imread(str(smaller)), cv2.COLOR_BGR2RGB)).permute(2, 0, 1)
    batch[0, :, :40, :72] = (image / 255 - mean) / std
    model = GeneralizedCNN(cfg).eval()
    model.load_state_dict(torch.load(cfg.TEST.WEIGHTS, weights_only=True))
    with torch.inference_mode():
        (expected,) = model({"image": batch, "image_sizes": [(40, 72)]})
    np.testing.assert_allclose([entry["box"] for entry in found], expected["boxes"].numpy(), atol=0.1)


def test_pixels_through_windows_by_the_network_and_by_its_file(tmp_path: Path) -> None:
    cfg = make(tmp_path, **PIXELS)
    path = write_image(tmp_path, 96, 160)
    whole = predict(cfg, path, tmp_path / "whole")
    assert sum(entry["count"] for entry in whole["pixels"]) == 96 * 160
    predict(cfg, path, tmp_path / "windows", window=64)
    by_windows = read_label_image(tmp_path / "windows" / "a.png")
    assert (tmp_path / "windows" / "a_overlay.png").exists()
    assert by_windows.shape == (96, 160)
    predict(cfg, path, tmp_path / "one_window", window=512)
    assert np.array_equal(read_label_image(tmp_path / "one_window" / "a.png"), read_label_image(tmp_path / "whole" / "a_semseg.png"))
    file = exported(cfg, tmp_path, **{"EXPORT.SIZE": [64, 64]})
    predict(cfg, path, tmp_path / "file", file, window=64)
    assert (read_label_image(tmp_path / "file" / "a.png") == by_windows).mean() > 0.999
    fixed = predict(cfg, path, tmp_path / "fixed", file)
    assert sum(entry["count"] for entry in fixed["pixels"]) == 96 * 160


def test_windows_of_an_inference_are_those_of_a_test(tmp_path: Path) -> None:
    cfg = make(tmp_path, **DETECTOR)
    path = write_image(tmp_path, 96, 160)
    chosen = predict(cfg, path, tmp_path / "chosen", window=64)["objects"]
    cfg.set("TEST.SLIDING.SIZE", 64)
    assert predict(cfg, path, tmp_path / "set")["objects"] == chosen
    # six of each of the six windows, and of them those that are no pieces and no doubles
    assert 6 < len(chosen) <= 36
    cfg.set("TEST.WEIGHTS", "model.onnx")
    with pytest.raises(ConfigError, match="64 given .* but .*model.onnx is an exported file, which looks at whole images"):
        build_predictor(cfg, CPU)


def test_what_does_not_look_through_windows_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="window: 64 given, but MODEL.HAS_CLS is True, which does not look through windows"):
        build_predictor(make(tmp_path, **CLASSIFIER), CPU, window=64)
    with pytest.raises(ConfigError, match="window: -5 given, a number of pixels expected"):
        build_predictor(make(tmp_path, **CLASSIFIER), CPU, window=-5)


def test_files_that_cannot_predict_samples(tmp_path: Path) -> None:
    two = torch.nn.Conv2d(3, 2, 1)
    cfg = make(tmp_path, **CLASSIFIER)
    path = write_image(tmp_path, 64, 64)
    sizes = [{"EXPORT.SIZE": [64, 64], "EXPORT.BATCH": count} for count in (2, 1)]
    found = [predict(cfg, path, tmp_path / "out", exported(cfg, tmp_path, **size)) for size in sizes]
    assert found[0] == found[1], "a file that takes two images gets the image twice"
    export_onnx(two, {"x": torch.rand(1, 3, 8, 8)}, tmp_path / "other.onnx", output_names=["y"], dynamic=False)
    with pytest.raises(CheckpointError, match=r"other\.onnx: the ONNX file does not say its classes"):
        OnnxSamples(OnnxModel(tmp_path / "other.onnx"), transforms=lambda sample, rng: sample, seed=0)


def test_views_of_a_test_count_in_windows_and_are_refused_for_a_file(tmp_path: Path) -> None:
    cfg = make(tmp_path, **PIXELS)
    path = write_image(tmp_path, 64, 64)
    predict(cfg, path, tmp_path / "plain", window=64)
    file = exported(cfg, tmp_path, **{"EXPORT.SIZE": [64, 64]})
    cfg.set("TEST.VIEWS.FLIP", True)
    predict(cfg, path, tmp_path / "flipped", window=64)
    chosen = GeneralizedCNN(cfg).eval()
    chosen.load_state_dict(torch.load(cfg.TEST.WEIGHTS, weights_only=True))
    pixels = torch.from_numpy(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)).permute(2, 0, 1)[None]
    mean, std = (torch.tensor(numbers).view(3, 1, 1) for numbers in (IMAGENET_MEAN, IMAGENET_STD))
    images = (pixels / 255 - mean) / std
    with torch.inference_mode():
        network = PlainNetwork(chosen)
        both = network(images)[0].softmax(dim=1) + network(images.flip(-1))[0].softmax(dim=1).flip(-1)
    labels = both[0].argmax(dim=0).numpy()
    assert (read_label_image(tmp_path / "flipped" / "a.png") == labels).mean() > 0.999
    assert (read_label_image(tmp_path / "plain" / "a.png") != labels).any()
    with pytest.raises(ConfigError, match=r"TEST\.VIEWS: an exported network looks at an image once"):
        predict(cfg, path, tmp_path / "file", file)
