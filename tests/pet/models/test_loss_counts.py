"""Losses that are no means over samples: a batch in parts gives the gradients of the whole."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pet.losses.pixels.mixed import build_pixel_loss
from pet.models.detection.center_head import CenterHead
from pet.models.detection.identity_head import IdentityHead
from pet.models.features import Features
from pet.segmentation.model import Segmenter
from petlib.engine.micro_batches import MicroBatchStep
from petlib.engine.state import BatchStream, TrainState
from petlib.solver.precision import MixedPrecision
from tests.pet.models.detection import test_center_head, test_identity_head
from tests.pet.segmentation.test_segmenter import Pointwise

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
    return OnMaps(test_identity_head.make_head()), {"image": maps, "boxes": BOXES, "identities": test_identity_head.IDENTITIES}


@pytest.mark.parametrize("kind", ["segmenter", "centers", "identities"])
def test_parts_of_unlike_counts(kind: str) -> None:
    found = []
    for size in (3, 1):
        model, batch = make_model(kind)
        model.train()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        state = TrainState(model, {"main": optimizer}, {}, max_iter=1, iterations_per_epoch=1, checkpointer=None)  # type: ignore[arg-type]
        precision = MixedPrecision(enabled=False, dtype="bf16", device=torch.device("cpu"))
        step = MicroBatchStep(size=size, accumulation=1, clipper=None, precision=precision, metrics=False)
        step(state, BatchStream(iter([batch])), lambda _: None)
        gradients = [value.grad for value in model.parameters() if value.grad is not None]
        found.append((torch.cat([gradient.flatten() for gradient in gradients]), state.storage.pending_totals()[0]))
    (whole, loss), (parts, other) = found
    assert whole.abs().max() > 0
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-6)
    assert other.item() == pytest.approx(loss.item(), rel=1e-5)
