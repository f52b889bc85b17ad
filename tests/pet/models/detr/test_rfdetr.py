"""RF-DETR in the general CNN: its loss is that of the library, the same however a batch is divided."""

from pathlib import Path
from typing import Any, cast

import pytest
import torch
import yaml

from pet.models.detr.head import objects_of
from pet.models.detr.rfdetr import RfDetrHead
from pet.vision import GeneralizedCNN, config
from pet.vision.export import PlainNetwork, TracedNetwork
from petlib.config import load_cfg
from petlib.config.usage import unused_settings
from petlib.engine.step import TARGET_COUNTS
from tests.pet.models.detr.conftest import BATCH, make_model, part_of


@pytest.fixture(scope="module")
def model() -> GeneralizedCNN:
    return make_model("rfdetr", **{"TEST.DETECTIONS_PER_IMAGE": 8})


def test_its_loss_is_that_of_the_library(model: GeneralizedCNN) -> None:
    losses = model.train()(BATCH)["losses"]
    assert set(losses) == {"loss_score", "loss_box", "loss_overlap"}
    head = cast("RfDetrHead", model.heads["box"])
    images = head.fit(BATCH["image"])
    assert images.shape == (4, 3, 96, 96), "windows are square"
    objects = objects_of(BATCH, images, most=3)
    targets = [{"class_labels": labels, "boxes": own[: len(labels)]} for labels, own in zip(BATCH["labels"], objects.boxes, strict=True)]
    theirs: Any = head.network(images, labels=targets)
    assert theirs.loss.item() == pytest.approx(sum(value.item() for value in losses.values()), rel=1e-5)


def test_every_weight_learns(model: GeneralizedCNN) -> None:
    for batch in (BATCH, part_of(BATCH, 1, 2)):
        model.zero_grad()
        torch.stack([*model.train()(batch)["losses"].values()]).sum().backward()
        assert not [name for name, one in model.named_parameters() if one.grad is None or not one.grad.isfinite().all()]


def test_the_parts_of_a_step_have_the_losses_of_the_whole_batch(model: GeneralizedCNN) -> None:
    count = model.count_targets
    assert count is not None
    parts = [part_of(BATCH, 0, 2), part_of(BATCH, 2, 4)]
    with torch.no_grad():
        whole = model.train()(BATCH)["losses"]
        counts = torch.stack([count(part) for part in parts])
        divided = [model({**part, TARGET_COUNTS: counts})["losses"] for part in parts]
    for name, value in whole.items():
        torch.testing.assert_close(torch.stack([part[name] for part in divided]).mean(), value, rtol=1e-6, atol=1e-6)


def test_what_is_traced_finds_what_the_model_finds(model: GeneralizedCNN) -> None:
    images = BATCH["image"][:1]
    with torch.inference_mode():
        expected, found = PlainNetwork(model.eval())(images), TracedNetwork(model.eval())(images)
    assert len(expected[0]) > 0
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_settings_of_parts_that_it_does_not_have_are_not_used(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    settings = {
        "MODEL": {"HAS_BOX": True, "NUM_CLASSES": 3, "NECK": "fpn", "FROZEN_BN": True, "BOX": {"DETECTOR": "rfdetr"}},
        "SOLVER": {"SCHEDULER": {"TOTAL_ITERS": 1}},
        "TEST": {"NMS": 0.3},
    }
    path.write_text(yaml.safe_dump(settings))
    unused = sorted(setting.key for setting in unused_settings(load_cfg(config, path)))
    assert unused == ["MODEL.FROZEN_BN", "MODEL.NECK", "TEST.NMS"]
