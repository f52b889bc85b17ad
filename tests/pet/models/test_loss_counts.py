"""Losses that are no means over samples: a batch in parts gives the gradients of the whole."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pet.losses.pixels.mixed import build_pixel_loss
from pet.models.detection.center_head import CenterHead
from pet.models.detection.identity_head import IdentityHead
from pet.models.features import Features
from pet.segmentation.model import Segmenter
from pet.vision import GeneralizedCNN, config
from petlib.engine.micro_batches import MicroBatchStep
from petlib.engine.state import BatchStream, TrainState
from petlib.solver.precision import MixedPrecision
from tests.pet.models import test_detection3d
from tests.pet.models.detection import test_center_head, test_identity_head
from tests.pet.models.detection3d.test_camera_head import sample_of
from tests.pet.segmentation.test_segmenter import Pointwise
from tests.pet.tasks.tddet import test_camera

BOXES = [torch.tensor([[4.0, 6, 25, 41], [40, 10, 75, 30]]), torch.tensor([[50.0, 20, 96, 64]]), torch.zeros(0, 4)]


class OnMaps(nn.Module):
    """A head on maps that are the images."""

    def __init__(self, head: CenterHead | IdentityHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, batch: dict[str, Any]) -> dict[str, dict[str, Tensor]]:
        images = batch["image"]
        features = Features(images, [(64, 96)] * len(images), [], {"0": images})
        return {"losses": self.head(features, batch, None).losses, "metrics": {}}

    def loss_counts(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        return self.head.loss_counts(batch)


def make_model(kind: str) -> tuple[nn.Module, dict[str, Any]]:
    torch.manual_seed(0)
    maps = torch.randn(3, 8, 16, 24)
    if kind == "segmenter":
        labels = torch.randint(0, 2, (3, 16, 24))
        labels[0, 1:], labels[2] = 255, 255
        loss = build_pixel_loss(["cross_entropy"], place="MODEL.LOSSES", channels=2)
        return Segmenter(network=Pointwise(2), loss=loss, output_weights=[1.0]), {"image": maps[:, :3], "semseg": labels}
    if kind == "centers":
        return OnMaps(test_center_head.make_head()), {"image": maps, "boxes": BOXES, "labels": test_center_head.LABELS}
    if kind == "fcos":
        return make_fcos(), {"image": torch.randn(3, 3, 72, 104), "boxes": BOXES, "labels": test_center_head.LABELS}
    if kind == "camera":
        return test_camera.build(), images_of_streets()
    if kind in ("pillar centers", "pillar anchors"):
        boxes = [test_detection3d.BOXES, test_detection3d.BOXES[:1], torch.zeros(0, 7)]
        labels = [torch.zeros(len(own), dtype=torch.int64) for own in boxes]
        points = [test_detection3d.some_points()] * 3
        return test_detection3d.small_detector(kind.removeprefix("pillar ")[:-1]), {"points": points, "boxes3d": boxes, "labels3d": labels}
    return OnMaps(test_identity_head.make_head()), {"image": maps, "boxes": BOXES, "identities": test_identity_head.IDENTITIES}


def make_fcos() -> GeneralizedCNN:
    cfg = config.get_base_cfg()
    settings = {
        "MODEL.HAS_BOX": True,
        "MODEL.NUM_CLASSES": 3,
        "MODEL.BACKBONE": "timm/test_resnet",
        "MODEL.NECK": "fpn",
        "MODEL.FPN.CHANNELS": 64,
        "MODEL.BOX.DETECTOR": "fcos",
        "MODEL.BOX.CONVOLUTIONS": 1,
    }
    for key, value in settings.items():
        cfg.set(key, value)
    config.infer_cfg(cfg)
    return GeneralizedCNN(cfg)


def images_of_streets() -> dict[str, Any]:
    samples = [sample_of(seed) for seed in range(3)]
    of_counts = [torch.from_numpy(own["boxes3d"])[:count] for own, count in zip(samples, (9, 1, 0), strict=True)]
    return {
        "image": torch.randn(3, 3, 64, 96),
        "boxes3d": of_counts,
        "labels3d": [torch.from_numpy(np.asarray(own["labels3d"]))[: len(boxes)] for own, boxes in zip(samples, of_counts, strict=True)],
        "image_sizes": [samples[0]["image"].shape[:2]] * 3,
        "meta": [own["meta"] for own in samples],
    }


def keep_statistics(model: nn.Module) -> nn.Module:
    """Return a model that learns, whose batch norms do not mix the samples of a batch."""
    for module in model.train().modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
    return model


@pytest.mark.parametrize("kind", ["segmenter", "centers", "identities", "fcos", "pillar centers", "pillar anchors", "camera"])
def test_parts_of_unlike_counts(kind: str) -> None:
    found = []
    for size in (3, 1):
        model, batch = make_model(kind)
        keep_statistics(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        state = TrainState(model, {"main": optimizer}, {}, max_iter=1, iterations_per_epoch=1, checkpointer=None)  # type: ignore[arg-type]
        precision = MixedPrecision(enabled=False, dtype="bf16", device=torch.device("cpu"))
        step = MicroBatchStep(size=size, accumulation=1, clipper=None, precision=precision, metrics=False)
        step(state, BatchStream(iter([batch])), lambda _: None)
        gradients = [value.grad for value in model.parameters() if value.grad is not None]
        found.append((torch.cat([gradient.flatten() for gradient in gradients]), state.storage.pending_totals()[0]))
    (whole, loss), (parts, other) = found
    assert whole.abs().max() > 0
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-5 * max(0.1, whole.abs().max().item()))
    assert other.item() == pytest.approx(loss.item(), rel=1e-5)
