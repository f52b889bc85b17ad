import math

import pytest
import sklearn.metrics
import torch
import torchmetrics

from pet.metrics.classification import ClassificationMetrics


def random_batches(count, num_classes, *, batch=16, classes_with_samples=None):
    generator = torch.Generator().manual_seed(0)
    upper = classes_with_samples or num_classes
    return [
        (torch.randn(batch, num_classes, generator=generator), torch.randint(0, upper, (batch,), generator=generator)) for _ in range(count)
    ]


def counted(batches, num_classes, **options):
    metrics = ClassificationMetrics(num_classes, **options)
    for logits, labels in batches:
        metrics.update(logits, labels)
    return metrics


def joined(batches):
    return torch.cat([logits for logits, _ in batches]), torch.cat([labels for _, labels in batches])


def test_by_hand():
    logits = torch.tensor([[3.0, 2, 1], [1, 2, 3], [1, 3, 2], [3, 1, 2]])
    labels = torch.tensor([0, 0, 1, 2])
    metrics = counted([(logits, labels)], 3, topk=(1, 2))
    assert metrics.compute() == {"cls/acc1": 0.5, "cls/acc2": 0.75, "cls/mean_class_acc": 0.5}
    result = metrics.merge()
    assert result.confusion_matrix.tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert result.confusion_matrix.dtype == torch.int64
    assert result.per_class_accuracy().tolist() == [0.5, 1.0, 0.0]
    assert result.num_samples == 4


def test_matches_torchmetrics():
    batches = random_batches(5, 12)
    logits, labels = joined(batches)
    ours = counted(batches, 12).compute()

    def theirs(average, top_k):
        return torchmetrics.functional.classification.multiclass_accuracy(logits, labels, 12, average=average, top_k=top_k).item()

    assert ours["cls/acc1"] == pytest.approx(theirs("micro", 1))
    assert ours["cls/acc5"] == pytest.approx(theirs("micro", 5))
    assert ours["cls/mean_class_acc"] == pytest.approx(theirs("macro", 1))


def test_matches_scikit_learn():
    batches = random_batches(5, 7)
    logits, labels = joined(batches)
    result = counted(batches, 7).merge()
    assert result.confusion_matrix.tolist() == sklearn.metrics.confusion_matrix(labels, logits.argmax(1), labels=range(7)).tolist()
    assert result.metrics()["cls/mean_class_acc"] == pytest.approx(sklearn.metrics.balanced_accuracy_score(labels, logits.argmax(1)))
    assert result.metrics()["cls/acc5"] == pytest.approx(sklearn.metrics.top_k_accuracy_score(labels, logits, k=5, labels=range(7)))


def test_the_way_samples_are_batched_does_not_matter():
    batches = random_batches(6, 4)
    whole = counted([joined(batches)], 4).merge()
    assert torch.equal(counted(batches, 4).merge().confusion_matrix, whole.confusion_matrix)
    assert counted(reversed(batches), 4).compute() == whole.metrics()


def test_classes_without_samples_are_left_out_of_the_mean():
    result = counted(random_batches(4, 6, classes_with_samples=4), 6).merge()
    accuracies = result.per_class_accuracy()
    assert torch.isnan(accuracies).tolist() == [False] * 4 + [True] * 2
    assert result.metrics()["cls/mean_class_acc"] == pytest.approx(accuracies[:4].mean().item())


def test_top_k_of_more_than_all_classes_is_one():
    assert counted(random_batches(2, 3), 3, topk=(1, 3, 5)).compute()["cls/acc5"] == 1.0
    assert counted([(torch.zeros(2, 1), torch.zeros(2, dtype=torch.long))], 1).compute()["cls/acc1"] == 1.0


def test_ignored_samples_do_not_count():
    logits, labels = random_batches(1, 4)[0]
    ignored = labels.clone()
    ignored[::3] = 255
    kept = ignored != 255
    with_ignored = counted([(logits, ignored)], 4, ignore_index=255).merge()
    without = counted([(logits[kept], labels[kept])], 4).merge()
    assert torch.equal(with_ignored.confusion_matrix, without.confusion_matrix)
    assert with_ignored.metrics() == without.metrics()


@pytest.mark.parametrize("batches", [[], [(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long))]])
def test_nothing_counted_gives_nan(batches):
    metrics = counted(batches, 4).compute()
    assert list(metrics) == ["cls/acc1", "cls/acc5", "cls/mean_class_acc"]
    assert all(math.isnan(value) for value in metrics.values())


def test_low_precision_logits_and_small_integer_labels():
    logits, labels = random_batches(1, 5)[0]
    assert counted([(logits.bfloat16(), labels.to(torch.uint8))], 5).compute() == counted([(logits.bfloat16(), labels)], 5).compute()


@pytest.mark.parametrize(("logits", "labels"), [((2, 3), (2,)), ((2, 4), (3,)), ((2, 4), (2, 4)), ((4,), (4,))])
def test_shapes_that_do_not_fit(logits, labels):
    with pytest.raises(ValueError, match=r"logits of shape \(B, 4\) and labels of shape \(B,\) expected"):
        ClassificationMetrics(4).update(torch.zeros(logits), torch.zeros(labels, dtype=torch.long))


def test_reading_the_result_changes_nothing():
    batches = random_batches(2, 4)
    metrics = counted(batches[:1], 4)
    metrics.compute()
    metrics.update(*batches[1])
    assert metrics.compute() == counted(batches, 4).compute()


@pytest.mark.cuda
def test_counting_on_a_gpu_does_not_wait_for_it():
    batches = random_batches(3, 5)
    on_gpu = [(logits.cuda(), labels.cuda()) for logits, labels in batches]
    metrics = counted(on_gpu[:1], 5)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for logits, labels in on_gpu[1:]:
            metrics.update(logits, labels)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert metrics.compute() == counted(batches, 5).compute()
