"""Methods without labels: one process against several, in parts against as a whole, and against their losses by hand."""

from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import normalize

from pet.losses.distillation import self_distillation
from pet.models.selfsup.projector import PrototypeHead, build_mlp
from pet.models.selfsup.queue import KeyQueue
from pet.models.selfsup.shuffling import encode_in_groups, encode_shuffled
from pet.models.selfsup.siamese import SimCLR
from petlib import distributed
from petlib.engine.gradient_cache import GradientCacheStep, check_parts
from petlib.engine.step import DefaultStep
from petlib.errors import ConfigError
from petlib.events.storage import EventStorage
from petlib.solver.precision import MixedPrecision
from tests.pet.models.selfsup.tiny import LENGTH, METHODS, make_method, make_views

CPU = torch.device("cpu")


def gradients_of(model):
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


def learn_two_iterations(name):
    """Return losses, gradients and buffers after two iterations, the second of which sees what the first left in queue and centre."""
    model = make_method(name).double()
    wrapped = distributed.parallelize(model, "ddp", device=CPU, ignored=model.own_buffers())
    optimizer = torch.optim.SGD([parameter for parameter in model.parameters() if parameter.requires_grad], lr=0.5)
    losses = []
    for iteration in range(2):
        count = 8 // distributed.world_size()
        own = slice(distributed.rank() * count, (distributed.rank() + 1) * count)
        batch = {field: values[own].double() for field, values in make_views(local=2 if name == "dino" else 0, seed=iteration).items()}
        optimizer.zero_grad()
        loss = wrapped(batch)["losses"]["loss"]
        loss.backward()
        losses.append(float(distributed.all_reduce_mean(loss.detach())))
        optimizer.step()
        if hasattr(model, "update_teacher"):
            model.update_teacher(0.9)
    return losses, gradients_of(model), dict(model.named_buffers())


@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("name", METHODS)
def test_processes_learn_what_one_learns(run_ranks, name, count):
    losses, gradients, buffers = learn_two_iterations(name)
    assert losses[0] != losses[1]
    assert all(gradient.abs().max() > 0 for gradient in gradients.values())
    for other_losses, other_gradients, other_buffers in run_ranks(learn_two_iterations, count, name):
        assert other_losses == pytest.approx(losses, abs=1e-10)
        for key, gradient in gradients.items():
            torch.testing.assert_close(other_gradients[key], gradient, atol=1e-10, rtol=0)
        for key, buffer in buffers.items():
            torch.testing.assert_close(other_buffers[key], buffer, atol=1e-10, rtol=0)


def learn_in_groups(total, norm):
    """Return loss and gradients of moco with a batch of 16 in ``total`` groups, over all processes."""
    per_process = total // distributed.world_size()
    model = make_method("moco", norm=norm).double()
    model.groups, model.shuffles = per_process, total > 1
    wrapped = distributed.parallelize(model, "ddp", device=CPU, ignored=model.own_buffers())
    count = 16 // distributed.world_size()
    own = slice(distributed.rank() * count, (distributed.rank() + 1) * count)
    torch.manual_seed(5)
    loss = wrapped({field: values[own].double() for field, values in make_views(16).items()})["losses"]["loss"]
    loss.backward()
    return float(distributed.all_reduce_mean(loss.detach())), gradients_of(model), model.queue.keys


def test_groups_of_batch_norm_do_not_depend_on_the_processes(run_ranks):
    """4 groups on one process are what 4 processes with a group each have, and not what one group is."""
    loss, gradients, keys = learn_in_groups(4, "batch")
    assert loss != pytest.approx(learn_in_groups(1, "batch")[0], abs=1e-6)
    for count in (2, 4):
        for other_loss, other_gradients, other_keys in run_ranks(learn_in_groups, count, 4, "batch"):
            assert other_loss == pytest.approx(loss, abs=1e-10)
            torch.testing.assert_close(other_keys, keys)
            for key, gradient in gradients.items():
                torch.testing.assert_close(other_gradients[key], gradient, atol=1e-10, rtol=0)


