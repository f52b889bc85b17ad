"""D-FINE in the general CNN: its losses are those of the library and of the paper, the same however a batch is divided."""

import sys
from importlib import import_module
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from pet.losses.fine_grained import EdgeShare, distillation_loss, fine_grained_loss
from pet.losses.set_prediction import Costs, Matches, box_losses, match_queries, matched_overlaps, varifocal_loss
from pet.models.detr.dfine import DFineHead, EdgeScale
from pet.models.detr.head import objects_of
from pet.vision import GeneralizedCNN
from pet.vision.export import PlainNetwork, TracedNetwork, check_exportable
from petlib.config import ConfigError
from petlib.data.reader import DRAW
from petlib.distributed.process_group import rank, world_size
from petlib.engine.step import TARGET_COUNTS, CountsTargets
from tests.conftest import RunRanks
from tests.pet.models.detr.conftest import BATCH, make_cfg, make_model, part_of

LOSSES = {"loss_score", "loss_box", "loss_overlap", "loss_edge", "loss_distillation", "loss_denoising"}


@pytest.fixture(scope="module")
def model() -> GeneralizedCNN:
    return make_model("dfine", **{"TEST.DETECTIONS_PER_IMAGE": 8})


def keep_statistics(model: nn.Module) -> nn.Module:
    """Return a model in training whose batch norms do not mix the images of a batch."""
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    return model


def test_it_learns_with_and_without_objects(model: GeneralizedCNN) -> None:
    losses = model.train()(BATCH)["losses"]
    assert set(losses) == LOSSES
    torch.stack([*losses.values()]).sum().backward()
    missing = [name for name, one in model.named_parameters() if one.requires_grad and (one.grad is None or not one.grad.isfinite().all())]
    assert not missing, "every process has to send gradients of every weight"
    model.zero_grad()
    losses = model(part_of(BATCH, 1, 2))["losses"]
    assert [losses[name].item() for name in ("loss_box", "loss_overlap", "loss_edge")] == [0.0] * 3
    torch.stack([*losses.values()]).sum().backward()
    assert all(one.grad is not None for one in model.parameters() if one.requires_grad)


def test_detections_are_pairs_of_query_and_class_inside_of_the_image(model: GeneralizedCNN) -> None:
    with torch.inference_mode():
        found = model.eval()({**BATCH, "image_sizes": [(64, 96), (40, 50), (64, 96), (64, 90)]})
    for image, (height, width) in zip(found, ((64, 96), (40, 50), (64, 96), (64, 90)), strict=True):
        assert len(image["boxes"]) <= 8
        assert (image["scores"].diff() <= 0).all()
        assert image["labels"].dtype == torch.int64
        assert (image["boxes"][:, 2:] > image["boxes"][:, :2]).all()
        assert (image["boxes"] >= 0).all()
        assert (image["boxes"][:, 2:] <= torch.tensor([width, height])).all()


@pytest.mark.parametrize("draws", [True, False])
def test_the_parts_of_a_step_have_the_losses_of_the_whole_batch(draws: bool) -> None:
    model = keep_statistics(make_model("dfine", **({} if draws else {"MODEL.BOX.DFINE.ARGS": no_denoising()})))
    batch = {**BATCH, "meta": [{DRAW: (0, place)} for place in range(4)]} if draws else BATCH
    assert isinstance(model, CountsTargets)
    count = model.count_targets
    assert count is not None
    with torch.no_grad():
        whole = model(batch)["losses"]
        parts = [part_of(batch, 0, 2), part_of(batch, 2, 4)]
        counts = torch.stack([count(part) for part in parts])
        divided = [model({**part, TARGET_COUNTS: counts})["losses"] for part in parts]
    for name, value in whole.items():
        mean = torch.stack([part[name] for part in divided]).mean()
        torch.testing.assert_close(mean, value, rtol=1e-6, atol=1e-6, msg=lambda text, name=name: f"{name}: {text}")


def losses_of_rank() -> dict[str, Tensor]:
    """Return the losses of this process's share of the batch."""
    model = keep_statistics(make_model("dfine"))
    size = 4 // world_size()
    part = part_of({**BATCH, "meta": [{DRAW: (0, place)} for place in range(4)]}, rank() * size, (rank() + 1) * size)
    with torch.no_grad():
        losses: dict[str, Tensor] = model(part)["losses"]
    return losses


