"""All heads compute with ``MISC.CHANNELS_LAST`` what they do without it: losses, gradients, and predictions."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from pet.vision import GeneralizedCNN
from pet.vision.model import add_training_parts
from petlib.engine.model import CHANNELS_LAST
from tests.pet.vision.test_detection_models import make_batch, make_cfg

REGIONS = ("BOX", "MASK", "KEYPOINTS", "PARSING", "SURFACE", "SEMSEG")
SURFACE = {"MODEL.SURFACE.CHANNELS": [8], "MODEL.SURFACE.POOL": 8}
COUNTING = {"MODEL.NECK": "", "MODEL.BACKBONE_ARGS": {"out_indices": [2]}}
MODELS: dict[str, tuple[str, Sequence[str], Mapping[str, Any]]] = {
    "faster_rcnn": ("faster_rcnn", REGIONS, SURFACE),
    "context": ("faster_rcnn", ("BOX", "PARSING", "SURFACE"), {**SURFACE, "MODEL.SURFACE.CONTEXT": True, "MODEL.SURFACE.DECODER": True}),
    "cascade_rcnn": ("cascade_rcnn", ("BOX", "MASK", "KEYPOINTS"), {}),
    "retinanet": ("retinanet", ("BOX", "IDENTITY"), {}),
    "fcos": ("fcos", ("BOX", "SEMSEG"), {}),
    "centernet": ("centernet", ("BOX", "IDENTITY"), {}),
    "density": ("faster_rcnn", ("DENSITY",), {**COUNTING, "MODEL.DENSITY.TRANSPORT.WEIGHT": 0.1}),
    "dots": ("faster_rcnn", ("DOTS",), {**COUNTING, "MODEL.DOTS.CHANNELS": 16}),
    "cls": ("faster_rcnn", ("CLS",), {"MODEL.NECK": ""}),
}


def batch_of_all() -> dict[str, Any]:
    batch = make_batch()
    batch["identities"] = [torch.arange(len(one)) for one in batch["boxes"]]
    batch["dots"] = [(one[:, :2] + one[:, 2:]) / 2 for one in batch["boxes"]]
    batch["dot_labels"] = [torch.zeros(len(one), dtype=torch.int64) for one in batch["boxes"]]
    points = torch.tensor([[[20.0, 20, 2, 0.2, 0.8, 3, 0.8, 0.8], [30, 38, 1, 0.5, 0.5, 1, 0.5, 0.5]]])
    batch["surface"] = [points.repeat(len(one), 1, 1) for one in batch["boxes"]]
    batch["surface_masks"], batch["label"] = batch["masks"], torch.tensor([1, 2])
    return batch


def build(name: str) -> GeneralizedCNN:
    detector, heads, settings = MODELS[name]
    torch.manual_seed(0)
    identities = {"MODEL.IDENTITY.NUM_IDENTITIES": 3} if "IDENTITY" in heads else {}
    cfg = make_cfg(
        detector,
        heads,
        **{"MODEL.BACKBONE": "timm/test_resnet", **settings, **identities, "MODEL.BOX.ROI.HIDDEN": 32, "TEST.SCORE_THRESHOLD": 0.0},
    )
    model = GeneralizedCNN(cfg)
    add_training_parts(cfg, model)
    if detector == "centernet":
        # scores that lie apart: the order of the objects is not to hang on the last digit
        torch.nn.init.normal_(model.get_parameter("heads.box.heatmap.2.weight"))
    return model


def run(model: GeneralizedCNN, batch: dict[str, Any]) -> tuple[dict[str, Tensor], dict[str, Tensor], list[dict[str, Tensor]]]:
    """Return the losses of a model, the gradients that follow from them, and its predictions."""
    torch.manual_seed(1)
    losses = model.train()(batch)["losses"]
    sum(losses.values(), torch.zeros(())).backward()
    gradients = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    with torch.no_grad():
        return losses, gradients, model.eval()(batch)


@pytest.mark.parametrize("name", MODELS)
def test_channels_last_changes_nothing(name: str) -> None:
    model, batch = build(name), batch_of_all()
    changed = copy.deepcopy(model)
    for tensor in (*changed.parameters(), *changed.buffers()):
        tensor.data = tensor.data.contiguous(memory_format=CHANNELS_LAST.get(tensor.ndim, torch.contiguous_format))
    losses, gradients, predictions = run(model, batch)
    image = batch["image"].contiguous(memory_format=torch.channels_last)
    others = run(changed, {**batch, "image": image})
    torch.testing.assert_close(others[0], losses, rtol=1e-5, atol=1e-5)
    assert others[1].keys() == gradients.keys()
    # some are the rounding errors of a sum that is 0
    limit = 1e-4 * torch.stack([gradient.norm() for gradient in gradients.values()]).norm()
    assert {weight for weight, gradient in gradients.items() if (others[1][weight] - gradient).norm() > limit} == set()
    torch.testing.assert_close(others[2], predictions, rtol=1e-5, atol=1e-5)