def test_shuffled_keys_come_back_to_their_queries(run_ranks):
    """Without batch norm neither groups nor the order change anything."""
    loss, _, keys = learn_in_groups(1, "layer")
    for other_loss, _, other_keys in [learn_in_groups(4, "layer"), *run_ranks(learn_in_groups, 2, 4, "layer")]:
        assert other_loss == pytest.approx(loss, abs=1e-10)
        torch.testing.assert_close(other_keys, keys)


def test_keys_are_normalised_in_other_groups_than_queries():
    """A group of keys has samples of several groups of queries, in an order that is drawn anew."""
    seen = []

    def encode(images):
        seen.append(images[:, 0, 0, 0].tolist())
        return images.flatten(1)

    images = torch.arange(8.0)[:, None, None, None]
    torch.manual_seed(0)
    assert encode_shuffled(encode, images, 4).equal(images.flatten(1))
    assert encode_in_groups(encode, images, 4).equal(images.flatten(1))
    assert seen[4:] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert len(seen[:4]) == 4
    assert sorted(sum(seen[:4], [])) == list(range(8))
    assert not any(group in seen[4:] for group in seen[:4])


def make_state(model):
    optimizer = torch.optim.SGD([parameter for parameter in model.parameters() if parameter.requires_grad], lr=0.0)
    return SimpleNamespace(model=model, network=model, optimizer=optimizer, storage=EventStorage(), scaler=None)