@pytest.mark.nightly
def test_two_processes_have_the_losses_of_one(run_ranks: RunRanks) -> None:
    alone, together = losses_of_rank(), run_ranks(losses_of_rank, 2)
    for name, value in alone.items():
        torch.testing.assert_close(torch.stack([one[name] for one in together]).mean(), value, rtol=1e-6, atol=1e-6)


def test_without_the_extra_one_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers.models.d_fine.configuration_d_fine", None)
    with pytest.raises(ConfigError, match=r"need transformers, which cannot be imported .*pip install 'pet-vision\[detr\]'"):
        make_model("dfine")


def no_denoising() -> dict[str, Any]:
    return {**make_cfg("dfine").MODEL.BOX.DFINE.ARGS, "num_denoising": 0}


def test_each_loss_is_that_of_the_library() -> None:
    config = cast("Any", cast("DFineHead", make_model("dfine").heads["box"]).network).config
    theirs = import_module("transformers.loss.loss_d_fine").DFineLoss(config)
    generator = torch.Generator().manual_seed(1)
    logits, teacher = torch.randn(1, 4, 20, 3, generator=generator), torch.randn(4, 20, 3, generator=generator)
    boxes, starts = (torch.rand(1, 4, 20, 4, generator=generator) * 0.5 + 0.25 for _ in range(2))
    edges = torch.randn(2, 4, 20, 4, 33, generator=generator)
    objects = objects_of(BATCH, BATCH["image"], most=3)
    targets = [{"class_labels": labels, "boxes": own[: len(labels)]} for labels, own in zip(BATCH["labels"], objects.boxes, strict=True)]
    outputs = {
        "logits": logits[0],
        "pred_boxes": boxes[0],
        "pred_corners": edges[0].flatten(2),
        "ref_points": starts[0],
        "teacher_corners": edges[1].flatten(2),
        "teacher_logits": teacher,
    }
    pairs = theirs.matcher(outputs, targets)
    matches = match_queries(logits, boxes, objects, Costs(2.0, 5.0, 2.0))
    for image, (queries, found) in enumerate(pairs):
        own = matches.images == image
        assert matches.queries[own].tolist() == queries.tolist()
        assert matches.objects[own].tolist() == found.tolist()
    of_kinds = [theirs.get_loss(kind, outputs, targets, pairs, 6.0) for kind in ("vfl", "boxes", "local")]
    expected = {name: value for losses in of_kinds for name, value in losses.items()}
    overlaps = matched_overlaps(boxes, objects, matches)
    absolute, overlap = box_losses(boxes, objects, matches, count=6.0)
    own: dict[str, Tensor] = {
        "loss_vfl": varifocal_loss(logits, overlaps, objects.labels, matches, alpha=0.75, gamma=2.0) / 6,
        "loss_bbox": absolute,
        "loss_giou": overlap,
        "loss_fgl": fine_grained_loss(
            edges[:1], starts, overlaps, objects, matches, scale=EdgeScale(torch.tensor([0.5]), torch.tensor([4.0])), count=6.0
        ),
        "loss_ddf": distillation_loss(edges, teacher, overlaps, Matches(*matches), share=EdgeShare(4 * 6.0, 4 * (4 * 20 - 6.0))),
    }
    assert set(own) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(own[name], value, rtol=1e-5, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}")


def test_what_is_traced_finds_what_the_model_finds(model: GeneralizedCNN) -> None:
    images = BATCH["image"][:1]
    for size in (None, torch.tensor([50, 70])):
        with torch.inference_mode():
            expected, found = PlainNetwork(model.eval())(images, size), TracedNetwork(model.eval())(images, size)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"num_querys": 5}, r"num_querys is no field of transformers.DFineConfig.*num_queries"),
        ({"num_labels": 5}, "num_labels is no field"),
        ({"d_model": 33}, "does not take"),
    ],
)
def test_arguments_that_the_library_does_not_take_are_named(args: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        make_model("dfine", **{"MODEL.BOX.DFINE.ARGS": args})
    assert "MODEL.BOX.DFINE.ARGS" in str(raised.value)


def test_other_heads_have_no_maps_to_look_at() -> None:
    with pytest.raises(ConfigError, match=r"MODEL\.HAS_SEMSEG: True needs the maps of a backbone, which MODEL\.BOX\.DETECTOR dfine"):
        make_cfg("dfine", **{"MODEL.HAS_SEMSEG": True})


def test_files_of_any_size_are_refused_before_anything_is_traced() -> None:
    with pytest.raises(ConfigError, match=r"EXPORT\.DYNAMIC: True"):
        check_exportable(make_cfg("dfine", **{"EXPORT.DYNAMIC": True}))
