"""Two students, two teachers: what they learn from whom."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pet.losses.pixels.mixed import build_pixel_loss
from pet.models.segmentation.network import SegmentationNetwork
from pet.projects.landcover import build_model, config, growing_momentum, load_students
from pet.projects.landcover.cutmix import mix
from pet.projects.landcover.mutual_distillation import MutualDistillation
from pet.segmentation import build_model as build_segmenter
from pet.segmentation.model import Segmenter
from petlib import distributed
from petlib.config import CfgNode
from petlib.engine.hooks.teacher import TeacherHook
from petlib.engine.state import LeftOut, TrainState
from petlib.solver import build_optimizer
from tests.conftest import RunRanks

CLASSES = 3


class Tiny(SegmentationNetwork):
    """A classifier of pixels, with an auxiliary output where that is wanted."""

    def __init__(self, channels: int = CLASSES, outputs: int = 1) -> None:
        super().__init__(stride=1, num_outputs=outputs)
        self.heads = nn.ModuleList(nn.Conv2d(3, channels, 1) for _ in range(outputs))
        self.norm = nn.BatchNorm2d(3)

    def predict(self, images: Tensor, images2: Tensor | None = None) -> list[Tensor]:
        features = self.norm(images)
        return [head(features) for head in (self.heads if self.training else self.heads[:1])]


def make_model(seed: int = 0, *, channels: int = CLASSES, outputs: int = 1, **arguments: Any) -> MutualDistillation:
    torch.manual_seed(seed)
    loss = build_pixel_loss(["cross_entropy"], place="MODEL.LOSSES", channels=2)
    weights = [1.0, 0.4][:outputs]
    students = [Segmenter(network=Tiny(channels, outputs), loss=loss, output_weights=weights) for _ in range(2)]
    return MutualDistillation(students=students, **{"teacher_weight": 1.5, "student_weight": 1.0, **arguments}).train()


def make_batch(seed: int = 0, *, size: int = 6) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(seed)
    images = {name: torch.randn(2, 3, size, size, generator=generator) for name in ("image", "unlabelled", "unlabelled_strong")}
    return {
        **images,
        "semseg": torch.randint(0, CLASSES, (2, size, size), generator=generator).to(torch.uint8),
        "unlabelled_outside": torch.zeros(2, size, size, dtype=torch.bool),
        "unlabelled_own": torch.rand(2, size, size, generator=generator) < 0.5,
    }


def total(model: MutualDistillation, batch: dict[str, Any]) -> Tensor:
    return torch.stack(list(model(batch)["losses"].values())).sum()


def make_cfg(**values: Any) -> CfgNode:
    cfg = config.get_base_cfg()
    settings = {
        "MODEL.NETWORK": "unet",
        "MODEL.NETWORK_ARGS": {"encoder": "timm/test_resnet"},
        "DATA.CLASSES": ["field", "forest", "lake"],
        "SEMI.ENABLED": True,
    }
    for name, value in (settings | values).items():
        cfg.set(name, value)
    config.infer_cfg(cfg)
    return cfg


def test_the_momentum_rises_to_its_end() -> None:
    momentum = growing_momentum(0.7)
    assert [momentum(iteration) for iteration in (0, 1, 2, 99)] == [0.5, pytest.approx(2 / 3), 0.7, 0.7]
    assert [growing_momentum(0.4)(iteration) for iteration in (0, 1)] == [0.4, 0.4]


def test_a_teacher_is_the_moving_average_of_its_student() -> None:
    model = make_model()
    first, second = (network.heads[0].weight for network in model.student_networks)
    teachers = [teacher.heads[0].weight for teacher in model.teachers]
    assert torch.equal(teachers[0], first)
    assert torch.equal(teachers[1], second)
    assert not torch.equal(first, second)
    before = [teacher.clone() for teacher in teachers]
    with torch.no_grad():
        first += 1.0
        second -= 2.0
    hook = TeacherHook(momentum=growing_momentum(0.4))
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    left_out = LeftOut([float("nan")], [])
    hook.after_step(cast(TrainState, SimpleNamespace(network=model, iteration=5, left_out=left_out)))
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    hook.after_step(cast(TrainState, SimpleNamespace(network=model, iteration=5, left_out=None)))
    torch.testing.assert_close(teachers[0], before[0] + 0.6)
    torch.testing.assert_close(teachers[1], before[1] - 1.2)


def test_losses_are_those_of_the_paper() -> None:
    model, batch = make_model(), make_batch()
    model.teachers[0].heads[0].weight.neg_()
    outputs = model(batch)
    own = batch["unlabelled_own"]
    first, second = (torch.cat([network(batch["image"])[0], network(batch["unlabelled_strong"])[0]]) for network in model.student_networks)
    labels = []
    for teacher in model.teachers:
        weak = teacher(batch["unlabelled"])[0].argmax(dim=1)
        labels.append(torch.cat([teacher(batch["image"])[0].argmax(dim=1), torch.where(own, weak, weak.roll(-1, 0))]))
    truth = batch["semseg"].long()
    expected = {
        "loss_supervised_1": functional.cross_entropy(first[:2], truth),
        "loss_supervised_2": functional.cross_entropy(second[:2], truth),
        "loss_mutual_1": 1.5 * functional.cross_entropy(first, labels[1]),
        "loss_mutual_2": 1.5 * functional.cross_entropy(second, labels[0]),
        "loss_peer_1": functional.cross_entropy(first, second.argmax(dim=1)),
        "loss_peer_2": functional.cross_entropy(second, first.argmax(dim=1)),
    }
    assert outputs["losses"].keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(outputs["losses"][name], value, msg=name)
    torch.testing.assert_close(outputs["metrics"]["agreement"], (labels[0] == labels[1]).float().mean())
    torch.testing.assert_close(outputs["metrics"]["accuracy"], (first[:2].argmax(dim=1) == truth).float().mean())


def test_teachers_have_no_gradients_and_students_have() -> None:
    model = make_model(outputs=2)
    total(model, make_batch()).backward()
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in model.teachers.parameters())
    for network in model.student_networks:
        assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in network.parameters())


def test_teachers_have_no_state_in_the_optimizer_but_are_in_the_state_dict() -> None:
    cfg = make_cfg()
    model = build_model(cfg)
    assert isinstance(model, MutualDistillation)
    optimized = {id(parameter) for group in build_optimizer(model, cfg).param_groups for parameter in group["params"]}
    assert optimized == {id(parameter) for network in model.student_networks for parameter in network.parameters()}
    state = model.state_dict()
    assert {name.split(".")[0] for name in state} == {"network", "second_network", "teachers"}
    assert {name for name in state if name.startswith("network.")} == set(build_segmenter(cfg).state_dict())


def test_unsure_labels_are_not_taught() -> None:
    model, batch = make_model(threshold=0.9999), make_batch()
    losses = model(batch)["losses"]
    assert losses["loss_mutual_1"] == losses["loss_mutual_2"] == 0
    assert losses["loss_peer_1"] > 0


def test_pixels_outside_of_an_unlabelled_image_do_not_count() -> None:
    batch = make_batch()
    own, outside = batch["unlabelled_own"], torch.zeros(2, 6, 6, dtype=torch.bool)
    outside[0, :, 3:] = True
    batch["unlabelled_outside"] = outside
    hidden = torch.where(own, outside, outside.roll(-1, 0))
    model = make_model()
    for network in (*model.student_networks, *model.teachers):
        # in training mode it would spread the change of a pixel to all
        network.norm = nn.Identity()
    before = model(batch)["losses"]
    batch["unlabelled_strong"] = batch["unlabelled_strong"] + 10 * torch.randn(2, 1, 6, 6) * hidden[:, None]
    after = model(batch)["losses"]
    assert hidden.any()
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, msg=name)
    batch["unlabelled_strong"] = batch["unlabelled_strong"] + 10 * torch.randn(2, 1, 6, 6) * ~hidden[:, None]
    assert not torch.allclose(model(batch)["losses"]["loss_mutual_1"], before["loss_mutual_1"])


@pytest.mark.parametrize("channels", [1, 2])
def test_losses_are_finite_where_no_pixel_counts(channels: int) -> None:
    model, batch = make_model(channels=channels, threshold=0.99999), make_batch()
    batch["semseg"].fill_(255)
    batch["unlabelled_outside"].fill_(True)
    outputs = model(batch)
    sum(outputs["losses"].values()).backward()
    assert all(torch.isfinite(value) for value in [*outputs["losses"].values(), *outputs["metrics"].values()])
    assert outputs["losses"]["loss_supervised_1"] == 0
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.network.parameters())


def test_without_cutmix_views_stay_as_they_are() -> None:
    batch = make_batch()
    batch.pop("unlabelled_own")
    plain = make_model()(batch)["losses"]
    batch["unlabelled_own"] = torch.ones(2, 6, 6, dtype=torch.bool)
    own = make_model()(batch)["losses"]
    assert all(torch.equal(plain[name], own[name]) for name in plain)


def test_mixing_takes_the_next_image_elsewhere() -> None:
    values = torch.tensor([[1, 1], [2, 2], [3, 3]])
    own = torch.tensor([[True, False], [False, True], [True, False]])
    assert mix(values, own).tolist() == [[1, 2], [3, 2], [3, 1]]


def test_the_first_student_is_what_is_evaluated() -> None:
    model, batch = make_model().eval(), {"image": torch.randn(1, 3, 5, 7)}
    (found,), (expected,) = model(batch), model.student(0).eval()(batch)
    assert found["semseg"].shape == (5, 7)
    assert torch.equal(found["semseg"], expected["semseg"])


def test_without_unlabelled_images_the_model_is_a_plain_segmenter() -> None:
    assert type(build_model(make_cfg(**{"SEMI.ENABLED": False}))) is Segmenter


def test_weights_of_a_backbone_go_into_both_students(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = build_segmenter(make_cfg())
    torch.save(source.network.backbone.state_dict(), tmp_path / "backbone.pth")
    cfg = make_cfg(**{"TRAIN.WEIGHTS": str(tmp_path / "backbone.pth")})
    model = build_model(cfg)
    assert isinstance(model, MutualDistillation)
    load_students(model, cfg)
    expected = dict(source.network.backbone.named_parameters())
    for network in (*model.student_networks, *model.teachers):
        assert all(torch.equal(value, expected[name]) for name, value in network.backbone.named_parameters())
    first, second = (network.classifier.state_dict() for network in model.student_networks)
    assert any(not torch.equal(first[name], second[name]) for name in first)
    assert "very same weights" not in caplog.text


def test_weights_of_a_segmenter_leave_the_students_nothing_to_teach(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    torch.save(build_segmenter(make_cfg()).state_dict(), tmp_path / "segmenter.pth")
    cfg = make_cfg(**{"TRAIN.WEIGHTS": str(tmp_path / "segmenter.pth")})
    model = build_model(cfg)
    assert isinstance(model, MutualDistillation)
    load_students(model, cfg)
    assert "TRAIN.WEIGHTS: both students begin with the very same weights" in caplog.text


def test_a_checkpoint_gives_each_student_its_own_weights(tmp_path: Path) -> None:
    source = build_model(make_cfg())
    torch.save(source.state_dict(), tmp_path / "semi.pth")
    cfg = make_cfg(**{"TRAIN.WEIGHTS": str(tmp_path / "semi.pth")})
    model = build_model(cfg)
    assert isinstance(model, MutualDistillation)
    load_students(model, cfg)
    expected = source.state_dict()
    loaded = model.state_dict()
    assert all(torch.equal(loaded[name], expected[name]) for name in expected if not name.startswith("teachers"))


def learn_on_a_rank() -> list[Tensor]:
    model = make_model(outputs=2)
    parallel = distributed.parallelize(model, "ddp", device=torch.device("cpu"))
    optimizer = torch.optim.SGD([parameter for parameter in model.parameters() if parameter.requires_grad], lr=0.1)
    for iteration in range(2):
        optimizer.zero_grad()
        total(cast(MutualDistillation, parallel), make_batch(10 * iteration + distributed.rank())).backward()
        optimizer.step()
        model.update_teacher(growing_momentum(0.4)(iteration))
    return [parameter.detach() for parameter in model.parameters()]


def test_ranks_stay_equal(run_ranks: RunRanks) -> None:
    first, second = run_ranks(learn_on_a_rank, 2)
    begin = [parameter.detach() for parameter in make_model(outputs=2).parameters()]
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    assert any(not torch.equal(one, other) for one, other in zip(first, begin, strict=True))