def run_step(step_type, name, parts, *, dropout=0.0):
    model = make_method(name, dropout=dropout).double()
    whole = make_views(local=2 if name == "dino" else 0)
    batches = iter(
        [{field: values[start : start + 8 // parts].double() for field, values in whole.items()} for start in range(0, 8, 8 // parts)]
    )
    precision = MixedPrecision(enabled=False, dtype="bf16", device=CPU)
    state = make_state(model)
    torch.manual_seed(3)
    step_type(accumulation=parts, clipper=None, precision=precision, metrics=True)(state, batches, lambda _: None)
    (total,) = state.storage.pending_totals() if step_type is GradientCacheStep or parts == 1 else [torch.zeros(())]
    return float(total), gradients_of(model), dict(model.named_buffers())


@pytest.mark.parametrize("name", METHODS)
def test_parts_give_the_gradients_of_the_whole_batch(name):
    loss, gradients, buffers = run_step(DefaultStep, name, 1)
    for parts in (2, 4):
        other_loss, others, other_buffers = run_step(GradientCacheStep, name, parts)
        assert other_loss == pytest.approx(loss, abs=1e-10)
        assert others.keys() == gradients.keys()
        for key, gradient in gradients.items():
            torch.testing.assert_close(others[key], gradient, atol=1e-10, rtol=0)
        for key, buffer in buffers.items():
            torch.testing.assert_close(other_buffers[key], buffer, atol=1e-10, rtol=0)


@pytest.mark.parametrize("name", ["simclr", "mocov3", "barlow_twins"])
def test_plain_accumulation_learns_something_else(name):
    _, gradients, _ = run_step(DefaultStep, name, 1)
    _, others, _ = run_step(DefaultStep, name, 4)
    assert max(float((others[key] - gradient).abs().max()) for key, gradient in gradients.items()) > 1e-3


def test_dropout_of_a_part_is_the_same_both_times(monkeypatch):
    drawn = []
    encode = SimCLR.encode

    def watching_encode(self, batch):
        drawn.append(torch.rand(()).item())
        return encode(self, batch)

    monkeypatch.setattr(SimCLR, "encode", watching_encode)
    run_step(GradientCacheStep, "simclr", 2, dropout=0.5)
    first, second, first_again, second_again = drawn
    assert (first, second) == (first_again, second_again)
    assert first != second


def test_batch_norm_is_refused_where_parts_are_encoded():
    check_parts(make_method("simclr"))
    with pytest.raises(ConfigError, match=r"GradientCacheStep: projector\.1 is a batch norm"):
        check_parts(make_method("simclr", norm="batch"))


def test_the_queue_keeps_the_newest_keys():
    torch.manual_seed(0)
    queue = KeyQueue(count=5, length=2)
    assert torch.allclose(queue.keys.norm(dim=1), torch.ones(5))
    last = queue.keys[4].clone()
    queue.push(torch.tensor([[float(i), 0.0] for i in range(1, 5)]))
    assert queue.keys[:, 0].tolist() == [1.0, 2.0, 3.0, 4.0, float(last[0])]
    queue.push(torch.tensor([[5.0, 0.0], [6.0, 0.0]]))
    assert queue.keys[:, 0].tolist() == [6.0, 2.0, 3.0, 4.0, 5.0]
    assert int(queue.place) == 1


def test_moco_compares_with_the_queue_before_its_keys_join_it():
    model, batch = make_method("moco"), make_views()
    queue = model.queue.keys.clone()
    queries = normalize(model.project(batch["image"]), dim=1)
    keys = normalize(model.teacher["projector"](model.teacher["backbone"](batch["image2"])), dim=1)
    logits = torch.cat([(queries * keys).sum(dim=1, keepdim=True), queries @ queue.t()], dim=1) / 0.3
    assert model(batch)["losses"]["loss"].item() == pytest.approx(-logits.log_softmax(dim=1)[:, 0].mean().item(), rel=1e-5)
    torch.testing.assert_close(model.queue.keys[:8], keys)
    assert torch.equal(model.queue.keys[8:], queue[8:])


def test_dino_moves_its_centre_after_the_loss():
    model, batch = make_method("dino"), make_views(local=3)
    local = [batch["local_views"][:, :, view] for view in range(3)]
    students = [model.project(view) for view in (batch["image"], batch["image2"], *local)]
    teachers = [model.teacher["projector"](model.teacher["backbone"](batch[name])) for name in ("image", "image2")]
    expected = self_distillation(students, teachers, centre=torch.zeros(10), student_temperature=0.1, teacher_temperature=0.05)
    assert model(batch)["losses"]["loss"].item() == pytest.approx(expected.item(), rel=1e-5)
    torch.testing.assert_close(model.centre, 0.1 * torch.cat(teachers).mean(dim=0).detach())


@pytest.mark.parametrize("name", ["simclr", "moco", "mocov3", "barlow_twins"])
def test_what_was_encoded_in_half_precision_is_compared_in_full(name):
    model, batch = make_method(name), make_views()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        encoded = {**model.encode(batch), **model.encode_teacher(batch)}
        assert torch.bfloat16 in {value.dtype for value in encoded.values()}
    expected = make_method(name).compare({field: value.detach().clone() for field, value in encoded.items()})["losses"]["loss"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model(batch)["losses"]["loss"].item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_embeddings_are_those_of_the_backbone(name):
    model, images = make_method(name).eval(), make_views()["image"]
    if hasattr(model, "teacher"):
        with torch.no_grad():
            for parameter in model.teacher.parameters():
                parameter.mul_(0.5)
    backbone = model.teacher["backbone"] if name == "dino" else model.backbone
    predictions = model({"image": images})
    assert len(predictions) == 8
    torch.testing.assert_close(torch.stack([one["embedding"] for one in predictions]), backbone(images))


def test_projectors():
    mlp = build_mlp(6, hidden=4, out=3, layers=3, norm="batch", norm_at_end=True)
    assert [type(part).__name__ for part in mlp] == [
        *("Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d")
    ]
    assert not mlp[-1].affine
    assert all(layer.bias is None for layer in (mlp[0], mlp[3], mlp[6]))
    assert [type(part).__name__ for part in build_mlp(6, hidden=4, out=3, layers=1, norm="batch")] == ["Linear"]
    assert build_mlp(6, hidden=4, out=3, layers=2, norm="none")[0].bias is not None
    head = PrototypeHead(6, hidden=8, bottleneck=4, out=LENGTH)
    cosines = head(torch.randn(50, 6))
    assert cosines.shape == (50, LENGTH)
    assert cosines.abs().max() <= 1.0
