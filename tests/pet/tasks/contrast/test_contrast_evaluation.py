"""Nearest neighbours and a linear classifier: the same figures on any number of processes, and those of a reference."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn

from pet.tasks.contrast.evaluation import ProbeEvaluation
from petlib import distributed

CLASSES, LENGTH = 3, 6


def data(count, seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (count,), generator=generator)
    vectors = torch.randn(count, LENGTH, generator=generator)
    vectors[torch.arange(count), labels] += 1.5
    return vectors, labels


def batches(count, seed):
    vectors, labels = data(count, seed)
    world, rank = distributed.world_size(), distributed.rank()
    share = list(range(rank * count // world, (rank + 1) * count // world))
    parts = [share[start : start + 16] for start in range(0, len(share), 16)]
    return [
        {"image": vectors[part].view(len(part), LENGTH, 1, 1), "label": labels[part], "meta": [{"index": index} for index in part]}
        for part in parts
    ]


class Half(nn.Module):
    def forward(self, batch):
        return [{"embedding": row} for row in batch["image"].flatten(1)[:, : LENGTH // 2]]


class Count:
    """A metric of one's own: how many embeddings it has seen on this process."""

    def update(self, batch, predictions):
        self.seen = getattr(self, "seen", 0) + sum(len(prediction["embedding"]) == LENGTH // 2 for prediction in predictions)

    def compute(self):
        return {"own/seen": float(self.seen)}

    def write(self, folder):
        (folder / "own.txt").write_text(str(self.seen))

    def summary(self):
        return f"own: {self.seen}"


def test_further_metrics_see_the_embeddings_of_the_test_images(tmp_path, capsys):
    evaluation = ProbeEvaluation(
        bank=batches(70, 1),
        loader=batches(25, 2),
        num_classes=CLASSES,
        neighbours=[5],
        temperature=0.1,
        linear=False,
        autocast=nullcontext,
        build_evaluators=lambda _: [Count()],
    )
    assert evaluation(Half())["own/seen"] == 25
    assert evaluation.test(Half(), tmp_path)["own/seen"] == 25
    assert (tmp_path / "own.txt").read_text() == "25"
    assert capsys.readouterr().out.splitlines()[-2] == "own: 25"


def test_the_votes_of_neighbours_choose_the_samples_that_are_drawn(tmp_path):
    class Recorded:
        def __init__(self):
            self.places, self.shares = [], []

        def update(self, batch, predictions):
            self.places = [meta["index"] for meta in batch["meta"]]
            self.shares = [float(one["logits"].softmax(0)[label]) for one, label in zip(predictions, batch["label"].tolist(), strict=True)]

        def write(self, folder):
            (folder / "..").resolve().joinpath("drawn.txt").write_text(folder.name)

    gallery = Recorded()
    evaluation = ProbeEvaluation(
        bank=batches(70, 1),
        loader=batches(25, 2),
        num_classes=CLASSES,
        neighbours=[1, 5],
        temperature=0.1,
        linear=False,
        autocast=nullcontext,
        build_gallery=lambda judges: gallery if judges else None,
    )
    metrics = evaluation.test(Half(), tmp_path)
    assert gallery.places == list(range(25))
    # a class that has more than half of the votes wins
    assert sum(share > 0.5 for share in gallery.shares) / 25 <= metrics["knn/acc5"] + 1e-9
    assert max(gallery.shares) <= 1
    assert (tmp_path / "drawn.txt").read_text() == "samples"


def measure(bank=70, queries=25):
    evaluation = ProbeEvaluation(
        bank=batches(bank, 1),
        loader=batches(queries, 2),
        num_classes=CLASSES,
        neighbours=[5, 200],
        temperature=0.1,
        linear=True,
        autocast=nullcontext,
    )
    baseline = evaluation.measure_baseline(Half())
    return baseline, evaluation(Half())


def test_figures_do_not_depend_on_the_processes(run_ranks):
    baseline, metrics = measure()
    assert list(metrics)[0] == "knn/acc5"
    assert metrics["knn/above_untrained"] == 0.0
    assert metrics["knn/above_pixels"] == pytest.approx(metrics["knn/acc5"] - baseline["knn/pixels"])
    for other_baseline, other in run_ranks(measure, 3, timeout=60):
        assert other_baseline == pytest.approx(baseline, abs=1e-5)
        assert other == pytest.approx(metrics, abs=1e-5)


def test_a_process_may_have_no_test_image(run_ranks):
    _, metrics = measure(bank=5, queries=2)
    for _, other in run_ranks(measure, 3, 5, 2, timeout=60):
        assert {name: value for name, value in other.items() if "acc" in name} == pytest.approx(
            {name: value for name, value in metrics.items() if "acc" in name}
        )


def test_neighbours_vote_as_in_a_reference():
    neighbors = pytest.importorskip("sklearn.neighbors")
    (bank, bank_labels), (queries, labels) = data(70, 1), data(25, 2)
    units = [torch.nn.functional.normalize(vectors[:, : LENGTH // 2], dim=1).numpy() for vectors in (bank, queries)]
    weigh = lambda distances: np.exp((1 - distances) / 0.1)  # noqa: E731 -- scikit-learn calls it
    reference = neighbors.KNeighborsClassifier(5, metric="cosine", algorithm="brute", weights=weigh).fit(units[0], bank_labels)
    _, metrics = measure()
    assert metrics["knn/acc5"] == pytest.approx((reference.predict(units[1]) == labels.numpy()).mean())
