"""Exported detectors in the place of the trained ones: an evaluation gets the boxes of the network itself."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pet.data.datasets.streets3d_camera import CALIBRATION
from pet.data.transforms.geometry import Resize
from pet.data.transforms.normalize import Normalize
from pet.exporting.description import ModelDescription
from pet.exporting.rewriting import InputNormalization
from pet.exporting.task import find_normalize
from pet.tasks.tddet import config
from pet.tasks.tddet.task import TASK
from petlib.config import CfgNode

IMAGE = (64, 192)


class NetworkAsFile:
    """Computes what an exported file would, by PyTorch."""

    def __init__(self, network: nn.Module, inputs: dict[str, Any], outputs: list[str]) -> None:
        self.path, self.inputs, self.outputs = Path("net.onnx"), inputs, outputs
        self.dtypes = {name: np.dtype(np.float32) for name in inputs}
        self.metadata = ModelDescription((), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), normalizes=True).to_metadata()
        self._network = network.eval()

    def __call__(self, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        with torch.inference_mode():
            return [value.numpy() for value in self._network(*map(torch.from_numpy, arrays.values()))]


def make_cfg(**values: Any) -> CfgNode:
    cfg: CfgNode = config.get_base_cfg()
    for key, value in {"TEST.SCORE_THRESHOLD": 0.0, "TEST.MAX_BOXES": 20, **values}.items():
        cfg.set(key, value)
    config.infer_cfg(cfg)
    cfg.freeze()
    torch.manual_seed(0)
    return cfg


def assert_same_boxes(found: list[dict[str, torch.Tensor]], expected: list[dict[str, torch.Tensor]]) -> None:
    assert [len(one["boxes3d"]) for one in found] == [len(one["boxes3d"]) for one in expected]
    for ours, theirs in zip(found, expected, strict=True):
        for name, value in theirs.items():
            torch.testing.assert_close(ours[name], value, rtol=1e-4, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}")  # type: ignore[misc]


@pytest.mark.parametrize("head", ["center", "anchor"])
def test_points(head: str) -> None:
    small = {"MODEL.WIDTH": 8, "MODEL.BLOCKS.CHANNELS": [8, 8, 8], "MODEL.BLOCKS.LAYERS": [1, 1, 1], "MODEL.BLOCKS.UP_CHANNELS": 8}
    cfg = make_cfg(**small, **{"MODEL.HEAD": head, "MODEL.RANGE": [0.0, -12.8, -3.0, 25.6, 12.8, 2.0], "MODEL.PILLAR": 0.4})
    model = TASK.build_model(cfg).eval()
    exported = TASK.build_export_network(cfg, model)
    layers = [name for name, _ in exported.network.named_parameters() if any(re.search(own, name) for own in exported.float_layers)]
    assert layers and all(name.startswith("detector.encoder.") for name in layers), "metres do not fit into 8 bits"
    file = NetworkAsFile(exported.network, {"points": ("count", 4)}, ["boxes3d", "scores3d", "labels3d"])
    batch = {"points": [torch.rand(count, 4) * torch.tensor([25.0, 20.0, 3.0, 1.0]) - torch.tensor([0, 10, 2, 0]) for count in (300, 200)]}
    with torch.inference_mode():
        expected = model(batch)
    assert len(expected[0]["boxes3d"]) > 5
    assert_same_boxes(TASK.build_exported_model(cfg, file)(batch), expected)


@pytest.mark.parametrize("size", [IMAGE, (32, 96)])
def test_a_camera(size: tuple[int, int]) -> None:
    network = {"MODEL.BACKBONE": "timm/test_resnet", "MODEL.DLA_UP.CHANNELS": 8, "MODEL.DLA_UP.DEFORMABLE": False, "MODEL.CAMERA.HIDDEN": 8}
    cfg = make_cfg(**network, **{"MODEL.HEAD": "camera", "MODEL.CAMERA.FOCAL": 123.0, "TEST.TRANSFORMS": ["Normalize"]})
    model = TASK.build_model(cfg).eval()
    normalize = find_normalize(cfg)
    whole = InputNormalization(TASK.build_export_network(cfg, model).network, mean=normalize.mean, std=normalize.std)
    file = NetworkAsFile(whole, {"images": (1, 3, *size)}, ["views3d", "scores3d", "labels3d"])
    pixels = np.random.default_rng(0).integers(0, 256, (2, *IMAGE, 3)).astype(np.float32)
    metas = [{"calibration": CALIBRATION, "size": IMAGE, "matrix": np.diag([0.5, 0.5, 1.0])} for _ in pixels]
    found = TASK.build_exported_model(cfg, file)({"image": as_batch(normalize, list(pixels)), "meta": metas})
    rng = np.random.default_rng(0)
    seen = [Resize(size=size)({"image": image, "meta": meta}, rng) for image, meta in zip(pixels, metas, strict=True)]
    with torch.inference_mode():
        batch = {"image": as_batch(normalize, [sample["image"] for sample in seen]), "meta": [sample["meta"] for sample in seen]}
        expected = model(batch)
    assert len(expected[0]["boxes3d"]) > 5
    assert_same_boxes(found, expected)


def as_batch(normalize: Normalize, images: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack([normalize.normalized(image).transpose(2, 0, 1) for image in images]))
