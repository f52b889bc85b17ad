import numpy as np
import pytest
import torch
from torch import nn

from pet.losses.margins import AngularMargin
from pet.models.class_centres import ClassCentres, random_numbers
from petlib import distributed
from petlib.checkpoint import Checkpointer
from petlib.distributed.row_sharded import local_rows
from petlib.solver.grad_scaler import WholeAndSharedGradScaler
from petlib.solver.optimizers import GradientClipper
from petlib.solver.precision import MixedPrecision

CPU = torch.device("cpu")
CLASSES, LENGTH, BATCH = 7, 5, 6
OVERFLOW = 3


class Recogniser(nn.Module):
    """A body that all processes have, and centres that they share out."""

    def __init__(self, sample_rate: float) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.body = nn.Linear(4, LENGTH)
        margin = AngularMargin(scale=16, angle=0.3, cosine=0.1)
        self.centres = ClassCentres(num_classes=CLASSES, length=LENGTH, margin=margin, sample_rate=sample_rate, seed=3, device=CPU)

    def forward(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return self.centres(self.body(images), labels)[0]


def batch_of(iteration: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(iteration)
    images, labels = torch.randn(BATCH, 4, generator=generator), torch.randint(0, CLASSES, (BATCH,), generator=generator)
    share = slice(distributed.rank() * BATCH // distributed.world_size(), (distributed.rank() + 1) * BATCH // distributed.world_size())
    return images[share], labels[share]


def train(folder, sample_rate: float, iterations: range, save: bool, precision: str = "float32") -> list[list[float]]:
    """Train, from iteration 0 or a checkpoint of any number of processes, and return losses and norms of all gradients."""
    network = Recogniser(sample_rate)
    model = distributed.parallelize(network, "ddp", device=CPU, ignored=["centres.weight"])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-3)
    checkpointer = Checkpointer(folder, sharded=distributed.world_size() > 1)
    parts = {"model": network, "optimizers": {"main": optimizer}}
    assert iterations.start == 0 or checkpointer.restore(parts)["iteration"] == iterations.start
    clip = GradientClipper(method="norm", value=1.0)
    mixed = MixedPrecision(enabled=precision == "bf16", dtype="bf16", device=CPU)
    scaler = WholeAndSharedGradScaler("cpu", enabled=precision == "scaled", init_scale=2.0**10)
    losses, norms = [], []
    for iteration in iterations:
        network.centres.begin_iteration(iteration)
        with mixed.autocast():
            loss = model(*batch_of(iteration))
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        network.centres.update.begin(optimizer)
        if precision == "scaled" and iteration == OVERFLOW:
            overflow_in_last_row(optimizer)
        scaler.unscale_(optimizer)
        norms.append(float(clip(optimizer.param_groups[0]["params"])))
        scaler.step(optimizer)
        scaler.update()
        network.centres.update.end()
        losses.append(loss.item())
    if save:
        checkpointer.save({**parts, "iteration": iterations.stop}, iteration=iterations.stop)
        checkpointer.wait()
    return [losses, norms]


def overflow_in_last_row(optimizer: torch.optim.Optimizer) -> None:
    """Let the last of the centres that were looked at, which the last process has, have a gradient that is not finite."""
    (centres,) = [parameter for group in optimizer.param_groups for parameter in group["params"] if parameter.shape[1:] == (LENGTH,)]
    if distributed.rank() == distributed.world_size() - 1:
        local_rows(centres.grad)[-1] = torch.inf


def test_the_loss_is_that_of_a_dense_layer():
    centres = Recogniser(1.0).centres
    embeddings, labels = torch.randn(BATCH, LENGTH, requires_grad=True), torch.randint(0, CLASSES, (BATCH,))
    loss, metrics = centres(embeddings, labels)
    loss.backward()
    found = embeddings.grad.clone(), centres.weight.grad.clone()
    embeddings.grad, centres.weight.grad = None, None
    cosines = nn.functional.normalize(embeddings) @ nn.functional.normalize(centres.weight).T
    expected = nn.functional.cross_entropy(centres.margin(cosines, labels), labels)
    expected.backward()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(found[0], embeddings.grad)
    torch.testing.assert_close(found[1], centres.weight.grad)
    assert metrics["acc1"] == (cosines.argmax(dim=1) == labels).float().mean()
    torch.testing.assert_close(metrics["own_cosine"], cosines[torch.arange(BATCH), labels].mean())


@pytest.mark.parametrize("sample_rate", [1.0, 0.4])
def test_a_run_of_two_processes_goes_on_with_one_and_three_as_if_there_had_been_one(run_ranks, tmp_path, sample_rate):
    expected = train(tmp_path / "alone", sample_rate, range(8), False)
    for number, continued in enumerate((1, 3)):
        folder = tmp_path / str(number)
        first = run_ranks(train, 2, folder, sample_rate, range(4), True)
        rest = run_ranks(train, continued, folder, sample_rate, range(4, 8), False)
        for begun, ended in (*((first[0], other) for other in rest), (first[1], rest[0])):
            np.testing.assert_allclose(np.concatenate([begun, ended], axis=1), expected, rtol=1e-5, atol=1e-5)
    assert max(expected[0]) - min(expected[0]) > 0.1


@pytest.mark.parametrize("sample_rate", [1.0, 0.4])
def test_gradients_in_bf16_are_clipped_together_over_processes(run_ranks, tmp_path, sample_rate):
    alone = train(tmp_path, sample_rate, range(8), False, "bf16")
    exact = train(tmp_path, sample_rate, range(8), False)
    for found in run_ranks(train, 2, tmp_path, sample_rate, range(8), False, "bf16"):
        # half of a batch is rounded to bf16 apart from the other
        np.testing.assert_allclose(found, alone, rtol=5e-3)
        assert not np.allclose(found, exact, rtol=1e-5)
    # the limit is 1
    assert min(alone[1]) > 1


@pytest.mark.parametrize(("sample_rate", "processes"), [(1.0, 2), (0.4, 3)])
def test_an_overflow_on_one_process_leaves_out_the_step_of_all(run_ranks, tmp_path, sample_rate, processes):
    alone = np.array(train(tmp_path, sample_rate, range(6), False, "scaled"))
    assert not np.isfinite(alone[1, OVERFLOW])
    assert np.isfinite(np.delete(alone[1], OVERFLOW)).all()
    for found in run_ranks(train, processes, tmp_path, sample_rate, range(6), False, "scaled"):
        np.testing.assert_allclose(found[0], alone[0], atol=1e-5)
        np.testing.assert_allclose(np.delete(found[1], OVERFLOW), np.delete(alone[1], OVERFLOW), atol=1e-5)
    before, after = (train(tmp_path, sample_rate, range(OVERFLOW + 1), False, kind)[0] for kind in ("float32", "scaled"))
    np.testing.assert_allclose(before, after, atol=1e-6)


def test_a_sample_has_the_classes_of_the_batch_and_about_its_share_of_the_others():
    margin = AngularMargin(scale=1, angle=0)
    centres = ClassCentres(num_classes=10_000, length=2, margin=margin, sample_rate=0.1, seed=0, device=CPU)
    labels = torch.tensor([5, 9_999, 5, 17])
    sizes, drawn = [], []
    for iteration in range(3):
        centres.begin_iteration(iteration)
        chosen, places = centres._sample(labels)
        assert torch.equal(chosen[places], centres.weight[labels])
        sizes.append(len(chosen))
        drawn.append(chosen)
    assert all(900 < size < 1_100 for size in sizes)
    assert not torch.equal(drawn[0][:800], drawn[1][:800])
    centres.begin_iteration(1)
    assert torch.equal(centres._sample(labels)[0], drawn[1])
    assert not torch.equal(centres._sample(labels)[0][:800], drawn[1][:800])


def test_random_numbers_are_even_and_follow_from_place_and_key():
    numbers = random_numbers(torch.arange(100_000), key=-5)
    assert abs(numbers.mean() - 0.5) < 0.005
    assert abs(numbers.std() - 12**-0.5) < 0.005
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert torch.equal(random_numbers(torch.arange(500, 600), key=-5), numbers[500:600])
    assert (numbers[1:] - random_numbers(torch.arange(99_999), key=-5)).abs().mean() > 0.3
    assert torch.corrcoef(torch.stack([numbers, random_numbers(torch.arange(100_000), key=6)]))[0, 1].abs() < 0.02


def own_centres(num_classes: int) -> torch.Tensor:
    margin = AngularMargin()
    centres = ClassCentres(num_classes=num_classes, length=2, margin=margin, device=CPU)
    return centres.weight.full_tensor().detach()


def test_first_centres_do_not_depend_on_the_number_of_processes(run_ranks):
    alone = ClassCentres(num_classes=9_001, length=2, margin=AngularMargin(), device=CPU).weight.detach()
    assert abs(alone.std() - 0.01) < 0.001
    for weight in run_ranks(own_centres, 2, 9_001):
        assert torch.equal(weight, alone)


def lose_on_one_class() -> float:
    margin = AngularMargin(scale=4)
    centres = ClassCentres(num_classes=1, length=2, margin=margin, device=CPU)
    loss, _ = centres(torch.ones(2, 2, requires_grad=True), torch.zeros(2, dtype=torch.int64))
    loss.backward()
    return loss.item()


def test_a_process_may_have_no_centre(run_ranks):
    assert run_ranks(lose_on_one_class, 2) == [0.0, 0.0]
